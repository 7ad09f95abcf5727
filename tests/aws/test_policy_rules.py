"""The policy rules, on the examples of the Amazon EC2 Auto Scaling User Guide."""

from __future__ import annotations

import pytest

from loadcore_aws.autoscaling.alarms import evaluate
from loadcore_aws.autoscaling.policies import (
    Proposal,
    Tracked,
    adjusted,
    cooldown_s,
    simple_capacity,
    step_capacity,
    step_for,
    tracked_capacity,
    tracking_alarms,
    tracking_proposals,
    warmup_s,
    wins,
)
from loadcore_aws.autoscaling.spec import (
    Adjustment,
    Group,
    Metric,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)

# "Step adjustments for step scaling": the example's two policies, at a threshold of 50.
OUT = StepPolicy("out", (Step(0, 0, 10), Step(10, 10, 20), Step(30, 20, None)), by="percent")
IN = StepPolicy("in", (Step(0, -10, 0), Step(-10, -20, -10), Step(-30, None, -20)), by="percent")
CPU = TargetTracking("cpu-50", 50)


@pytest.mark.parametrize(
    ("capacity", "by", "adjust", "after"),
    [
        (3, "change", 5, 8),
        (3, "change", -2, 1),
        (3, "change", -5, 0),
        (3, "exact", 5, 5),
        (8, "exact", 0, 0),
        (10, "percent", 10, 11),
        (10, "percent", 0, 10),
        (0, "percent", 50, 0),
        # 12.7 to 12, .67 to 1, -.58 to -1, -6.67 to -6.
        (127, "percent", 10, 139),
        (67, "percent", 1, 68),
        (58, "percent", -1, 57),
        (667, "percent", -1, 661),
        (100, "percent", 1, 101),
        (100, "percent", -1, 99),
    ],
)
def test_adjustment_types_and_their_rounding(
    capacity: int, by: Adjustment, adjust: int, after: int
) -> None:
    """ "Scaling adjustment types"."""
    assert adjusted(capacity, by, adjust) == after


@pytest.mark.parametrize(
    ("capacity", "adjust", "magnitude", "after"),
    [(4, 25, 2, 6), (4, -25, 2, 2), (1, -25, 2, 0), (40, 25, 2, 50), (4, 0, 2, 4)],
)
def test_the_least_that_a_percentage_moves(
    capacity: int, adjust: int, magnitude: int, after: int
) -> None:
    """MinAdjustmentMagnitude: 25 % of 4 with at least 2 is 2."""
    assert adjusted(capacity, "percent", adjust, magnitude) == after


@pytest.mark.parametrize(
    ("metric", "adjust"),
    [(50, 0), (59.9, 0), (60, 10), (69.9, 10), (70, 30), (1000, 30), (49.9, None)],
)
def test_steps_above_the_threshold_hold_their_lower_bound(
    metric: float, adjust: int | None
) -> None:
    step = step_for(OUT, metric - 50)
    assert (step and step.adjust) == adjust


@pytest.mark.parametrize(
    ("metric", "adjust"),
    [(50, 0), (40.1, 0), (40, -10), (30.1, -10), (30, -30), (-1000, -30), (50.1, None)],
)
def test_steps_below_the_threshold_hold_their_upper_bound(
    metric: float, adjust: int | None
) -> None:
    step = step_for(IN, metric - 50)
    assert (step and step.adjust) == adjust


@pytest.mark.parametrize(
    ("bounds", "fault"),
    [
        ([(0, 10), (10, None)], None),
        ([(None, -10), (-10, 0)], None),
        ([(None, 0), (0, 5), (5, None)], None),
        ([(5, None)], None),
        ([], "is empty"),
        ([(0, 10)], "end at 10"),
        ([(-10, 0)], "begin at -10"),
        ([(None, None)], "without bounds"),
        ([(0, 10), (20, None)], "a gap between 10 and 20"),
        ([(0, 10), (5, None)], "overlap between 10 and 5"),
        ([(3, 3), (3, None)], "from 3 to 3, which is empty"),
    ],
)
def test_steps_that_auto_scaling_refuses(
    bounds: list[tuple[float | None, float | None]], fault: str | None
) -> None:
    policy = StepPolicy("p", tuple(Step(1, lower, upper) for lower, upper in bounds))
    told = [str(one) for one in policy.faults()]
    assert bool(told) is bool(fault)
    assert fault is None or fault in told[0]


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ((1, 4, 2), None),
        ((None, None, 0), None),
        ((5, 4, None), "max is 4, below min, 5"),
        ((3, None, 2), "desired must be from min to max"),
        ((None, 3, 4), "desired must be from min to max"),
        ((-1, None, None), "min must be from 0 to 10000"),
        ((None, None, None), "desired give at least one"),
    ],
)
def test_schedules_that_contradict_themselves(
    limits: tuple[int | None, int | None, int | None], fault: str | None
) -> None:
    least, most, desired = limits
    night = Schedule("night", cron="0 22 * * *", min=least, max=most, desired=desired)
    told = [str(one) for one in night.faults()]
    assert bool(told) is bool(fault)
    assert fault is None or fault in told[0]


