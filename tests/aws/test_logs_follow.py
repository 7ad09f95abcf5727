"""Logs over instances: merged, followed, each event once, against moto's server and against a page
by page stand-in that shows events late."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from client_errors import client_error

import loadcore as lc
from loadcore_aws.stack import logs_follow
from loadcore_aws.stack.account import Account, Time
from loadcore_aws.stack.logs_follow import Known, LogEvent, LogReader, in_order
from loadcore_aws.stack.names import Owner

if TYPE_CHECKING:
    from aws_front.front import Front

REGION = "eu-central-1"
OWNER = Owner("likes", REGION, "123456789012")
NOW = datetime.now(timezone.utc).replace(microsecond=0)
NOW_MS = round(NOW.timestamp() * 1000)


class EnoughError(Exception):
    pass


class Clock:
    """Goes on only when slept: each wait for a poll runs the next of `before`, and EnoughError ends
    it. The tests' own date: by the real clock, NOW is long past at the end of a full run."""

    def __init__(self, *before: Any) -> None:
        self.slept: list[float] = []
        self.before = list(before)

    @property
    def time(self) -> Time:
        return Time(
            now=lambda: sum(self.slept),
            sleep=self.sleep,
            jitter=lambda: 0.5,
            date=lambda: NOW + timedelta(seconds=sum(self.slept)),
        )

    def sleep(self, seconds: float) -> None:
        if seconds == logs_follow.POLL_S:
            if not self.before:
                raise EnoughError
            self.before.pop(0)()
        self.slept.append(seconds)


def nothing() -> None:
    """To do before a poll."""


def account_at(aws: Front, time: Time | None = None) -> Account:
    return Account(REGION, endpoint_url=aws.url, time=time or Clock().time)


def put(account: Account, instance: str, *events: tuple[int, str]) -> None:
    """Events of (seconds before now, message)."""
    logs = account.client("logs")
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName="/loadcore/likes", logStreamName=instance)
    logs.put_log_events(
        logGroupName="/loadcore/likes",
        logStreamName=instance,
        logEvents=[{"timestamp": NOW_MS - ago * 1000, "message": text} for ago, text in events],
    )


@pytest.fixture
def account(aws: Front) -> Account:
    account = account_at(aws)
    account.client("logs").create_log_group(logGroupName="/loadcore/likes")
    return account


def test_instances_are_merged_in_the_order_of_time(account: Account) -> None:
    put(account, "i-1", (50, "a"), (30, "c"), (10, "e"))
    put(account, "i-2", (40, "b"), (20, "d"))
    events = list(LogReader(account, OWNER).since(timedelta(minutes=5)))
    assert [(event.instance, event.message) for event in events] == [
        ("i-1", "a"), ("i-2", "b"), ("i-1", "c"), ("i-2", "d"), ("i-1", "e"),
    ]  # fmt: skip


def test_older_ones_are_left_out_and_grep_is_a_regular_expression(account: Account) -> None:
    put(account, "i-1", (500, "error: old"), (30, "error: 17"), (10, "fine"))
    reader = LogReader(account, OWNER, grep=r"error: \d+")
    events = list(reader.since(timedelta(minutes=5)))
    assert [event.message for event in events] == ["error: 17"]


def test_without_a_log_group_the_remedy_is_told(aws: Front) -> None:
    reader = LogReader(account_at(aws), OWNER)
    with pytest.raises(lc.RunError, match=r"no log group /loadcore/likes.*stack apply"):
        list(reader.since(timedelta(minutes=5)))


def test_what_is_no_regular_expression_is_said(aws: Front) -> None:
    with pytest.raises(lc.PlanError, match=r"--grep: '\(' is no regular expression"):
        LogReader(account_at(aws), OWNER, grep="(")


def test_a_throttled_page_is_asked_for_again(aws: Front, account: Account) -> None:
    put(account, "i-1", (30, "a"))
    aws.inject("throttle", "logs", "FilterLogEvents", times=2)
    clock = Clock()
    reader = LogReader(account_at(aws, clock.time), OWNER)
    assert [event.message for event in reader.since(timedelta(minutes=5))] == ["a"]
    assert len(clock.slept) == 2


def followed(account: Any, since: timedelta = timedelta(minutes=5), **options: str) -> list[str]:
    seen = []
    events = LogReader(account, OWNER, **options).follow(since)
    with suppress(EnoughError):
        for event in events:
            seen.append(f"{event.instance} {event.message}")
    return seen


