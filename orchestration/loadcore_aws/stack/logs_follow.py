"""The stack's logs, merged over its instances in the order of time, once or as they come.

Source: FilterLogEvents (Amazon CloudWatch Logs API Reference), which searches all streams of a
group and gives its pages in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.errors import Meaning, meaning
from loadcore_aws.stack.kinds.logs import SERVICE_FOLDER
from loadcore_aws.stack.retry import Patience

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

POLL_S = 2.0
OVERLAP_MS = 30_000
"""How late an event may arrive and still be seen: each poll looks so far back once more, since
instances send in batches and CloudWatch Logs takes its time to show them."""


@dataclass(frozen=True)
class LogEvent:
    """`time_ms` is milliseconds since 1970, UTC; `instance` the stream's name, which is its id."""

    id: str
    time_ms: int
    instance: str
    message: str

    @property
    def time_text(self) -> str:
        """ISO 8601 in UTC, to the millisecond."""
        time = datetime.fromtimestamp(self.time_ms / 1000, timezone.utc)
        return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.time_ms % 1000:03d}Z"


class LogReader:
    """Reads one log group; for one thread. `grep` is a regular expression that a message must
    contain, asked here and not in AWS, whose filter patterns are another language.

    Raises loadcore.PlanError for an expression that cannot be read.
    """

    def __init__(self, account: Account, owner: Owner, *, grep: str = "") -> None:
        self._account = account
        self._group = f"{SERVICE_FOLDER}{owner.stack}"
        self._newest_ms = 0
        # Ids by their times, of what may come once more.
        self._seen: dict[str, int] = {}
        try:
            self._grep = re.compile(grep)
        except re.error as error:
            raise lc.PlanError("--grep", f"{grep!r} is no regular expression: {error}") from None

    def since(self, ago: timedelta) -> Iterator[LogEvent]:
        """What there is from then until now.

        Raises loadcore.RunError where there is no such log group or AWS will not tell.
        """
        self._newest_ms = milliseconds(self._account.time.date() - ago)
        yield from self._new(self._newest_ms)

    def follow(self, ago: timedelta) -> Iterator[LogEvent]:
        """As since(), and then whatever comes, without end; each event once."""
        yield from self.since(ago)
        begin_ms = milliseconds(self._account.time.date() - ago)
        while True:
            self._account.time.sleep(POLL_S)
            yield from self._new(max(begin_ms, self._newest_ms - OVERLAP_MS))

    def _new(self, begin_ms: int) -> Iterator[LogEvent]:
        for page in self._pages(begin_ms):
            events = [event_of(each) for each in page["events"]]
            for event in sorted(events, key=lambda event: (event.time_ms, event.id)):
                if event.id not in self._seen:
                    self._seen[event.id] = event.time_ms
                    self._newest_ms = max(self._newest_ms, event.time_ms)
                    if self._grep.search(event.message):
                        yield event
            self._forget(self._newest_ms - OVERLAP_MS)

    def _pages(self, begin_ms: int) -> Iterator[dict[str, Any]]:
        """A page that could not be had is asked for again, with all before it kept."""
        patience = Patience(self._account.time, f"reading {self._group}")
        more: dict[str, str] = {}
        while True:
            try:
                page = self._account.client("logs").filter_log_events(
                    logGroupName=self._group, startTime=begin_ms, **more
                )
            except Exception as error:
                if meaning(error) is Meaning.GONE:
                    raise lc.RunError(
                        f"there is no log group {self._group}; run  loadcore stack apply  first"
                    ) from None
                patience.wait_after(error)
                continue
            yield page
            if not page.get("nextToken"):
                return
            more = {"nextToken": page["nextToken"]}

    def _forget(self, before_ms: int) -> None:
        """What no poll looks back to any more."""
        self._seen = {each: time for each, time in self._seen.items() if time >= before_ms}


def event_of(element: dict[str, Any]) -> LogEvent:
    return LogEvent(
        element["eventId"],
        element["timestamp"],
        element["logStreamName"],
        element["message"].rstrip("\n"),
    )


def milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
