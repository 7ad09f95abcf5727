"""The stack's logs, merged over its instances in the order of time, once or as they come.

Sources: FilterLogEvents (Amazon CloudWatch Logs API Reference), which searches all streams of a
group and gives its pages, some of them empty, in the order of time; "How do I determine throttling
in my CloudWatch logs?" (AWS re:Post Knowledge Center).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.errors import Meaning, meaning
from loadcore_aws.stack.kinds.logs import SERVICE_FOLDER
from loadcore_aws.stack.retry import Patience

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

POLL_S = 2.0
CALL_S = 0.25
"""From one call to the next: the quota is 5 a second for account and region, and in some regions
more; others read logs, too."""

NEAR_MS = 30_000
"""Each round looks so far back once more, since instances send in batches and CloudWatch Logs takes
its time to show them."""

LATE_MS = 3_600_000
"""How late an event may come and still be shown: what an instance wrote while it booted, or while
it could not reach CloudWatch Logs, is as old as that took."""

FAR_S = 10.0
"""How often that far back is looked, times the pages that there are: a busy group is not read anew
all the time."""

KNOWN_MAX = 100_000
HELD_CHARS_MAX = 8_000_000
HELD_CHARS_EACH = 500  # what an event takes beside its message, about


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


@dataclass
class Known:
    """Which events have come, KNOWN_MAX at most: of those before `since_ms` it cannot be told, and
    nobody looks there any more."""

    since_ms: int = 0
    _times: dict[str, int] = field(default_factory=dict)

    def is_new(self, event: LogEvent) -> bool:
        """Once for each event, and never for one before `since_ms`."""
        if event.time_ms < self.since_ms or event.id in self._times:
            return False
        self._times[event.id] = event.time_ms
        if len(self._times) > KNOWN_MAX:
            quarter = sorted(self._times.values())[KNOWN_MAX // 4]
            self.forget(quarter + 1)
        return True

    def forget(self, before_ms: int) -> None:
        if before_ms > self.since_ms:
            self.since_ms = before_ms
            self._times = {each: time for each, time in self._times.items() if time >= before_ms}


class LogReader:
    """Reads one log group; for one thread. `grep` is a regular expression that a message must
    contain, asked here and not in AWS, whose filter patterns are another language.

    Raises loadcore.PlanError for an expression that cannot be read.
    """

    def __init__(self, account: Account, owner: Owner, *, grep: str = "") -> None:
        self._account = account
        self._time = account.time
        self._group = f"{SERVICE_FOLDER}{owner.stack}"
        self._known = Known()
        self._instances: set[str] = set()
        self._newest_ms = 0
        self._looked_ms = 0
        self._far_due_s = 0.0
        self._pages_read = 0
        self._next_call_s = self._time.now()
        try:
            self._grep = re.compile(grep)
        except re.error as error:
            raise lc.PlanError("--grep", f"{grep!r} is no regular expression: {error}") from None

    def since(self, ago: timedelta) -> Iterator[LogEvent]:
        """What there is from then until now, as CloudWatch Logs gives it: in the order of time.

        Raises loadcore.RunError where there is no such log group or AWS will not tell.
        """
        return filter(self._matches, self._first(ago))

    def follow(self, ago: timedelta) -> Iterator[LogEvent]:
        """As since(), and then whatever comes, without end; each event once. A round is in the
        order of time, and what comes late is in the round that it came in: within LATE_MS, and as
        far back as what came since is known."""
        yield from self.since(ago)
        while True:
            self._time.sleep(POLL_S)
            yield from in_order(filter(self._matches, self._round()))

    def _matches(self, event: LogEvent) -> bool:
        return self._grep.search(event.message) is not None

    def _first(self, ago: timedelta) -> Iterator[LogEvent]:
        now_ms = milliseconds(self._time.date())
        begin_ms = now_ms - round(ago.total_seconds() * 1000)
        self._known.forget(max(begin_ms, now_ms - LATE_MS))
        self._newest_ms, self._looked_ms = begin_ms, now_ms
        for event in self._look(startTime=begin_ms):
            self._known.is_new(event)  # and what is too old to be known comes this once
            yield event
        self._far_due_s = self._time.now() + FAR_S

    def _round(self) -> Iterator[LogEvent]:
        """What is new, and from time to time what is late. An instance that is met for the first
        time has sent what it wrote while it booted, so that is looked for at once."""
        known, now_ms, met = self._known, milliseconds(self._time.date()), len(self._instances)
        # A clock may be ahead: that of the instance that wrote the newest, or ours.
        near_ms = max(known.since_ms, min(self._newest_ms, self._looked_ms) - NEAR_MS)
        yield from filter(known.is_new, self._look(startTime=near_ms))
        if len(self._instances) > met or self._time.now() >= self._far_due_s:
            known.forget(self._looked_ms - LATE_MS)
            if known.since_ms < near_ms:
                yield from filter(known.is_new, self._far(known.since_ms, near_ms))
        self._looked_ms = now_ms

    def _far(self, begin_ms: int, before_ms: int) -> Iterator[LogEvent]:
        pages_before = self._pages_read
        yield from self._look(startTime=begin_ms, endTime=before_ms - 1)  # the end is included
        self._far_due_s = self._time.now() + FAR_S * (self._pages_read - pages_before)

    def _look(self, **span: int) -> Iterator[LogEvent]:
        for page in self._pages(span):
            self._pages_read += 1
            for event in map(event_of, sorted(page["events"], key=itemgetter("timestamp"))):
                self._instances.add(event.instance)
                self._newest_ms = max(self._newest_ms, event.time_ms)
                yield event

    def _pages(self, span: dict[str, int]) -> Iterator[dict[str, Any]]:
        """A page that could not be had is asked for again, with all before it kept."""
        patience = Patience(self._time, f"reading {self._group}")
        more: dict[str, str] = {}
        while True:
            self._pace()
            try:
                page = self._account.client("logs").filter_log_events(
                    logGroupName=self._group, **span, **more
                )
            except Exception as error:
                if meaning(error) is Meaning.GONE:
                    raise lc.RunError(
                        f"there is no log group {self._group}; run  loadcore stack apply  first"
                    ) from None
                patience.wait_after(error)
                continue
            patience.recovered()
            yield page
            if not page.get("nextToken"):
                return
            more = {"nextToken": page["nextToken"]}

    def _pace(self) -> None:
        wait_s = self._next_call_s - self._time.now()
        if wait_s > 0:
            self._time.sleep(wait_s)
        self._next_call_s = self._time.now() + CALL_S


def in_order(events: Iterable[LogEvent]) -> Iterator[LogEvent]:
    """Sorted by time, and of the same time as they come, as far as holding HELD_CHARS_MAX allows
    it. What came before an error is given, too."""
    held: list[tuple[int, int, LogEvent]] = []
    chars = 0
    try:
        for number, event in enumerate(events):
            heapq.heappush(held, (event.time_ms, number, event))
            chars += len(event.message) + HELD_CHARS_EACH
            while chars > HELD_CHARS_MAX:
                _, _, first = heapq.heappop(held)
                chars -= len(first.message) + HELD_CHARS_EACH
                yield first
    except lc.LoadcoreError:
        yield from (event for *_, event in sorted(held))
        raise
    yield from (event for *_, event in sorted(held))


def event_of(element: dict[str, Any]) -> LogEvent:
    return LogEvent(
        element["eventId"],
        element["timestamp"],
        element["logStreamName"],
        element["message"].rstrip("\r\n"),
    )


def milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
