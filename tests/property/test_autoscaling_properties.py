"""What holds of alarms, policies and groups, whatever the points, the settings and the events."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Literal, get_args

from hypothesis import given
from hypothesis import strategies as st

from loadcore_aws.autoscaling.alarms import State, evaluate, evaluation_range, treatment
from loadcore_aws.autoscaling.group import GroupState, Timings
from loadcore_aws.autoscaling.metrics import Sample, aggregate
from loadcore_aws.autoscaling.policies import Proposal, adjusted, step_for, tracked_capacity, wins
from loadcore_aws.autoscaling.spec import (
    Adjustment,
    Alarm,
    Group,
    MissingData,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

POINTS = st.lists(st.sampled_from([None, 0.0, 9.0]), max_size=9)
STATES: st.SearchStrategy[State] = st.sampled_from(get_args(State))
STEPS = StepPolicy("s", (Step(-3, None, -5), Step(-1, -5, 0), Step(2, 0, 5), Step(4, 5, None)))


@st.composite
def alarms(draw: st.DrawFn) -> Alarm:
    """Breached by 9, not by 0."""
    n = draw(st.integers(1, 6))
    return Alarm(
        name="a",
        metric="requests",
        threshold=5,
        evaluation_periods=n,
        datapoints_to_alarm=draw(st.integers(0, n)),
        missing_data=draw(st.sampled_from(get_args(MissingData))),
    )


def slow_evaluate(points: Sequence[float | None], alarm: Alarm, previous: State) -> State:
    """The documentation's sentences in another way: as letters, filled in and counted."""
    n, m = alarm.evaluation_periods, alarm.m
    letters = "".join("-" if p is None else "X" if p >= alarm.threshold else "0" for p in points)
    letters = letters.rjust(n + 2, "-")[-(n + 2) :]
    real = letters.replace("-", "")
    if len(real) >= n:
        return "ALARM" if real[-n:].count("X") >= m else "OK"
    fill = {"breaching": "X", "notBreaching": "0"}.get(treatment(alarm))
    if fill:
        return "ALARM" if real.rjust(n, fill).count("X") >= m else "OK"
    if real.count("X") >= m:
        return "ALARM"
    if "0" in real:
        return "OK"
    if treatment(alarm) == "ignore":
        return previous
    if not real:
        return "INSUFFICIENT_DATA"
    return "ALARM" if "X" in letters[: len(letters) - m + 1] else "OK"


@given(POINTS, alarms(), STATES)
def test_evaluation_agrees_with_the_slow_one(
    points: list[float | None], alarm: Alarm, previous: State
) -> None:
    assert evaluate(points, alarm=alarm, previous=previous) == slow_evaluate(
        points, alarm, previous
    )


@given(st.integers(1, 3), STATES, st.sampled_from(get_args(MissingData)))
def test_evaluation_agrees_with_the_slow_one_on_every_range_of_three(
    m: int, previous: State, missing_data: MissingData
) -> None:
    alarm = Alarm("a", "requests", 5, evaluation_periods=3, datapoints_to_alarm=m)
    alarm = replace(alarm, missing_data=missing_data)
    for points in product([None, 0.0, 9.0], repeat=evaluation_range(alarm)):
        assert evaluate(points, alarm=alarm, previous=previous) == slow_evaluate(
            points, alarm, previous
        )


@given(POINTS, alarms(), STATES, st.data())
def test_a_missing_point_that_breaches_after_all_silences_no_alarm(
    points: list[float | None], alarm: Alarm, previous: State, data: st.DataObject
) -> None:
    if None not in points or evaluate(points, alarm=alarm, previous=previous) != "ALARM":
        return
    gaps = [index for index, point in enumerate(points) if point is None]
    late = list(points)
    late[data.draw(st.sampled_from(gaps))] = 9.0
    # A state that is merely kept says nothing of the points.
    if treatment(alarm) != "ignore":
        assert evaluate(late, alarm=alarm, previous=previous) == "ALARM"


@given(POINTS, alarms(), STATES, st.data())
def test_a_point_that_breaches_instead_silences_no_alarm(
    points: list[float | None], alarm: Alarm, previous: State, data: st.DataObject
) -> None:
    within = [index for index, point in enumerate(points) if point == 0]
    if not within or evaluate(points, alarm=alarm, previous=previous) != "ALARM":
        return
    worse = list(points)
    worse[data.draw(st.sampled_from(within))] = 9.0
    assert evaluate(worse, alarm=alarm, previous=previous) == "ALARM"


@given(POINTS, alarms())
def test_the_previous_state_counts_only_where_missing_data_is_ignored(
    points: list[float | None], alarm: Alarm
) -> None:
    states = {evaluate(points, alarm=alarm, previous=state) for state in get_args(State)}
    assert len(states) == 1 or alarm.missing_data == "ignore"


@given(POINTS, alarms(), STATES)
def test_no_state_is_insufficient_data_while_there_is_some(
    points: list[float | None], alarm: Alarm, previous: State
) -> None:
    state = evaluate(points, alarm=alarm, previous=previous)
    if state == "INSUFFICIENT_DATA" != previous:
        assert set(points[-evaluation_range(alarm) :]) <= {None}


SAMPLES = st.lists(
    st.builds(Sample, st.integers(0, 299), st.integers(-50, 50), st.integers(1, 5)), max_size=30
).map(lambda samples: sorted(samples, key=lambda sample: sample.time_s))


