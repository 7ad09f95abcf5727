"""The controller's rounds on a real group: it scales, remembers, and is the only one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.front import Front
from botocore.exceptions import ClientError
from client_errors import client_error
from scaled_group import GROUP, ScaledGroup

import loadcore as lc
from loadcore_aws.autoscaling.control import lease as leases
from loadcore_aws.autoscaling.control import loop
from loadcore_aws.autoscaling.control.config import Control, Queue, ScaleIn, ScaleOut
from loadcore_aws.autoscaling.control.controller import Controller, Report
from loadcore_aws.autoscaling.control.lease import TagLease
from loadcore_aws.autoscaling.control.memory import DryMemory, TagMemory
from loadcore_aws.autoscaling.control.scaling_group import BusyError, ScalingGroup
from loadcore_aws.autoscaling.control.sources import QueueSource

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = Control(
    figure=Queue("queue", "jobs", per_instance=True),
    scale_out=ScaleOut(above=10, adjust=2, cooldown_s=60),
    scale_in=ScaleIn(below=2, cooldown_s=90, for_times=2),
    group=GROUP,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def controller_of(world: ScaledGroup, clock: Clock, **more: Any) -> Controller:
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    control = more.pop("control", CONTROL)
    source = QueueSource(control.figure, world.client)
    kept = more.pop("memory", None) or TagMemory(group)
    lease = more.pop("lease", None)
    return Controller(control, group, source, kept, lease, now_s=clock, **more)


def test_a_backlog_scales_out_and_its_end_scales_in(aws: Front, clock: Clock) -> None:
    world = ScaledGroup(aws.url)
    world.queue(30)
    story = []
    for step in range(9):
        if step == 3:
            world.empty()
        # A new controller each time, as cron and Lambda have it: all it knows is in the tag.
        report = controller_of(world, clock).round()
        story.append((report.action, world.desired))
        clock.now_s += 30
    assert story == [
        ("out", 4), ("keep", 4), ("keep", 4),
        ("keep", 4), ("in", 3), ("keep", 3), ("wait", 3), ("in", 2), ("keep", 2),
    ]  # fmt: skip


def test_a_dry_run_changes_nothing_and_still_counts(aws: Front, clock: Clock) -> None:
    world = ScaledGroup(aws.url, desired=4)
    world.queue(0)
    before = world.tags
    aws.forget_calls()
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    kept = DryMemory(TagMemory(group))
    controller = controller_of(world, clock, memory=kept, dry_run=True)
    reports = [controller.round() for _ in range(3)]
    assert [report.action for report in reports] == ["keep", "in", "keep"]
    assert (reports[1].desired, reports[1].capacity, reports[1].dry_run) == (4, 3, True)
    assert world.desired == 4
    assert world.tags == before
    assert {call.action for call in aws.calls if call.service == "autoscaling"} == {
        "DescribeAutoScalingGroups"}  # fmt: skip


def test_a_change_that_aws_is_too_busy_for_is_tried_again(aws: Front, clock: Clock) -> None:
    world = ScaledGroup(aws.url)
    world.queue(30)
    aws.inject(
        "error", "autoscaling", "SetDesiredCapacity", nth=1, code="ScalingActivityInProgress"
    )
    controller = controller_of(world, clock)
    assert (controller.round().action, world.desired) == ("busy", 2)
    assert (controller.round().action, world.desired) == ("out", 4)


def test_a_change_whose_answer_is_lost_is_made_once(aws: Front, clock: Clock) -> None:
    world = ScaledGroup(aws.url)
    world.queue(30)
    aws.inject("timeout_after_success", "autoscaling", "SetDesiredCapacity", nth=1)
    assert (controller_of(world, clock).round().action, world.desired) == ("out", 4)
    assert controller_of(world, clock).round().action == "keep"


def test_a_crash_after_the_note_leaves_a_cooldown_and_no_second_step(
    aws: Front, clock: Clock
) -> None:
    world = ScaledGroup(aws.url)
    world.queue(30)
    aws.inject("error", "autoscaling", "SetDesiredCapacity", nth=1, code="AccessDenied", status=403)
    with pytest.raises(ClientError, match="AccessDenied"):
        controller_of(world, clock).round()
    assert controller_of(world, clock).round().action == "wait"
    clock.now_s += 60
    assert (controller_of(world, clock).round().action, world.desired) == ("out", 4)


def test_the_group_is_counted_by_the_states_of_its_instances() -> None:
    """States that moto never shows, in the shape of DescribeAutoScalingGroups."""

    def looked(desired: int, *states: str, **more: Any) -> tuple[int, int, int]:
        instances = [
            {"InstanceId": f"i-{number}", "LifecycleState": state, **more}
            for number, state in enumerate(states)
        ]
        group = {"AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 9, "Tags": [],
                 "DesiredCapacity": desired, "Instances": instances}  # fmt: skip
        found = ScalingGroup(OneGroup(group), name="g").look()
        return found.in_service, found.launching, found.terminating

    assert looked(2, "InService", "InService") == (2, 0, 0)
    assert looked(3, "InService", "Pending:Wait") == (1, 2, 0)
    assert looked(1, "InService", "Terminating:Wait") == (1, 0, 1)
    assert looked(1, "InService", "InService") == (2, 0, 1)
    assert looked(2, "InService", "Standby") == (1, 0, 0)
    assert looked(4, "InService", "InService", WeightedCapacity="2") == (2, 0, 0)


class OneGroup:
    """Pages with one group."""

    def __init__(self, group: dict[str, Any]) -> None:
        self._group = group

    def get_paginator(self, _operation: str) -> OneGroup:
        return self

    def paginate(self, **_chosen: Any) -> list[dict[str, Any]]:
        return [{"AutoScalingGroups": [self._group]}]


def test_the_group_of_a_stack_is_found_by_its_tag(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    client = world.client("autoscaling")
    assert ScalingGroup(client, stack="likes").look().name == GROUP
    with pytest.raises(lc.RunError, match="stack other has no Auto Scaling group in eu-central-1"):
        ScalingGroup(client, stack="other").look()
    with pytest.raises(lc.RunError, match="there is no Auto Scaling group nobody in eu-central-1"):
        ScalingGroup(client, name="nobody").look()
    leaving = OneGroup({**world.described(), "Status": "Delete in progress"})
    with pytest.raises(lc.RunError, match="Delete in progress; it cannot be scaled"):
        ScalingGroup(leaving, name=GROUP).look()


def test_what_is_busy_is_told_from_what_is_wrong(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    with pytest.raises(ClientError) as refused:
        group.set_capacity(99)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    aws.inject(
        "error", "autoscaling", "SetDesiredCapacity", nth=1, code="ScalingActivityInProgress"
    )
    with pytest.raises(BusyError):
        group.set_capacity(3)


def test_a_controller_without_the_lease_stands_by(aws: Front, clock: Clock) -> None:
    world = ScaledGroup(aws.url)
    world.queue(30)
    world.tag(leases.TAG, f"other {clock.now_s + 50:.0f}")
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    controller = Controller(
        CONTROL, group, QueueSource(Queue("queue", "jobs"), world.client), TagMemory(group),
        TagLease(group, "me", 100, clock.sleep), now_s=clock,
    )  # fmt: skip
    report = controller.round()
    assert (report.action, report.reason, world.desired) == (
        "standby", "other controls this group", 2)  # fmt: skip
    clock.now_s += 60
    assert (controller.round().action, world.desired) == ("out", 4)
    controller.release()
    assert world.tags[leases.TAG] == "me 0"


class EndError(Exception):
    """Ends a loop that has no end."""


class Rounds:
    """In place of a controller: takes its time, and raises what it is told to."""

    def __init__(self, clock: Clock, *outcomes: float | Exception) -> None:
        self._clock = clock
        self._outcomes = list(outcomes)
        self.begun_s: list[float] = []

    def round(self) -> Report:
        self.begun_s.append(self._clock.now_s - 1_800_000_000)
        if not self._outcomes:
            raise EndError
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        self._clock.now_s += outcome
        return Report(self._clock.now_s, GROUP, "keep", "")

    def failed(self, sentence: str) -> Report:
        return Report(self._clock.now_s, GROUP, "error", sentence)


def looped(clock: Clock, rounds: Rounds) -> list[Report]:
    told: list[Report] = []
    with pytest.raises(EndError):
        loop.run(rounds, 60, told.append, now_s=clock, sleep=clock.sleep)  # type: ignore[arg-type]
    return told


def test_rounds_keep_their_times_and_leave_out_what_a_long_one_missed(clock: Clock) -> None:
    rounds = Rounds(clock, 1, 20, 130, 60)
    looped(clock, rounds)
    assert rounds.begun_s == [0, 60, 120, 300, 420]


def test_what_goes_wrong_later_on_is_told_and_tried_again(clock: Clock) -> None:
    expired = client_error("ExpiredToken")
    no_space = OSError(28, "No space left on device", "/state")
    told = looped(clock, Rounds(clock, 1, expired, no_space, lc.RunError("gone"), 1))
    assert [report.action for report in told] == ["keep", "error", "error", "error", "keep"]
    assert [report.reason for report in told][1:4] == [
        "the AWS credentials have expired; sign in again and repeat the command",
        "/state: No space left on device",
        "gone",
    ]


def test_what_goes_wrong_at_first_ends_the_loop(clock: Clock) -> None:
    with pytest.raises(lc.RunError, match="no group"):
        loop.run(Rounds(clock, lc.RunError("no group")), 60, print)  # type: ignore[arg-type]


def test_each_group_has_a_state_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    named, of_stack = CONTROL, replace(CONTROL, group="", stack=GROUP)
    paths = [
        loop.state_path(named, "eu-central-1"), loop.state_path(named, "eu-west-1"),
        loop.state_path(of_stack, "eu-central-1"),
    ]  # fmt: skip
    assert len(set(paths)) == 3
    assert paths[0].parent == tmp_path / "loadcore"
    assert loop.owner_here(paths[0]) == loop.owner_here(paths[0]) != loop.owner_here(paths[1])
