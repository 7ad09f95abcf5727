"""A log event as people read it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from loadcore_aws.stack.logs_follow import LogEvent

COLORS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green",
          "bright_yellow", "bright_magenta", "bright_blue")  # fmt: skip


def log_line(event: LogEvent) -> str:
    """In rich's markup; an instance has the same colour each time."""
    color = COLORS[zlib.crc32(event.instance.encode()) % len(COLORS)]
    return f"[dim]{event.time_text}[/] [{color}]{escape(event.instance)}[/] {escape(event.message)}"
