"""Logs over instances: merged, followed, each event once, against moto's server and against a page
by page stand-in that shows events late."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

import loadcore as lc
from loadcore_aws.cli._logs_text import COLORS, log_line
from loadcore_aws.stack.account import Account, Time
from loadcore_aws.stack.logs_follow import LogEvent, LogReader
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
    """Goes on only when slept: each sleep runs the next of `before`, and EnoughError ends it."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.before: list[Any] = []

    @property
    def time(self) -> Time:
        return Time(
            now=lambda: sum(self.slept), sleep=self.sleep, jitter=lambda: 0.5, date=lambda: NOW
        )

    def sleep(self, seconds: float) -> None:
        if not self.before:
            raise EnoughError
        self.slept.append(seconds)
        self.before.pop(0)()


def account_at(aws: Front, time: Time | None = None) -> Account:
    """The tests' own date holds: by the clock, NOW is long past at the end of a full run."""
    return Account(REGION, endpoint_url=aws.url, time=time or Time(date=lambda: NOW))


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
    clock.before = [lambda: None] * 2
    reader = LogReader(account_at(aws, clock.time), OWNER)
    assert [event.message for event in reader.since(timedelta(minutes=5))] == ["a"]
    assert len(clock.slept) == 2


def followed(account: Account, clock: Clock, **options: str) -> list[str]:
    seen = []
    events = LogReader(account, OWNER, **options).follow(timedelta(minutes=5))
    with suppress(EnoughError):
        for event in events:
            seen.append(f"{event.instance} {event.message}")
    return seen


def test_follow_shows_each_event_once_also_those_that_come_late(
    aws: Front, account: Account
) -> None:
    """`late` is older than what was shown last, as of an instance whose batch took its time."""
    clock = Clock()
    put(account, "i-1", (60, "first"), (20, "second"))
    clock.before = [
        lambda: put(account, "i-2", (25, "late")),
        lambda: None,
        lambda: put(account, "i-1", (10, "last")),
        lambda: None,
    ]
    seen = followed(account_at(aws, clock.time), clock)
    assert seen == ["i-1 first", "i-1 second", "i-2 late", "i-1 last"]
    assert clock.slept == [2.0] * 4


def test_follow_looks_back_no_further_than_it_must(aws: Front, account: Account) -> None:
    put(account, "i-1", (200, "a"), (20, "b"))
    clock = Clock()
    clock.before = [lambda: None]
    aws.forget_calls()
    followed(account_at(aws, clock.time), clock, grep="nothing of it")
    begins = [
        call.parameters["startTime"] for call in aws.calls if call.action == "FilterLogEvents"
    ]
    assert begins == [NOW_MS - 300_000, NOW_MS - 20_000 - 30_000]


class Pages:
    """A log group of many pages, with more equal times than one page holds."""

    def __init__(self, count: int) -> None:
        self.events = [
            {"eventId": f"{at:04}", "timestamp": NOW_MS - 1000, "logStreamName": "i-1",
             "message": f"{at}\n"} for at in range(count)
        ]  # fmt: skip
        self.asked: list[str] = []

    def client(self, service: str) -> Pages:
        assert service == "logs"
        return self

    def filter_log_events(self, nextToken: str = "0", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.asked.append(nextToken)
        begin = int(nextToken)
        more = {"nextToken": str(begin + 3)} if begin + 3 < len(self.events) else {}
        return {"events": self.events[begin : begin + 3], **more}

    time = Time(date=lambda: NOW)


def test_every_page_is_read() -> None:
    pages = Pages(10)
    reader = LogReader(pages, OWNER)  # type: ignore[arg-type]
    assert [event.message for event in reader.since(timedelta(minutes=1))] == [
        str(at) for at in range(10)
    ]
    assert pages.asked == ["0", "3", "6", "9"]


def test_an_instance_keeps_its_color() -> None:
    first, second = (
        log_line(LogEvent(str(at), NOW_MS + at, "i-0abc", "says [this]")) for at in (1, 2)
    )
    color = next(color for color in COLORS if f"[{color}]" in first)
    assert f"[{color}]i-0abc[/]" in second
    assert "says \\[this]" in first
    colors = {
        color
        for at in range(64)
        for color in COLORS
        if f"[{color}]" in log_line(LogEvent("1", NOW_MS, f"i-{at}", "a"))
    }
    assert len(colors) > len(COLORS) / 2


def test_times_are_to_the_millisecond() -> None:
    assert LogEvent("1", 1_700_000_000_007, "i", "m").time_text == "2023-11-14T22:13:20.007Z"
