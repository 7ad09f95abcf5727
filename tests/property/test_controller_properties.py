"""What the controller never does, whatever the file, the figures and the group."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from loadcore_aws.autoscaling.control.config import Control, Limits, Queue, ScaleIn, ScaleOut
from loadcore_aws.autoscaling.control.decide import Group, Reading, State, decide, limits

GROUP = Group("workers", min=1, max=12, desired=3, in_service=3)


@st.composite
def controls(draw: st.DrawFn, per_instance: bool) -> Control:
    """Only such as a file may say: the same check decides."""
    above = draw(st.floats(1, 1000))
    made = st.builds(
        Control,
        figure=st.just(Queue("queue", "jobs", per_instance=per_instance)),
        scale_out=st.builds(
            ScaleOut,
            above=st.just(above),
            adjust=st.integers(1, 4),
            cooldown_s=st.floats(0, 500),
            for_times=st.integers(1, 3),
        ),
        scale_in=st.builds(
            ScaleIn,
            below=st.floats(0, above),
            adjust=st.integers(-4, -1),
            cooldown_s=st.floats(0, 500),
            for_times=st.integers(1, 3),
        ),
        group=st.just("workers"),
        on_missing=st.sampled_from(["keep", "out", "in"]),
        limits=st.builds(
            Limits,
            st.one_of(st.none(), st.integers(0, 8)),
            st.one_of(st.none(), st.integers(8, 12)),
        ),
    )
    return draw(made.filter(lambda control: not list(control.combined_faults())))


groups = st.integers(0, 5).flatmap(
    lambda low: st.builds(
        Group,
        name=st.just("workers"),
        min=st.just(low),
        max=st.integers(low, 12),
        desired=st.integers(0, 14),
        in_service=st.integers(0, 14),
        launching=st.integers(0, 2),
        terminating=st.integers(0, 2),
    )
)
states = st.builds(
    State,
    above=st.integers(0, 3),
    below=st.integers(0, 3),
    direction=st.sampled_from(["out", "in", ""]),
    changed_at_s=st.floats(0, 2000),
    settled=st.booleans(),
)
values = st.one_of(st.none(), st.floats(0, 2000))


@given(controls(False), states, values, groups, st.floats(0, 2000))
def test_no_decision_leaves_the_limits(
    control: Control, state: State, value: float | None, group: Group, now_s: float
) -> None:
    capacity = decide(control, state, Reading(value), group, now_s).capacity
    low, high = limits(control, group)
    assert group.min <= low <= capacity <= high <= group.max


@given(controls(False), st.lists(st.tuples(values, st.floats(0.1, 200)), max_size=60))
def test_cooldowns_lie_between_changes(
    control: Control, readings: list[tuple[float | None, float]]
) -> None:
    group, state, now_s = GROUP, State(), 0.0
    low, high = limits(control, group)
    group = replace(group, desired=max(min(3, high), low))
    changes: list[tuple[str, float]] = []
    for value, gap_s in readings:
        now_s += gap_s
        decision = decide(control, state, Reading(value), group, now_s)
        group, state = replace(group, desired=decision.capacity), decision.state
        if decision.action == "in" and changes:
            assert now_s - changes[-1][1] >= control.scale_in.cooldown_s - 1e-6
        outs = [at_s for action, at_s in changes if action == "out"]
        if decision.action == "out" and changes and changes[-1][0] == "out":
            assert now_s - outs[-1] >= control.scale_out.cooldown_s - 1e-6
        if decision.action in ("out", "in"):
            changes.append((decision.action, now_s))


@given(controls(False), states, groups, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_readings_within_the_thresholds_change_nothing(
    control: Control, state: State, group: Group, shares: list[float]
) -> None:
    low, high = limits(control, group)
    group = replace(group, desired=min(max(group.desired, low), high))
    between = control.scale_out.above - control.scale_in.below
    for step, share in enumerate(shares):
        value = min(control.scale_in.below + share * between, control.scale_out.above)
        decision = decide(control, state, Reading(value), group, step * 1000.0)
        assert decision.capacity == group.desired
        state = decision.state


@given(controls(True), st.floats(0, 20_000), st.integers(1, 12))
def test_under_steady_load_a_figure_per_instance_never_makes_it_turn_back(
    control: Control, load: float, desired: int
) -> None:
    group = replace(GROUP, min=control.limits.min or 1)
    low, high = limits(control, group)
    group, state = replace(group, desired=min(max(desired, low), high)), State()
    actions = set()
    for step in range(80):
        decision = decide(control, state, Reading(load / group.desired), group, step * 1000.0)
        group, state = replace(group, desired=decision.capacity), decision.state
        actions.add(decision.action)
    assert not {"out", "in"} <= actions
    assert decision.action == "keep"
