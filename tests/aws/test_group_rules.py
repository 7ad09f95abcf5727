"""What waits for what in a group, as the Amazon EC2 Auto Scaling User Guide has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loadcore_aws.autoscaling.group import Activity, GroupState, Timings
from loadcore_aws.autoscaling.policies import Tracked
from loadcore_aws.autoscaling.spec import (
    Group,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = Group(min=2, max=10, cooldown_s=300)
TIMINGS = Timings(boot_s=90, deregistration_delay_s=120)
ONE_MORE = Simple("out", 1)
ONE_LESS = Simple("in", -1)
STEP_OUT = StepPolicy("step-out", (Step(1, 0, 20), Step(3, 20, None)), warmup_s=60)
STEP_IN = StepPolicy("step-in", (Step(-1, None, 0),))
NIGHT = Schedule("night", cron="0 22 * * *", desired=2)


def group_of(size: int, timings: Timings = TIMINGS, group: Group = GROUP) -> GroupState:
    return GroupState(replace(group, desired=size), timings)


def run(state: GroupState, policy: Simple | StepPolicy, now_s: float, by: float = 0) -> bool:
    """Whether the policy changed anything."""
    proposal = state.propose(policy, now_s=now_s, difference=by)
    return proposal is not None and state.apply(proposal, now_s=now_s) is not None


def sizes(state: GroupState, now_s: float) -> tuple[int, int, int, int]:
    """Desired, paid for, in service, warm."""
    return (
        state.desired,
        len(state.instances(now_s)),
        len(state.in_service(now_s)),
        len(state.warm(now_s)),
    )


class TestLives:
    def test_a_group_begins_in_service(self) -> None:
        assert sizes(GroupState(GROUP, TIMINGS), 0) == (2, 2, 2, 2)
        assert sizes(group_of(5), 0) == (5, 5, 5, 5)

    def test_the_phases_of_a_launch(self) -> None:
        state = group_of(2, replace(TIMINGS, launch_hook_s=30))
        assert run(state, STEP_OUT, 1000)
        phases = {at_s: state.instances(at_s)[-1].phase(at_s) for at_s in (1000, 1089, 1090, 1120)}
        assert list(phases.values()) == ["Pending", "Pending", "Pending:Wait", "InService"]
        assert sizes(state, 1119) == (3, 3, 2, 2)
        assert sizes(state, 1120) == (3, 3, 3, 2)
        assert sizes(state, 1180) == (3, 3, 3, 3)

    def test_the_phases_of_a_termination(self) -> None:
        state = group_of(3, replace(TIMINGS, terminate_hook_s=60))
        assert run(state, ONE_LESS, 1000)
        phases = {at_s: state.instances(at_s)[0].phase(at_s) for at_s in (999, 1000, 1120)}
        assert list(phases.values()) == ["InService", "Terminating", "Terminating:Wait"]
        assert sizes(state, 1179) == (2, 3, 2, 2)
        assert [one.number for one in state.leaving(1179)] == [1]
        assert sizes(state, 1180) == (2, 2, 2, 2)

    def test_what_is_not_in_service_yet_goes_first_and_drains_nothing(self) -> None:
        state = group_of(2)
        state.request(4, now_s=0, cause="manual")
        state.request(3, now_s=10, cause="manual")
        assert [one.number for one in state.instances(10)] == [1, 2, 4]

    def test_grace_before_health_checks_count(self) -> None:
        state = group_of(2, group=replace(GROUP, health_check_grace_s=120))
        state.request(3, now_s=1000, cause="manual")
        assert len(state.health_checked(1209)) == 2
        assert len(state.health_checked(1210)) == 3


class TestLimits:
    @pytest.mark.parametrize(("size", "adjust", "after"), [(9, 3, 10), (3, -2, 2)])
    def test_a_policy_does_not_leave_them(self, size: int, adjust: int, after: int) -> None:
        """ "How scaling policies work", examples 1 and 2."""
        state = group_of(size)
        assert run(state, Simple("p", adjust), 0)
        assert state.desired == after

    def test_at_the_limit_nothing_happens_and_no_cooldown_begins(self) -> None:
        state = group_of(10)
        assert not run(state, ONE_MORE, 0)
        assert not state.simple_waits(0)
        assert state.activities == []


class TestCooldown:
    def test_it_begins_when_the_launch_is_complete(self) -> None:
        state = group_of(2)
        assert run(state, ONE_MORE, 0)
        assert not run(state, ONE_MORE, 60)
        assert not run(state, ONE_MORE, 389)
        assert run(state, ONE_MORE, 390)

    def test_a_launch_hook_puts_it_off(self) -> None:
        """ "Lifecycle hooks cause additional delays"."""
        state = group_of(2, replace(TIMINGS, launch_hook_s=30))
        run(state, ONE_MORE, 0)
        assert state.simple_waits_until_s == 90 + 30 + 300

    def test_scaling_in_waits_for_the_draining_and_not_for_the_hook(self) -> None:
        state = group_of(5, replace(TIMINGS, terminate_hook_s=3600))
        run(state, ONE_LESS, 0)
        assert state.simple_waits_until_s == 120 + 300

    def test_without_a_balancer_it_waits_for_the_hook(self) -> None:
        state = group_of(5, Timings(deregistration_delay_s=None, terminate_hook_s=60))
        run(state, ONE_LESS, 0)
        assert state.simple_waits_until_s == 60 + 300

    def test_a_policy_s_own(self) -> None:
        state = group_of(5)
        assert run(state, replace(ONE_LESS, cooldown_s=60), 0)
        assert not run(state, ONE_LESS, 179)
        assert run(state, ONE_LESS, 180)

    def test_one_of_zero_still_waits_for_the_activity(self) -> None:
        state = group_of(2)
        assert run(state, replace(ONE_MORE, cooldown_s=0), 0)
        assert not run(state, ONE_MORE, 89)
        assert run(state, ONE_MORE, 90)

    def test_a_shorter_one_does_not_cut_a_longer_one_short(self) -> None:
        state = group_of(5, Timings(boot_s=90, deregistration_delay_s=0))
        state.request(6, now_s=0, cause="manual")
        state.request(5, now_s=10, cause="manual")
        assert state.simple_waits_until_s == 90 + 300

    @pytest.mark.parametrize(
        ("act", "waits"),
        [
            (lambda s: run(s, ONE_MORE, 100), True),
            (lambda s: run(s, STEP_OUT, 100, by=5), False),
            (lambda s: s.run_schedule(NIGHT, now_s=100), False),
            (lambda s: s.replace_unhealthy(1, now_s=100), False),
            (lambda s: s.request(5, now_s=100, cause="manual"), False),
            (lambda s: s.request(5, now_s=100, cause="m", honor_cooldown=True), True),
        ],
        ids=["simple", "step", "scheduled", "unhealthy", "manual", "manual, honouring it"],
    )
    def test_who_waits_for_it(self, act: Callable[[GroupState], object], waits: bool) -> None:
        """ "Scaling cooldowns", considerations."""
        state = group_of(3)
        state.request(4, now_s=0, cause="manual")
        assert bool(act(state)) is not waits

    @pytest.mark.parametrize(
        ("act", "until_s"),
        [
            (lambda s: run(s, STEP_OUT, 0, by=5), 90 + 300),
            (lambda s: s.run_schedule(replace(NIGHT, desired=5), now_s=0), 90 + 300),
            (lambda s: s.request(5, now_s=0, cause="manual"), 90 + 300),
            (lambda s: s.request(2, now_s=0, cause="manual"), 120 + 300),
            (lambda s: s.replace_unhealthy(1, now_s=0), 120 + 300),
        ],
        ids=["step", "scheduled", "manual out", "manual in", "unhealthy"],
    )
    def test_any_activity_makes_simple_policies_wait(
        self, act: Callable[[GroupState], object], until_s: float
    ) -> None:
        state = group_of(4)
        assert act(state)
        assert state.propose(ONE_MORE, now_s=until_s - 1) is None
        assert run(state, ONE_MORE, until_s)


class TestSteps:
    def test_repeated_breaches_in_one_step_make_one_activity(self) -> None:
        state = group_of(4)
        ran = [run(state, STEP_OUT, now_s, by=5) for now_s in range(0, 150, 10)]
        assert ran == [True] + [False] * 14
        assert run(state, STEP_OUT, 150, by=5)
        assert state.desired == 6

    def test_a_step_that_changes_nothing_asks_for_nothing(self) -> None:
        still = StepPolicy("still", (Step(0, 0, 10), Step(1, 10, None)))
        assert group_of(4).propose(still, now_s=0, difference=5) is None

    def test_a_larger_breach_meanwhile_adds_the_difference(self) -> None:
        state = group_of(4)
        run(state, STEP_OUT, 0, by=5)
        assert run(state, STEP_OUT, 60, by=25)
        assert state.desired == 7

    def test_scale_in_is_held_back_while_a_scale_out_warms_up(self) -> None:
        state = group_of(4)
        run(state, STEP_OUT, 0, by=5)
        assert not run(state, STEP_IN, 149, by=-5)
        assert run(state, STEP_IN, 150, by=-5)

    def test_scale_in_again_only_when_the_last_has_gone(self) -> None:
        state = group_of(5)
        ran = [now_s for now_s in range(0, 300, 60) if run(state, STEP_IN, now_s, by=-5)]
        assert ran == [0, 120, 240]

    def test_a_step_to_an_exact_capacity_below_is_held_back_too(self) -> None:
        state = group_of(4)
        run(state, STEP_OUT, 0, by=5)
        night = StepPolicy("night", (Step(2, None, 0),), by="exact")
        assert not run(state, night, 100, by=-5)
        assert run(state, night, 150, by=-5)


class TestTracking:
    CPU = TargetTracking("cpu", 50, warmup_s=60)

    def asked(self, state: GroupState, now_s: float, value: float) -> list[int]:
        high, low = value > 50, value < 45
        standing = Tracked(self.CPU, "ALARM" if high else "OK", "ALARM" if low else "OK", value)
        return [one.capacity for one in state.propose_tracking([standing], now_s=now_s)]

    def test_out_and_in(self) -> None:
        state = group_of(4)
        assert self.asked(state, 0, 75) == [6]
        assert self.asked(state, 0, 48) == []
        assert self.asked(state, 0, 44) == []
        assert self.asked(state, 0, 30) == [3]

    def test_one_that_would_stay_outweighs_one_that_would_go_lower(self) -> None:
        state = group_of(5)
        requests = TargetTracking("requests", 3000)
        below = [Tracked(requests, "OK", "ALARM", 2300), Tracked(self.CPU, "OK", "ALARM", 44)]
        assert [one.capacity for one in state.propose_tracking(below[:1], now_s=0)] == [4]
        assert state.propose_tracking(below, now_s=0) == []

    def test_the_cpu_of_the_new_is_not_counted_until_they_are_warm(self) -> None:
        state = group_of(4)
        [proposal] = state.propose_tracking([Tracked(self.CPU, "ALARM", "OK", 75)], now_s=0)
        state.apply(proposal, now_s=0)
        assert self.asked(state, 100, 75) == []
        assert self.asked(state, 100, 30) == []
        assert self.asked(state, 150, 30) == [4]


class TestSchedules:
    def test_capacity_and_limits(self) -> None:
        state = group_of(4)
        activity = state.run_schedule(Schedule("day", at="x", min=6, max=8), now_s=50)
        assert activity == Activity(50, "scheduled action day", 4, 6)
        assert (state.min, state.max, state.desired) == (6, 8, 6)
        assert run(state, STEP_OUT, 1000, by=25)
        assert state.desired == 8

    def test_limits_alone_change_no_capacity_within_them(self) -> None:
        state = group_of(4)
        assert state.run_schedule(Schedule("wide", at="x", min=1, max=20), now_s=0) is None
        assert (state.min, state.max, state.desired) == (1, 20, 4)

    def test_one_that_would_cross_the_limits_changes_nothing(self) -> None:
        state = group_of(4)
        assert state.run_schedule(Schedule("x", at="x", min=11, desired=11), now_s=0) is None
        assert (state.min, state.max, state.desired) == (2, 10, 4)


class TestHealth:
    def test_an_unhealthy_instance_is_replaced(self) -> None:
        state = group_of(2)
        activity = state.replace_unhealthy(1, now_s=10)
        assert activity == Activity(10, "instance 1 failed its health check", 2, 2)
        assert sizes(state, 10) == (2, 3, 1, 1)
        assert sizes(state, 130) == (2, 2, 2, 2)
        assert [one.number for one in state.instances(130)] == [2, 3]

    def test_one_that_leaves_already_is_not(self) -> None:
        state = group_of(3)
        run(state, ONE_LESS, 0)
        assert state.replace_unhealthy(1, now_s=1) is None
        assert state.replace_unhealthy(99, now_s=1) is None


def test_an_activity_says_why() -> None:
    state = group_of(2)
    proposal = state.propose(ONE_MORE, now_s=30)
    assert proposal is not None
    state.apply(proposal, now_s=30, alarm="busy")
    cause = "alarm busy in state ALARM triggered policy out"
    assert state.activities == [Activity(30, cause, 2, 3)]
