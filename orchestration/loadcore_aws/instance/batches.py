"""Batches of log events as CloudWatch Logs takes them.

Source: Amazon CloudWatch Logs API Reference, "PutLogEvents": 1,048,576 bytes a batch, each event
counted as its message in UTF-8 plus 26; 10,000 events; in chronological order; within 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from loadcore_aws.instance.journal import Entry

BATCH_BYTES_MAX = 1_048_576
BATCH_EVENTS_MAX = 10_000
BATCH_SPAN_MS_MAX = 24 * 3600 * 1000
EVENT_EXTRA_BYTES = 26
MESSAGE_BYTES_MAX = BATCH_BYTES_MAX - EVENT_EXTRA_BYTES


class Event(TypedDict):
    timestamp: int
    message: str


@dataclass
class Batch:
    """Entries in the order of the journal; events() sorts them, since the clock may have been set
    back in between."""

    _events: list[Event] = field(default_factory=list)
    _bytes: int = 0
    _first_ms: int = 0
    _last_ms: int = 0
    cursor: str = ""
    """of the newest entry taken in; empty at first"""

    def __len__(self) -> int:
        return len(self._events)

    def take(self, entry: Entry) -> bool:
        """False where `entry` does not fit any more; send this batch and begin another."""
        message = entry.message
        size = len(message.encode(errors="replace"))
        if size > MESSAGE_BYTES_MAX:
            message = message.encode(errors="replace")[:MESSAGE_BYTES_MAX].decode(errors="ignore")
            size = len(message.encode())
        if message and not self._fits(entry.time_ms, size):
            return False
        if message:  # an event has at least one character
            self._first_ms = min(self._first_ms, entry.time_ms) if self._events else entry.time_ms
            self._last_ms = max(self._last_ms, entry.time_ms) if self._events else entry.time_ms
            self._events.append({"timestamp": entry.time_ms, "message": message})
            self._bytes += size + EVENT_EXTRA_BYTES
        self.cursor = entry.cursor
        return True

    def _fits(self, time_ms: int, size: int) -> bool:
        if not self._events:
            return True
        span_ms = max(self._last_ms, time_ms) - min(self._first_ms, time_ms)
        return (
            len(self._events) < BATCH_EVENTS_MAX
            and self._bytes + size + EVENT_EXTRA_BYTES <= BATCH_BYTES_MAX
            and span_ms < BATCH_SPAN_MS_MAX
        )

    def events(self) -> list[Event]:
        return sorted(self._events, key=lambda event: event["timestamp"])