def test_at_the_threshold_the_step_above_it_is_taken() -> None:
    both = StepPolicy("both", (Step(-1, None, 0), Step(1, 0, None)))
    assert step_for(both, 0) == Step(1, 0, None)
    assert step_for(StepPolicy("below", (Step(-1, None, 0),)), 0) == Step(-1, None, 0)


def test_the_story_of_the_step_example() -> None:
    """10 instances; 60 % makes 11, then 70 % makes 14, 40 % makes 13 and 30 % makes 10."""
    desired = 10
    for metric, policy, expected in [(60, OUT, 11), (70, OUT, 14), (40, IN, 13), (30, IN, 10)]:
        desired = step_capacity(policy, metric - 50, warm=desired, leaving=0, desired=desired)
        assert desired == expected


def test_the_story_of_the_warm_up_example() -> None:
    """ "Instance warm-up": at 60 one is added; at 62 no other while it warms up; at 70 two more.
    None are taken back when it is 60 again."""
    desired = 10
    for metric, expected in [(60, 11), (62, 11), (70, 13), (60, 13)]:
        desired = step_capacity(OUT, metric - 50, warm=10, leaving=0, desired=desired)
        assert desired == expected


def test_instances_that_are_terminating_still_count_while_scaling_in() -> None:
    policy = StepPolicy("in", (Step(-2, None, 0),))
    first = step_capacity(policy, -5, warm=10, leaving=0, desired=10)
    again = step_capacity(policy, -5, warm=first, leaving=10 - first, desired=first)
    after = step_capacity(policy, -5, warm=first, leaving=0, desired=first)
    assert (first, again, after) == (8, 8, 6)
    assert step_capacity(policy, -5, warm=6, leaving=4, desired=6) == 6


def test_a_step_that_sets_the_capacity() -> None:
    policy = StepPolicy("night", (Step(2, None, 0),), by="exact")
    assert step_capacity(policy, -1, warm=5, leaving=0, desired=6) == 2
    assert step_capacity(policy, 1, warm=5, leaving=0, desired=6) == 6


def test_a_simple_policy() -> None:
    policy = Simple("double", 50, by="percent", min_magnitude=3)
    assert [simple_capacity(policy, capacity) for capacity in (2, 10)] == [5, 15]


@pytest.mark.parametrize(
    ("capacity", "value", "after"),
    [
        (10, 50, 10),
        (3, 75, 5),  # 1.5 more are 2
        (5, 35, 4),  # 1.5 fewer are 1
        (10, 50.1, 11),
        (10, 45.1, 10),
        (10, 0, 0),
        (7, 100, 14),
    ],
)
def test_target_tracking_is_proportional_and_rounds_up(
    capacity: int, value: float, after: int
) -> None:
    """ "Target tracking scaling policies": its example is a target of 50 %."""
    assert tracked_capacity(CPU, value, capacity) == after


def test_target_tracking_does_not_round_up_an_error_of_arithmetic() -> None:
    assert 3 * 0.2 / 0.1 > 6
    assert tracked_capacity(TargetTracking("t", 0.1), 0.2, 3) == 6


class TestTrackingAlarms:
    def test_high_and_low(self) -> None:
        high, low = tracking_alarms(CPU)
        assert (high.threshold, high.comparison, high.evaluation_periods) == (50, ">", 3)
        assert (low.threshold, low.comparison, low.evaluation_periods) == (45, "<", 15)
        for alarm in (high, low):
            assert (alarm.metric, alarm.statistic, alarm.period_s) == ("cpu", "Average", 60)
            assert alarm.actions == ("cpu-50",)
            assert evaluate([None] * 17, alarm=alarm, previous="ALARM") == "INSUFFICIENT_DATA"

    def test_requests_per_target_are_summed(self) -> None:
        policy = TargetTracking("requests", 1000, metric="requests_per_target")
        assert {alarm.statistic for alarm in tracking_alarms(policy)} == {"Sum"}

    def test_a_metric_of_ones_own_keeps_its_statistic(self) -> None:
        policy = TargetTracking("queue", 10, metric=Metric("Likes", "Queue"), statistic="Maximum")
        assert {alarm.statistic for alarm in tracking_alarms(policy)} == {"Maximum"}

    def test_without_scale_in_the_low_alarm_runs_nothing(self) -> None:
        high, low = tracking_alarms(TargetTracking("up", 50, scale_in=False))
        assert (high.actions, low.actions) == (("up",), ())


