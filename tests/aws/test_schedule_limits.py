"""What scheduled actions have made of the limits is no drift; what the file changes still gets
there, and never as a min above max."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fast_time import NOW

from loadcore_aws import _toml
from loadcore_aws._faults import SpecError
from loadcore_aws.autoscaling.spec import Group, Scaling, Schedule, Step, StepPolicy
from loadcore_aws.stack.design import container_scaling
from loadcore_aws.stack.design import group as group_design
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.find import wrong_with
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.plan import Change, Plan, Reason
from loadcore_aws.stack.plan_text import plain, plan_dict
from loadcore_aws.stack.resource import Found, Resource
from loadcore_aws.stack.spec import Containers, Controller, Package, Stack

WHEEL = File("a.whl", "loadcore-1-cp311-cp311-linux_x86_64.whl", "0" * 64, 1)
FACTS = Facts(
    "123456789012", "aws", "eu-central-1", ("eu-central-1a", "eu-central-1b"), "vpc-1",
    ("subnet-1", "subnet-2"), "ami-1", "/dev/xvda", (WHEEL,), now=NOW,
)  # fmt: skip
INSTANCES = Stack("demo", "eu-central-1", Package("a.whl"))
TASKS = Stack("demo", "eu-central-1", containers=Containers())

MORNING = Schedule("morning", cron="0 7 * * 1-5", min=4)
EVENING = Schedule("evening", cron="0 20 * * 1-5", min=1)
SALE = Schedule("sale", cron="0 7 * * 5", min=8, max=40)
NIGHT = Schedule("night", cron="0 23 * * *", max=4)


def designed(stack: Stack) -> Resource:
    """What has the limits: the group, or the target that stands for the service."""
    part = container_scaling if stack.containers else group_design
    limited: Resource = part.resources(stack, FACTS)[0]
    return limited


def wrong(stack: Stack, **have: Any) -> dict[str, tuple[Any, Any]]:
    """Of the limits, where all else is as wanted."""
    wanted = designed(stack)
    found = Found(wanted.kind, wanted.name, "id", {**wanted.settings, **have})
    return wrong_with(BY_NAME[wanted.kind], wanted.settings, {}, found)


def once(name: str, after: timedelta, **limits: Any) -> Schedule:
    return Schedule(name, at=f"{NOW + after:%Y-%m-%dT%H:%M:%SZ}", **limits)


LIMITS = [
    # no schedules: the file's alone
    (Group(2, 10), (), {"min": 4, "max": 10}, {"min": (4, 2)}),
    (Group(2, 10), (), {"min": 2, "max": 40}, {"max": (40, 10)}),
    # the file's or any schedule's
    (Group(2, 10), (MORNING, EVENING), {"min": 2, "max": 10}, {}),
    (Group(2, 10), (MORNING, EVENING), {"min": 4, "max": 10}, {}),
    (Group(2, 10), (MORNING, EVENING), {"min": 1, "max": 10}, {}),
    (Group(2, 10), (MORNING, SALE), {"min": 8, "max": 40}, {}),
    (Group(2, 10), (NIGHT,), {"min": 2, "max": 4}, {}),
    # anything else is drift, and only that is put right
    (Group(2, 10), (MORNING, EVENING), {"min": 3, "max": 10}, {"min": (3, 2)}),
    (Group(2, 10), (MORNING, EVENING), {"min": 4, "max": 12}, {"max": (12, 10)}),
    # the file's min was 2 and is 3
    (Group(3, 10), (MORNING,), {"min": 4, "max": 10}, {}),
    (Group(3, 10), (MORNING,), {"min": 2, "max": 10}, {"min": (2, 3)}),
    # a schedule was taken out, or says another value by now, while its value stands
    (Group(2, 10), (EVENING,), {"min": 4, "max": 10}, {"min": (4, 2)}),
    (Group(2, 10), (replace(MORNING, min=5),), {"min": 4, "max": 10}, {"min": (4, 2)}),
    # a schedule's min is none for max
    (Group(2, 10), (MORNING,), {"min": 2, "max": 4}, {"max": (4, 10)}),
    # the file's new limit and the schedule's other one exclude each other
    (Group(2, 3), (MORNING,), {"min": 4, "max": 10}, {"min": (4, 2), "max": (10, 3)}),
    (Group(5, 10), (NIGHT,), {"min": 2, "max": 4}, {"min": (2, 5), "max": (4, 10)}),
    (Group(4, 10), (NIGHT,), {"min": 2, "max": 4}, {"min": (2, 4)}),
]  # fmt: skip


@pytest.mark.parametrize("base", [INSTANCES, TASKS], ids=["group", "containers"])
@pytest.mark.parametrize(("group", "schedules", "have", "differs"), LIMITS)
def test_the_limits_may_be_the_files_or_a_schedules(
    base: Stack,
    group: Group,
    schedules: tuple[Schedule, ...],
    have: dict[str, int],
    differs: dict[str, tuple[int, int]],
) -> None:
    assert wrong(replace(base, group=group, schedule=schedules), **have) == differs


NOON = Schedule("noon", cron="0 12 * * *", desired=6)
FIXED = Group(2, 10, desired=3)


UP = StepPolicy("up", (Step(1, 0),))


@pytest.mark.parametrize(
    ("tables", "differs"),
    [
        ({}, {"desired": (9, 3)}),
        ({"policy": (UP,)}, {}),
        ({"schedule": (NOON,)}, {}),
        ({"schedule": (MORNING,)}, {}),
        ({"controller": Controller("control.toml")}, {}),
    ],
)
def test_desired_is_the_files_where_nothing_else_moves_it(
    tables: dict[str, Any], differs: dict[str, tuple[int, int]]
) -> None:
    """An apply under load must not cut the group to what it began with."""
    stack = replace(INSTANCES, group=FIXED, **tables)
    assert wrong(stack, desired=9) == differs
    assert designed(stack).settings["initial"] == 3


MINUTE, WEEK = timedelta(minutes=1), timedelta(weeks=1)


@pytest.mark.parametrize("base", [INSTANCES, TASKS], ids=["group", "containers"])
@pytest.mark.parametrize(
    ("schedules", "allowed"),
    [
        ((once("past", -MINUTE, min=4),), {2, 4}),
        ((once("before", -WEEK, min=4), once("past", -MINUTE, min=5)), {2, 5}),
        ((once("past", -MINUTE, max=5), once("before", -WEEK, min=4)), {2, 4}),
        # may happen while an apply is under way
        ((once("soon", MINUTE, min=4),), {2, 4}),
        ((once("later", WEEK, min=4),), {2}),
        ((once("past", -MINUTE, min=4), once("later", WEEK, min=5), EVENING), {1, 2, 4}),
    ],
)
def test_of_what_happens_once_the_last_that_is_over_counts_and_what_is_near(
    base: Stack, schedules: tuple[Schedule, ...], allowed: set[int]
) -> None:
    stack = replace(base, group=Group(2, 10), schedule=schedules)
    assert {low for low in range(10) if not wrong(stack, min=low)} == allowed


TEXT = """
[group]
min = 2
max = 10
[[schedule]]
name = "day"
cron = "0 7 * * *"
{}
[[schedule]]
name = "night"
cron = "0 20 * * *"
{}
"""


@pytest.mark.parametrize(
    ("day", "night", "said"),
    [
        ("min = 20", "min = 2", ["line 8: schedule[1].min is 20, above max of"]),
        ("desired = 30", "desired = 2", ["line 8: schedule[1].desired is 30, above max of"]),
        ("max = 12", "desired = 13", ["line 12: schedule[2].desired is 13, above max of"]),
        ("max = 1", "min = 2", ["line 8: schedule[1].max is 1, below min of"]),
        ("min = 3", "desired = 1", ["line 12: schedule[2].desired is 1, below min of"]),
        ("min = 11", "max = 1", ["line 8: schedule[1].min is 11", "line 12: schedule[2].max is 1"]),
        # within what the other may have set by then
        ("max = 30", "min = 20", []),
        ("min = 1", "max = 1", []),
        ("min = 20\nmax = 20", "desired = 20", []),
        ("min = 0\ndesired = 0", "max = 0", []),
        ("min = 10", "max = 2", []),
    ],
)
def test_a_schedule_that_can_never_take_effect_is_refused(
    day: str, night: str, said: list[str]
) -> None:
    text = TEXT.format(day, night)
    if not said:
        assert _toml.parse(Scaling, text).schedule
        return
    with pytest.raises(SpecError) as refused:
        _toml.parse(Scaling, text)
    told = [str(fault) for fault in refused.value.faults]
    assert len(told) == len(said)
    assert all(sentence.startswith(start) for sentence, start in zip(told, said, strict=True))


def test_a_plan_shows_plain_numbers() -> None:
    stack = replace(INSTANCES, group=Group(2, 10), schedule=(MORNING, EVENING))
    differs = wrong(stack, min=3, max=10)
    reasons = tuple(Reason(setting, *pair) for setting, pair in differs.items())
    wanted = designed(stack)
    change = Change(wanted.address, "update", wanted, None, reasons)
    plan = Plan(stack, Owner("demo", "eu-central-1", "123456789012"), None, (change,))
    assert "      min: 3 → 2" in plain(plan).splitlines()
    told = json.loads(json.dumps(plan_dict(plan)))
    assert told["changes"][0]["reasons"] == [{"setting": "min", "had": 3, "wanted": 2}]