@given(SAMPLES, st.sampled_from(["Average", "Minimum", "Maximum", "p10", "p50", "p99", "p100"]))
def test_statistics_agree_with_the_observations_spelt_out(
    samples: list[Sample], statistic: str
) -> None:
    points = aggregate(samples, statistic, period_s=60, end_s=300, count=5)
    for minute, point in enumerate(points):
        values = sorted(
            sample.value
            for sample in samples
            if minute * 60 <= sample.time_s < minute * 60 + 60
            for _ in range(int(sample.count))
        )
        if not values:
            assert point is None
        elif statistic == "Average":
            assert point is not None
            assert math.isclose(point, sum(values) / len(values), abs_tol=1e-9)
        else:
            least = {"Minimum": 0, "Maximum": 100}.get(statistic)
            percent = float(statistic[1:]) if least is None else least
            assert point == values[max(0, math.ceil(len(values) * percent / 100) - 1)]


@given(SAMPLES)
def test_nothing_is_lost_between_periods(samples: list[Sample]) -> None:
    for statistic, total in (
        ("Sum", sum(sample.value * sample.count for sample in samples)),
        ("SampleCount", sum(sample.count for sample in samples)),
    ):
        points = aggregate(samples, statistic, period_s=60, end_s=300, count=5)
        assert sum(point for point in points if point is not None) == total


@given(
    st.integers(0, 500),
    st.sampled_from(get_args(Adjustment)),
    st.integers(-300, 300),
    st.integers(0, 20),
)
def test_adjustments_go_the_way_they_say(
    capacity: int, by: Adjustment, adjust: int, magnitude: int
) -> None:
    if by == "exact":
        assert adjusted(capacity, by, abs(adjust), magnitude) == abs(adjust)
        return
    after = adjusted(capacity, by, adjust, magnitude)
    assert after >= 0
    assert (after - capacity) * adjust >= 0
    if by == "percent" and capacity and adjust and after:
        assert abs(after - capacity) >= max(1, magnitude)


@given(st.integers(-2000, 2000))
def test_steps_without_a_gap_always_have_one(hundredths: int) -> None:
    difference = hundredths / 100
    step = step_for(STEPS, difference)
    assert step is not None
    assert (step.adjust > 0) == (difference >= 0)


@given(st.integers(1, 200), st.integers(0, 4000), st.integers(1, 400))
def test_tracking_reaches_its_target_with_as_few_as_can_be(
    capacity: int, value: int, target: int
) -> None:
    after = tracked_capacity(TargetTracking("t", target), value, capacity)
    assert after * target >= capacity * value
    assert after == 0 or (after - 1) * target < capacity * value


@given(st.lists(st.integers(0, 99), max_size=6))
def test_the_largest_capacity_wins(capacities: list[int]) -> None:
    winner = wins(Proposal(Simple(f"p{c}", 1), c) for c in capacities)
    assert (winner and winner.capacity) == max(capacities, default=None)


Event = tuple[Literal["simple", "step", "manual", "schedule", "unhealthy"], int, int]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["simple", "step", "manual", "schedule", "unhealthy"]),
        st.integers(0, 200),
        st.integers(-12, 12),
    ),
    max_size=25,
)


def happen(state: GroupState, event: Event, now_s: float) -> None:
    kind, _, number = event
    if kind == "simple":
        if proposal := state.propose(Simple("p", number), now_s=now_s):
            state.apply(proposal, now_s=now_s)
    elif kind == "step":
        if proposal := state.propose(STEPS, now_s=now_s, difference=number):
            state.apply(proposal, now_s=now_s)
    elif kind == "manual":
        state.request(number, now_s=now_s, cause="manual")
    elif kind == "schedule":
        schedule = Schedule("s", at="x", min=abs(number) // 3, max=abs(number), desired=number)
        state.run_schedule(schedule, now_s=now_s)
    else:
        state.replace_unhealthy(number, now_s=now_s)


@given(
    EVENTS,
    st.builds(
        Timings,
        st.integers(0, 200),
        st.integers(0, 200),
        st.none() | st.integers(0, 300),
        st.integers(0, 200),
    ),
    st.none() | st.integers(0, 200),
)
def test_a_group_keeps_its_word(events: list[Event], timings: Timings, warmup: int | None) -> None:
    state = GroupState(Group(min=1, max=8, desired=3, warmup_s=warmup), timings)
    now_s = 0.0
    for event in events:
        now_s += event[1]
        before, told = state.desired, len(state.activities)
        waits, scaling_out = state.simple_waits(now_s), state.scaling_out(now_s)
        happen(state, event, now_s)
        assert state.min <= state.desired <= state.max
        members = len(state.instances(now_s)) - len(state.leaving(now_s))
        assert members == state.desired
        assert len(state.warm(now_s)) <= len(state.in_service(now_s)) <= members
        if event[0] == "simple" and waits:
            assert state.desired == before
        if event[0] == "step" and scaling_out:
            assert state.desired >= before
        for activity in state.activities[told:]:
            assert (activity.before, activity.after) == (before, state.desired)
        if state.desired != before:
            assert len(state.activities) == told + 1
            assert state.simple_waits_until_s >= now_s + 300
    in_the_end_s = now_s + 10_000
    assert len(state.warm(in_the_end_s)) == len(state.instances(in_the_end_s)) == state.desired
