"""What the controller decides, and what a CONTROL.toml may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import loadcore as lc
from loadcore_aws._faults import SpecError
from loadcore_aws.autoscaling.control import config
from loadcore_aws.autoscaling.control.config import Control, Limits, Queue, ScaleIn, ScaleOut
from loadcore_aws.autoscaling.control.decide import Decision, Group, Reading, State, decide, limits

EXAMPLES = sorted((Path(__file__).parents[2] / "orchestration/examples/control").glob("*.toml"))

CONTROL = Control(
    figure=Queue("queue", "jobs"),
    scale_out=ScaleOut(above=100, adjust=2, cooldown_s=60, for_times=2),
    scale_in=ScaleIn(below=10, adjust=-1, cooldown_s=120, for_times=3),
    group="workers",
)
GROUP = Group("workers", min=1, max=6, desired=3, in_service=3)
NOW_S = 1000.0


def decided(
    value: float | None,
    state: State = State(),  # noqa: B008 - frozen
    group: Group = GROUP,
    control: Control = CONTROL,
    now_s: float = NOW_S,
) -> Decision:
    return decide(control, state, Reading(value, "nobody answers"), group, now_s)


ABOVE, BELOW = State(above=1), State(below=2)


@pytest.mark.parametrize(
    ("value", "state", "group", "action", "capacity"),
    [
        (50, ABOVE, {}, "keep", 3),
        (101, State(), {}, "keep", 3),
        (101, ABOVE, {}, "out", 5),
        (100, ABOVE, {}, "keep", 3),  # the threshold itself is not above it
        (101, ABOVE, {"desired": 5, "in_service": 5}, "out", 6),
        (101, ABOVE, {"desired": 6, "in_service": 6}, "keep", 6),
        (101, ABOVE, {"in_service": 2, "launching": 1}, "wait", 3),
        (101, ABOVE, {"terminating": 2}, "out", 5),
        (9, State(below=1), {}, "keep", 3),
        (9, BELOW, {}, "in", 2),
        (10, BELOW, {}, "keep", 3),
        (9, BELOW, {"desired": 1, "in_service": 1}, "keep", 1),
        (9, BELOW, {"launching": 1}, "wait", 3),
        (9, BELOW, {"terminating": 1}, "wait", 3),
        (9, ABOVE, {}, "keep", 3),  # a turn begins the count anew
        (None, ABOVE, {}, "keep", 3),
    ],
)  # fmt: skip
def test_a_reading_changes_the_capacity_or_not(
    value: float | None, state: State, group: dict[str, int], action: str, capacity: int
) -> None:
    decision = decided(value, state, replace(GROUP, **group))  # type: ignore[arg-type]
    assert (decision.action, decision.capacity) == (action, capacity)


def test_counts_are_of_readings_in_a_row_and_go_no_further_than_needed() -> None:
    state = State()
    for value, above, below in [(200, 1, 0), (50, 0, 0), (5, 0, 1), (5, 0, 2), (None, 0, 0)]:
        state = decided(value, state).state
        assert (state.above, state.below) == (above, below)
    full = replace(GROUP, desired=6, in_service=6)
    for _ in range(9):
        state = decided(200, state, full).state
    assert state.above == CONTROL.scale_out.for_times


@pytest.mark.parametrize(
    ("direction", "ago_s", "value", "action"),
    [
        ("out", 59, 101, "wait"),
        ("out", 60, 101, "out"),
        ("in", 1, 101, "out"),  # scaling out does not wait for a scale-in's cooldown
        ("in", 119, 9, "wait"),
        ("in", 120, 9, "in"),
        ("out", 119, 9, "wait"),
        ("out", 120, 9, "in"),
        ("out", -86_400, 101, "wait"),  # the clock was set back
    ],
)
def test_a_cooldown_is_waited_for(direction: str, ago_s: float, value: float, action: str) -> None:
    state = State(1, 2, direction, NOW_S - ago_s)  # type: ignore[arg-type]
    assert decided(value, state if value < 50 else replace(state, below=0)).action == action


def test_after_a_clock_that_was_set_back_the_cooldown_begins_now() -> None:
    state = decided(101, State(1, 0, "out", NOW_S + 86_400)).state
    assert decided(101, replace(state, above=1), now_s=NOW_S + 60).action == "out"


def test_the_cooldown_begins_once_the_new_instances_are_there() -> None:
    first = decided(101, ABOVE)
    assert first.state == State(0, 0, "out", NOW_S, settled=False)
    launching = replace(GROUP, desired=5, in_service=3, launching=2)
    state = decided(50, first.state, launching, now_s=NOW_S + 90).state
    assert state.changed_at_s == NOW_S + 90
    ready = replace(GROUP, desired=5, in_service=5)
    state = decided(101, state, ready, now_s=NOW_S + 100).state
    assert (state.changed_at_s, state.settled) == (NOW_S + 90, True)
    assert decided(101, state, ready, now_s=NOW_S + 149).action == "wait"
    # A replacement that is launched later on is nobody's change: the cooldown goes on.
    replaced = replace(ready, in_service=4, launching=1)
    state = decided(101, state, replaced, now_s=NOW_S + 120).state
    assert decided(101, state, ready, now_s=NOW_S + 150).action == "out"


@pytest.mark.parametrize(("on_missing", "action"), [("keep", "keep"), ("out", "out"), ("in", "in")])
def test_a_missing_figure_counts_as_the_file_says(on_missing: str, action: str) -> None:
    control = replace(CONTROL, on_missing=on_missing)  # type: ignore[arg-type]
    decision = decided(None, State(above=1, below=2), control=control)
    assert decision.action == action
    assert "nobody answers" in decision.reason


def test_limits_of_the_file_hold_within_those_of_the_group() -> None:
    for given_limits, expected in [
        (Limits(), (1, 6)),
        (Limits(2, 4), (2, 4)),
        (Limits(0, 99), (1, 6)),
        (Limits(8, 9), (6, 6)),
        (Limits(max=0), (1, 1)),
    ]:
        assert limits(replace(CONTROL, limits=given_limits), GROUP) == expected


@pytest.mark.parametrize(("limit", "capacity"), [(Limits(min=4), 4), (Limits(max=2), 2)])
def test_a_group_outside_the_limits_is_brought_back_at_once(limit: Limits, capacity: int) -> None:
    busy = State(direction="out", changed_at_s=NOW_S)
    decision = decided(None, busy, control=replace(CONTROL, limits=limit))
    assert (decision.action, decision.capacity) == ("limits", capacity)


HEAD = 'group = "workers"\n[figure]\nkind = "queue"\nqueue = "jobs"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}[scale_out]\nabove = 5\n[scale_in]\nbelow = 5\n",
         "line 8: scale_in.below is 5, not less than scale_out.above, 5: the group would flap"),
        (f"{HEAD}per_instance = true\n[scale_out]\nabove = 100\n[scale_in]\nbelow = 60\n",
         "line 9: scale_in.below is 60: a step of 1 at 1 in service takes a figure per instance "
         "from scale_out.above to 50"),
        (f"stack = 'likes'\n{HEAD}[scale_out]\nabove = 5\n[scale_in]\nbelow = 1\n",
         "line 2: group goes with stack; take one of them"),
        ('every_s = 0\n[figure]\nkind = "lamp"\n[scale_out]\nadjust = 0\nabove = inf\n',
         "line 3: figure.kind is 'lamp'; take one of queue, metrics, run, command, cloudwatch"),
        ('every_s = 0\n[figure]\nkind = "lamp"\n[scale_out]\nadjust = 0\nabove = 9\n'
         "[scale_in]\nbelow = nan\n",
         "line 5: scale_out.adjust is 0; scaling out takes 1 or more; line 8: scale_in.below is "
         "nan; give a finite number"),
        (f"{HEAD}[scale_out]\nabove = 9\nfor_time = 2\n[scale_in]\nbelow = 1\nadjust = 1\n",
         "line 7: scale_out.for_time is not known here; did you mean for_times?; line 10: "
         "scale_in.adjust is 1; scaling in takes -1 or less"),
        ('group = "g"\nevery_s = 5\n[figure]\nkind = "run"\nurl = "http://h/"\nrate = -1\n'
         "duration_s = 3\n[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n",
         "line 6: figure.rate"),
        ('group = "g"\nevery_s = 5\n[figure]\nkind = "metrics"\nurl = "ftp://h/"\nmetric = "m"\n'
         "rate = true\nquantile = 1\n[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n",
         "line 5: figure.url is 'ftp://h/'; give one such as http://127.0.0.1:9090/metrics; "
         "line 8: figure.quantile is 1; give one from 0 to 1, such as 0.99; line 7: figure.rate "
         "does not go with quantile"),
        ('group = "g"\nevery_s = 5\n[figure]\nkind = "metrics"\nurl = "http://h/"\nmetric = "m"\n'
         "rate = true\n[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n",
         "line 3: figure.window_s is 10, longer than every_s, 5"),
        ('group = "g"\n[figure]\nkind = "command"\ncommand = ["x"]\ntimeout_s = 3600\n'
         "[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n",
         "line 5: figure.timeout_s is 3600, longer than every_s, 60"),
        ('group = "g"\n[figure]\nkind = "cloudwatch"\nperiod_s = 61\n[figure.metrics.A]\n'
         'namespace = "n"\nname = "m"\nstatistic = "p101"\n[figure.metrics.b]\nnamespace = "n"\n'
         'name = "m"\n[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n[limits]\nmin = 3\nmax = 2\n',
         "line 18: limits.max is less than min, 3"),
        ('group = "g"\n[figure]\nkind = "command"\ncommand = []\n[scale_out]\nabove = 9\n'
         '[scale_in]\nbelow = 1\n[lease]\ntable = ""\n',
         'line 4: figure.command is empty; give a list such as ["./backlog", "--count"]; line 10: '
         "lease.table is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SpecError) as raised:
        config.parse(text)
    assert said in str(raised.value)
    assert isinstance(raised.value, lc.PlanError)


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ('kind = ["queue"]', "line 3: figure.kind is ['queue']; take one of queue, metrics"),
        ('kind = "command"\ncommand = ["a\\u0000b"]', "line 4: figure.command has a null char"),
        ('kind = "cloudwatch"\nperiod_s = 9000000000000000000\nmetrics = {}',
         "line 4: figure.period_s is 9000000000000000000; it is 10, 20, 30 or a multiple of 60 up"),
    ],
    ids=("kind", "command", "period_s"),
)  # fmt: skip
def test_figures_that_no_program_could_read(figure: str, said: str) -> None:
    text = f'group = "g"\n[figure]\n{figure}\n[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n'
    with pytest.raises(SpecError) as raised:
        config.parse(text)
    assert str(raised.value).startswith(f"CONTROL.toml: {said}")


def test_a_window_is_looked_at_only_where_there_is_one() -> None:
    text = ('group = "g"\nevery_s = 5\n[figure]\nkind = "metrics"\nurl = "http://h/"\n'
            'metric = "m"\n{}\n[scale_out]\nabove = 9\n[scale_in]\nbelow = 1\n')  # fmt: skip
    assert config.parse(text.format("")).every_s == 5
    for windowed in ("rate = true", "quantile = 0.5"):
        with pytest.raises(SpecError, match="window_s is 10, longer than every_s, 5"):
            config.parse(text.format(windowed))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_sound(path: Path) -> None:
    assert config.read(path).figure.kind in ("queue", "metrics", "run", "command", "cloudwatch")


def test_there_is_an_example_of_each_kind() -> None:
    assert {config.read(path).figure.kind for path in EXAMPLES} == {
        "queue", "metrics", "run", "command", "cloudwatch"}  # fmt: skip