def test_follow_shows_each_event_once_also_those_that_come_late(
    aws: Front, account: Account
) -> None:
    """`late` is older than what was shown last, as of an instance whose batch took its time."""
    put(account, "i-1", (60, "first"), (20, "second"))
    put(account, "i-2", (50, "begin"))
    clock = Clock(
        lambda: put(account, "i-2", (25, "late")),
        nothing,
        lambda: put(account, "i-1", (10, "last")),
        nothing,
    )
    seen = followed(account_at(aws, clock.time))
    assert seen == ["i-1 first", "i-2 begin", "i-1 second", "i-2 late", "i-1 last"]
    assert clock.slept == [2.0] * 4


def test_a_new_instances_boot_is_shown_in_order_with_the_first_of_it(
    aws: Front, account: Account
) -> None:
    """It sends its journal once the package is installed; others have gone on meanwhile."""
    put(account, "i-1", (20, "serves"), (1, "serves on"))
    boot = [(95, "installs"), (40, "migrates"), (5, "starts")]
    clock = Clock(lambda: put(account, "i-2", *boot), nothing, nothing)
    seen = followed(account_at(aws, clock.time))
    assert seen == ["i-1 serves", "i-1 serves on", "i-2 installs", "i-2 migrates", "i-2 starts"]


def test_what_comes_later_than_a_poll_looks_back_is_shown_soon(
    aws: Front, account: Account
) -> None:
    """As after an hour without CloudWatch Logs: of an instance that is known, and with nothing new
    of it. The one that is older than that is not looked for."""
    put(account, "i-1", (1, "serves"))
    put(account, "i-2", (2, "serves"))
    late = [(3700, "too late"), (3000, "late"), (60, "late, too")]
    clock = Clock(nothing, lambda: put(account, "i-2", *late), *[nothing] * 8)
    seen = followed(account_at(aws, clock.time), timedelta(hours=2))
    assert seen == ["i-2 serves", "i-1 serves", "i-2 late", "i-2 late, too"]


def test_an_instance_whose_clock_is_ahead_hides_nobody(aws: Front, account: Account) -> None:
    put(account, "i-1", (-3000, "from the future"))
    put(account, "i-2", (5, "serves"))
    clock = Clock(lambda: put(account, "i-2", (4, "and goes on")))
    seen = followed(account_at(aws, clock.time))
    assert seen == ["i-2 serves", "i-1 from the future", "i-2 and goes on"]


def spans(aws: Front) -> list[tuple[int, int | None]]:
    """What was asked for, in milliseconds before NOW."""
    asked = [call.parameters for call in aws.calls if call.action == "FilterLogEvents"]
    return [
        (NOW_MS - each["startTime"], NOW_MS - each["endTime"] if "endTime" in each else None)
        for each in asked
    ]


def test_a_poll_looks_back_a_little_and_now_and_then_to_the_begin(
    aws: Front, account: Account
) -> None:
    put(account, "i-1", (200, "a"), (20, "b"))
    clock = Clock(*[nothing] * 10)
    aws.forget_calls()
    followed(account_at(aws, clock.time), grep="nothing of it")
    near, far = (50_000, None), (300_000, 50_001)
    assert spans(aws) == [(300_000, None), *[near] * 5, far, *[near] * 5, far]
    assert clock.slept == [2.0] * 5 + [0.25] + [2.0] * 5 + [0.25]


