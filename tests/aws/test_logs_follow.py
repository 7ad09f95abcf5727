"""Logs over instances: merged, followed, each event once, against moto's server."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from log_pages import NOW_MS, OWNER, Clock, followed, nothing

import loadcore as lc
from loadcore_aws.stack.account import Account, Time
from loadcore_aws.stack.logs_follow import LogEvent, LogReader

if TYPE_CHECKING:
    from aws_front.front import Front


def account_at(aws: Front, time: Time | None = None) -> Account:
    return Account(OWNER.region, endpoint_url=aws.url, time=time or Clock().time)


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


def test_times_are_to_the_millisecond() -> None:
    assert LogEvent("1", 1_700_000_000_007, "i", "m").time_text == "2023-11-14T22:13:20.007Z"