class TestSeveralTracking:
    """Capacities asked for, 10 instances being in service."""

    OTHER = TargetTracking("requests", 1000, metric="requests_per_target")
    UP_ONLY = TargetTracking("up", 1000, metric="requests_per_target", scale_in=False)

    def asked(self, *tracked: Tracked, leaving: int = 0, desired: int = 10) -> list[int]:
        proposals = tracking_proposals(tracked, warm=10, leaving=leaving, desired=desired)
        return [proposal.capacity for proposal in proposals]

    def test_any_one_scales_out(self) -> None:
        busy = Tracked(CPU, "ALARM", "OK", 60)
        idle = Tracked(self.OTHER, "OK", "ALARM", 100)
        assert self.asked(busy, idle) == [12]

    def test_all_must_agree_to_scale_in(self) -> None:
        idle = Tracked(CPU, "OK", "ALARM", 20)
        steady = Tracked(self.OTHER, "OK", "OK", 950)
        also_idle = Tracked(self.OTHER, "OK", "ALARM", 700)
        assert self.asked(idle, steady) == []
        assert self.asked(idle, also_idle) == [4, 7]

    def test_one_that_is_not_to_scale_in_is_not_asked(self) -> None:
        idle = Tracked(CPU, "OK", "ALARM", 20)
        assert self.asked(idle, Tracked(self.UP_ONLY, "OK", "OK", 950)) == [4]
        assert self.asked(Tracked(self.UP_ONLY, "OK", "ALARM", 1)) == []

    def test_no_data_is_no_scaling(self) -> None:
        silent = Tracked(self.OTHER, "INSUFFICIENT_DATA", "INSUFFICIENT_DATA", None)
        assert self.asked(silent) == []
        assert self.asked(Tracked(CPU, "OK", "ALARM", 20), silent) == []

    def test_one_that_wants_out_keeps_the_others_from_scaling_in(self) -> None:
        idle = Tracked(CPU, "OK", "ALARM", 20)
        out_already = Tracked(self.UP_ONLY, "ALARM", "OK", 1100)
        assert self.asked(idle, out_already, desired=11) == []

    def test_while_the_first_warm_up_no_more_are_added_for_the_same_load(self) -> None:
        busy = Tracked(CPU, "ALARM", "OK", 60)
        assert self.asked(busy, desired=12) == []
        assert self.asked(Tracked(CPU, "ALARM", "OK", 80), desired=12) == [16]

    def test_scale_in_counts_what_is_terminating(self) -> None:
        """12 at 25 %, two of them terminating: 6 would do, and not 5."""
        assert self.asked(Tracked(CPU, "OK", "ALARM", 25), leaving=2) == [6]


class TestWins:
    def test_the_largest_out(self) -> None:
        one, two = Proposal(Simple("cpu", 1), 3), Proposal(Simple("queue", 2), 4)
        assert wins([one, two]) == two

    def test_the_largest_in(self) -> None:
        """ "Multiple dynamic scaling policies": of 8, three fewer against 25 % fewer make 6."""
        three, quarter = Simple("three", -3), Simple("quarter", -25, by="percent")
        winner = wins([Proposal(one, simple_capacity(one, 8)) for one in (three, quarter)])
        assert winner == Proposal(quarter, 6)

    def test_of_none_none(self) -> None:
        assert wins([]) is None


@pytest.mark.parametrize(
    ("own", "default", "expected"), [(60, 90, 60), (0, 90, 0), (None, 90, 90), (None, None, 300)]
)
def test_warm_up_falls_back_to_the_default_and_then_to_the_cooldown(
    own: int | None, default: int | None, expected: int
) -> None:
    """ "Available warm-up and cooldown settings", EstimatedInstanceWarmup."""
    group = Group(max=9, warmup_s=default)
    assert warmup_s(StepPolicy("s", OUT.steps, warmup_s=own), group) == expected
    assert warmup_s(TargetTracking("t", 50, warmup_s=own), group) == expected


@pytest.mark.parametrize(("default", "expected"), [(90, 90), (0, 0), (None, 0)])
def test_other_launches_warm_up_only_where_the_group_says_so(
    default: int | None, expected: int
) -> None:
    group = Group(max=9, warmup_s=default)
    assert warmup_s(Simple("s", 1), group) == warmup_s(None, group) == expected


def test_a_simple_policy_s_own_cooldown_overrides_the_default() -> None:
    """ "Set a cooldown period for specific simple scaling policies"."""
    group = Group(max=9, cooldown_s=200)
    assert cooldown_s(Simple("s", 1, cooldown_s=60), group) == 60
    assert cooldown_s(Simple("s", 1, cooldown_s=0), group) == 0
    for policy in (Simple("s", 1), StepPolicy("s", OUT.steps), None):
        assert cooldown_s(policy, group) == 200