class Pages:
    """A log group that gives `size` events a page, and an empty page after each; and is read at
    most once in a quarter of a second."""

    def __init__(self, events: list[tuple[int, str]], clock: Clock, size: int = 3) -> None:
        self.events: list[dict[str, Any]] = [
            {"eventId": f"{at:04}", "timestamp": NOW_MS - ago_ms, "logStreamName": "i-1",
             "message": f"{text}\n"} for at, (ago_ms, text) in enumerate(events)
        ]  # fmt: skip
        self.time = clock.time
        self.asked_s: list[float] = []
        self.begins: list[int] = []
        self._size = size

    def client(self, service: str) -> Pages:
        assert service == "logs"
        return self

    def filter_log_events(
        self,
        *,
        startTime: int,  # noqa: N803
        endTime: int = NOW_MS * 2,  # noqa: N803
        nextToken: str = "0",  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        self.asked_s.append(self.time.now())
        self.begins.append(NOW_MS - startTime)
        fitting = [each for each in self.events if startTime <= each["timestamp"] <= endTime]
        fitting.sort(key=lambda each: each["timestamp"])
        page = int(nextToken)
        begin = page // 2 * self._size
        last = begin + self._size >= len(fitting) and page % 2 == 1
        events = fitting[begin : begin + self._size] if page % 2 == 0 else []
        return {"events": events, **({} if last else {"nextToken": str(page + 1)})}


def test_every_page_is_read_and_no_quicker_than_the_quota_allows() -> None:
    """More equal times than one page holds, which stay as they came."""
    pages = Pages([(1000, str(at)) for at in range(10)], Clock())
    reader = LogReader(pages, OWNER)  # type: ignore[arg-type]
    assert [event.message for event in reader.since(timedelta(minutes=1))] == [
        str(at) for at in range(10)
    ]
    assert pages.asked_s == [0.25 * at for at in range(8)]


def test_a_busy_group_is_read_back_the_less_often() -> None:
    """10 pages of what may come late: every 10 s would be half of all calls there may be."""
    clock = Clock(*[nothing] * 90)
    pages = Pages([(60_000 + at, "busy") for at in range(15)] + [(0, "new")], clock)
    followed(pages)
    polls = 90
    far = len(pages.asked_s) - 12 - 2 * polls
    assert far == 2 * 10  # two of 10 pages, 100 s apart
    gaps = [after - before for before, after in itertools.pairwise(pages.asked_s)]
    assert min(gaps) >= 0.25


def test_an_hour_is_as_far_back_as_is_looked() -> None:
    """Half an hour later it is another hour."""
    pages = Pages([(0, "new")], Clock(*[nothing] * 900))
    followed(pages, timedelta(minutes=50))
    assert set(pages.begins[:15]) == {3_000_000, 30_000}
    assert sorted(set(pages.begins[-15:]))[-1] < 1_850_000


def test_throttled_now_and_then_it_goes_on_however_long_it_takes() -> None:
    """Each page of these is refused once; what is patient with one of them begins anew."""

    class Throttled(Pages):
        def filter_log_events(self, **asked: Any) -> dict[str, Any]:
            if len(self.asked_s) % 2:
                self.asked_s.append(self.time.now())
                raise client_error("ThrottlingException")
            return super().filter_log_events(**asked)

    clock = Clock()
    pages = Throttled([(1000 - at, str(at)) for at in range(500)], clock, size=1)
    reader = LogReader(pages, OWNER)  # type: ignore[arg-type]
    assert len(list(reader.since(timedelta(minutes=1)))) == 500
    assert 300 < sum(clock.slept) < 700


def test_memory_is_bounded_and_even_then_nothing_comes_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was forgotten is not looked for: a late one of that time is lost, and a newer is not."""
    monkeypatch.setattr(logs_follow, "KNOWN_MAX", 8)
    clock = Clock(*[nothing] * 12)
    pages = Pages([(290_000 - 1000 * at, str(at)) for at in range(100)], clock, size=50)

    def late() -> None:
        at = {"logStreamName": "i-1", "message": "late"}
        pages.events.append({"eventId": "a", "timestamp": NOW_MS - 280_000, **at, "message": "no"})
        pages.events.append({"eventId": "b", "timestamp": NOW_MS - 191_500, **at})

    clock.before[2] = late
    assert followed(pages) == [*(f"i-1 {at}" for at in range(100)), "i-1 late"]


def test_what_is_forgotten_is_new_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_follow, "KNOWN_MAX", 8)
    known = Known()
    events = [LogEvent(str(at), at, "i", "m") for at in range(9)]
    assert all(map(known.is_new, events))
    assert known.since_ms == 3
    assert not any(map(known.is_new, events))
    assert known.is_new(LogEvent("late", 3, "i", "m"))
    known = Known()
    assert all(known.is_new(LogEvent(str(at), 5, "i", "m")) for at in range(9))
    assert known.since_ms == 6


def test_what_is_held_to_be_sorted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_follow, "HELD_CHARS_MAX", 3 * (logs_follow.HELD_CHARS_EACH + 1))
    taken: list[int] = []

    def events() -> Any:
        for time in (3, 1, 2, 9, 8, 7, 4, 0):
            taken.append(time)
            yield LogEvent(str(time), time, "i", "m")

    given = in_order(events())
    assert next(given).time_ms == 1
    assert taken == [3, 1, 2, 9]
    assert [event.time_ms for event in given] == [2, 3, 4, 0, 7, 8, 9]


def test_what_came_before_an_error_is_shown() -> None:
    def events() -> Any:
        yield LogEvent("2", 2, "i", "m")
        yield LogEvent("1", 1, "i", "m")
        raise lc.RunError("no more")

    given = in_order(events())
    assert [next(given).time_ms, next(given).time_ms] == [1, 2]
    with pytest.raises(lc.RunError, match="no more"):
        next(given)


def test_times_are_to_the_millisecond() -> None:
    assert LogEvent("1", 1_700_000_000_007, "i", "m").time_text == "2023-11-14T22:13:20.007Z"
