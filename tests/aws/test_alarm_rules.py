"""The alarm rules, row by row as the Amazon CloudWatch User Guide has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from loadcore_aws.autoscaling.alarms import (
    AlarmWatch,
    State,
    evaluate,
    evaluation_interval_s,
    evaluation_range,
    samples_needed,
)
from loadcore_aws.autoscaling.metrics import NAMED, Sample, SampleStore, aggregate
from loadcore_aws.autoscaling.spec import SHORTHANDS, Alarm, Metric

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.spec import Comparison, MissingData

ALARM = Alarm(name="busy", metric="requests", threshold=200, comparison=">", evaluation_periods=3)
STATES: tuple[State, ...] = ("OK", "ALARM", "INSUFFICIENT_DATA")
TREATMENTS: tuple[MissingData, ...] = ("missing", "ignore", "breaching", "notBreaching")

# "Configuring how CloudWatch alarms treat missing data": M, the points, then the state under each
# of TREATMENTS; "keep" is "Retain current state".
TABLES = [
    (3, "0 - X - X", "OK", "OK", "OK", "OK"),
    (3, "0 - - - -", "OK", "OK", "OK", "OK"),
    (3, "- - - - -", "INSUFFICIENT_DATA", "keep", "ALARM", "OK"),
    (3, "0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
    (3, "- - X - -", "ALARM", "keep", "ALARM", "OK"),
    (2, "0 - X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
    (2, "0 0 X 0 X", "ALARM", "ALARM", "ALARM", "ALARM"),
    (2, "0 - X - -", "OK", "OK", "ALARM", "OK"),
    (2, "- - - - 0", "OK", "OK", "ALARM", "OK"),
    (2, "- - - X -", "ALARM", "keep", "ALARM", "OK"),
]


def points_of(drawn: str) -> list[float | None]:
    meaning = {"0": 100.0, "X": 300.0, "-": None}
    return [meaning[point] for point in drawn.split()]


def state_of(drawn: str, alarm: Alarm, previous: State = "OK") -> State:
    return evaluate(points_of(drawn), alarm=alarm, previous=previous)


@pytest.mark.parametrize("previous", STATES)
@pytest.mark.parametrize("column", range(4), ids=TREATMENTS)
@pytest.mark.parametrize("row", TABLES, ids=lambda row: f"{row[0]} of 3: {row[1]}")
def test_the_tables_of_the_documentation(
    row: tuple[int, str, str, str, str, str], column: int, previous: State
) -> None:
    m, drawn, *states = row
    alarm = replace(ALARM, datapoints_to_alarm=m, missing_data=TREATMENTS[column])
    expected = previous if states[column] == "keep" else states[column]
    assert state_of(drawn, alarm, previous) == expected


@pytest.mark.parametrize("drawn", ["- - - - X", "- - - X -"])
def test_one_late_breach_does_not_ring_before_its_time(drawn: str) -> None:
    """ "Avoiding premature transitions to alarm state", M = 3."""
    assert state_of(drawn, ALARM) == "OK"
    assert state_of(drawn, replace(ALARM, missing_data="ignore"), "ALARM") == "ALARM"


@pytest.mark.parametrize(
    ("drawn", "state"), [("- - X - -", "ALARM"), ("- - X - 0", "OK"), ("X - - - -", "ALARM")]
)
def test_an_old_breach_rings_unless_a_newer_point_is_within(drawn: str, state: State) -> None:
    assert state_of(drawn, ALARM) == state


def test_a_range_without_gaps_is_decided_by_its_newest_points() -> None:
    """The pictured example of "Alarm evaluation": 3 of 3, above the line in periods 3 to 5."""
    values = [2, 2, 4, 4, 4, 2, 2, 2, 4, 2]
    alarm = replace(ALARM, threshold=3)
    state: State = "OK"
    seen = []
    for end in range(5, len(values) + 1):
        state = evaluate(values[end - 5 : end], alarm=alarm, previous=state)
        seen.append(state)
    assert seen == ["ALARM", "OK", "OK", "OK", "OK", "OK"]


def test_points_beyond_the_evaluation_range_are_not_looked_at() -> None:
    alarm = replace(ALARM, evaluation_periods=1)
    assert evaluation_range(alarm) == 3
    assert state_of("X - - -", alarm) == "INSUFFICIENT_DATA"
    assert state_of("- X - -", alarm) == "ALARM"


def test_the_range_of_three_periods_is_five() -> None:
    assert evaluation_range(ALARM) == 5


@pytest.mark.parametrize(
    ("comparison", "below", "at", "above"),
    [
        (">=", "OK", "ALARM", "ALARM"),
        (">", "OK", "OK", "ALARM"),
        ("<=", "ALARM", "ALARM", "OK"),
        ("<", "ALARM", "OK", "OK"),
    ],
)
def test_comparisons(comparison: Comparison, below: State, at: State, above: State) -> None:
    alarm = replace(ALARM, comparison=comparison, evaluation_periods=1)
    states = [evaluate([value], alarm=alarm, previous="OK") for value in (199.9, 200, 200.1)]
    assert states == [below, at, above]


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("previous", STATES)
def test_dynamodb_alarms_ignore_missing_data_whatever_is_set(
    treatment: MissingData, previous: State
) -> None:
    """PutMetricAlarm, TreatMissingData."""
    metric = Metric("AWS/DynamoDB", "ThrottledRequests", {"TableName": "likes"})
    alarm = replace(ALARM, metric=metric, missing_data=treatment)
    assert state_of("- - - - -", alarm, previous) == previous


@pytest.mark.parametrize(
    ("period_s", "interval_s"), [(10, 10), (20, 10), (30, 10), (60, 60), (300, 60), (3600, 60)]
)
def test_how_often_alarms_are_evaluated(period_s: int, interval_s: int) -> None:
    assert evaluation_interval_s(replace(ALARM, period_s=period_s)) == interval_s


def test_alarms_over_more_than_a_day_are_evaluated_hourly() -> None:
    day = replace(ALARM, period_s=3600, evaluation_periods=24)
    assert evaluation_interval_s(day) == 60
    assert evaluation_interval_s(replace(day, evaluation_periods=25)) == 3600


@pytest.mark.parametrize(
    ("period_s", "periods", "sound"),
    [(60, 1440, True), (60, 1441, False), (3540, 25, False), (3600, 168, True), (3600, 169, False)],
)
def test_how_far_back_alarms_may_look(period_s: int, periods: int, sound: bool) -> None:
    """PutMetricAlarm, Period: a day, or seven where periods last an hour or more."""
    faults = replace(ALARM, period_s=period_s, evaluation_periods=periods).faults()
    assert (not list(faults)) is sound


@pytest.mark.parametrize(
    ("statistic", "sound"),
    [("p99", True), ("p99.95", True), ("p100", True), ("p0", True), ("Sum", True)]
    + [(wrong, False) for wrong in ("p101", "p", "p1e1", "p-1", "pnan", "p 9", "sum")],
)
def test_statistics_that_exist(statistic: str, sound: bool) -> None:
    assert (not list(replace(ALARM, statistic=statistic).faults())) is sound


PAGERS = tuple(f"arn:aws:sns:eu-central-1:123456789012:pager-{number}" for number in range(6))


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"description": "x" * 1024}, None),
        ({"description": "x" * 1025}, "description"),
        ({"actions": PAGERS[:5], "ok_actions": PAGERS[1:], "no_data_actions": PAGERS[:5]}, None),
        ({"actions": PAGERS}, "actions"),
        ({"ok_actions": PAGERS}, "ok_actions"),
        ({"no_data_actions": PAGERS}, "no_data_actions"),
        # each is sent once
        ({"actions": PAGERS[:5] * 2}, None),
    ],
)
def test_what_cloudwatch_keeps_of_an_alarm(changes: dict[str, Any], setting: str | None) -> None:
    faults = [fault.setting for fault in replace(ALARM, **changes).faults()]
    assert faults == ([setting] if setting else [])


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"namespace": "x" * 255, "name": "y" * 255, "unit": "Count/Second"}, None),
        ({"namespace": "x" * 256}, "namespace"),
        ({"namespace": ":Likes"}, "namespace"),
        ({"name": "x" * 256}, "name"),
        ({"name": ""}, "name"),
        ({"unit": "ms"}, "unit"),
        ({"dimensions": {str(n): "x" * 1024 for n in range(30)}}, None),
        ({"dimensions": {str(n): "x" for n in range(31)}}, "dimensions"),
        ({"dimensions": {"Queue": ""}}, "dimensions.Queue"),
        ({"dimensions": {"Queue": "x" * 1025}}, "dimensions.Queue"),
    ],
)
def test_metrics_that_cloudwatch_can_have(changes: dict[str, Any], setting: str | None) -> None:
    faults = [fault.setting for fault in replace(Metric("Likes", "Queue"), **changes).faults()]
    assert faults == ([setting] if setting else [])


@pytest.mark.parametrize(
    ("statistic", "samples"),
    [("p99", 1000), ("p99.9", 10_000), ("p90", 100), ("p50", 20), ("p10", 100), ("Average", 0)],
)
def test_samples_that_a_percentile_needs(statistic: str, samples: float) -> None:
    assert samples_needed(statistic) == samples


@pytest.mark.parametrize("statistic", ["p0", "p100"])
def test_the_ends_of_the_scale_never_have_enough_samples(statistic: str) -> None:
    assert samples_needed(statistic) == float("inf")


class TestPoints:
    SAMPLES = (Sample(0, 1), Sample(59.9, 3, 2), Sample(60, 10), Sample(200, 4, 4))

    @pytest.mark.parametrize(
        ("statistic", "expected"),
        [
            ("Sum", [7, 10, None, 16]),
            ("SampleCount", [3, 1, None, 4]),
            ("Average", [7 / 3, 10, None, 4]),
            ("Minimum", [1, 10, None, 4]),
            ("Maximum", [3, 10, None, 4]),
            ("p50", [3, 10, None, 4]),
            ("p10", [1, 10, None, 4]),
        ],
    )
    def test_each_statistic(self, statistic: str, expected: list[float | None]) -> None:
        points = aggregate(self.SAMPLES, statistic, period_s=60, end_s=240, count=4)
        assert points == expected

    def test_a_period_holds_its_start_and_not_its_end(self) -> None:
        assert aggregate(self.SAMPLES, "Sum", period_s=60, end_s=60, count=2) == [None, 7]

    def test_percentiles_by_rank(self) -> None:
        samples = [Sample(0, value) for value in range(1, 101)]
        for percent in (1, 50, 90, 99, 100):
            points = aggregate(samples, f"p{percent}", period_s=60, end_s=60, count=1)
            assert points == [percent]

    def test_a_store_keeps_metrics_apart(self) -> None:
        store = SampleStore()
        one = Metric("Likes", "Queue", {"Shard": "1"})
        other = Metric("Likes", "Queue", {"Shard": "2"})
        store.add(one, 10, 5)
        store.add(one, 20, 7, 3)
        store.add(other, 10, 1)
        store.add("requests", 10, 0, 0)
        assert store.points(one, period_s=60, end_s=60, count=1, statistic="Sum") == [26]
        assert store.points(other, period_s=60, end_s=60, count=1, statistic="Sum") == [1]
        assert store.points("requests", period_s=60, end_s=60, count=1, statistic="Sum") == [None]
        assert store.samples(one, start_s=10, end_s=20) == 1
        assert store.samples(one, start_s=10, end_s=21) == 4


def test_every_shorthand_is_a_metric() -> None:
    assert set(NAMED) == set(SHORTHANDS)


def test_a_shorthand_with_its_dimensions() -> None:
    values = {"LoadBalancer": "app/likes/1", "TargetGroup": "targetgroup/likes/2", "More": "x"}
    metric = NAMED["requests_per_target"].of(values)
    assert metric == Metric(
        "AWS/ApplicationELB",
        "RequestCountPerTarget",
        {"TargetGroup": "targetgroup/likes/2"},
        "Count",
    )
    with pytest.raises(KeyError, match="AutoScalingGroupName"):
        NAMED["cpu"].of(values)


def watch(alarm: Alarm, store: SampleStore, until_s: float, by_s: float = 1) -> list[str]:
    """What happened each time the alarm was evaluated: time, state, actions."""
    watched = AlarmWatch(alarm)
    told = []
    for tick in range(round(until_s / by_s) + 1):
        if evaluation := watched.step(tick * by_s, store):
            actions = ",".join(evaluation.run) or "-"
            told.append(f"{evaluation.at_s:g} {evaluation.state} {actions}")
    return told


class TestWatch:
    def test_a_long_period_slides_by_a_minute(self) -> None:
        """300 requests in one second ring for each of the windows of 5 minutes they are in."""
        store = SampleStore()
        for second in range(900):
            store.add("requests", second, 300 if second == 130 else 0)
        alarm = replace(ALARM, statistic="Sum", period_s=300, evaluation_periods=1)
        ringing = [told.split()[0] for told in watch(alarm, store, 899) if "ALARM" in told]
        assert ringing == ["180", "240", "300", "360", "420"]

    def test_the_window_ends_with_a_whole_minute(self) -> None:
        store = SampleStore()
        store.add("requests", 65, 300)
        watched = AlarmWatch(replace(ALARM, evaluation_periods=1))
        states = [told and told.state for told in (watched.step(t, store) for t in (119, 121))]
        assert states == ["INSUFFICIENT_DATA", "ALARM"]

    def test_high_resolution_is_evaluated_every_ten_seconds(self) -> None:
        store = SampleStore()
        store.add("requests", 11, 300)
        alarm = replace(ALARM, period_s=10, evaluation_periods=1)
        told = watch(alarm, store, 30)
        assert told == [
            "0 INSUFFICIENT_DATA -",
            "10 INSUFFICIENT_DATA -",
            "20 ALARM -",
            "30 ALARM -",
        ]

    def test_policies_are_repeated_each_minute_and_topics_are_not(self) -> None:
        """ "Alarm actions"."""
        store = SampleStore()
        for minute in range(5):
            store.add("requests", minute * 60, 300 if minute < 3 else 0)
        sns = "arn:aws:sns:eu-west-1:1:pager"
        policy = "arn:aws:autoscaling:eu-west-1:1:scalingPolicy:9:autoScalingGroupName/a"
        alarm = replace(
            ALARM,
            evaluation_periods=1,
            actions=("out", "topic", sns, policy),
            ok_actions=("topic",),
        )
        assert watch(alarm, store, 300) == [
            "0 INSUFFICIENT_DATA -",
            f"60 ALARM out,topic,{sns},{policy}",
            f"120 ALARM out,{policy}",
            f"180 ALARM out,{policy}",
            "240 OK topic",
            "300 OK -",
        ]

    @pytest.mark.parametrize("period_s", [10, 60])
    def test_a_fraction_of_a_second_delays_no_repetition(self, period_s: int) -> None:
        """62.3 - 2.3 is a little less than 60."""
        store = SampleStore()
        for second in range(300):
            store.add("requests", second, 300)
        alarm = replace(ALARM, period_s=period_s, evaluation_periods=1, actions=("out",))
        for tenth in range(1, 100):
            watched = AlarmWatch(alarm)
            times = [(600 * minute + tenth) / 10 for minute in range(1, 5)]
            evaluations = [watched.step(time_s, store) for time_s in times]
            assert [one and one.run for one in evaluations] == [("out",)] * 4

    def test_a_ten_second_alarm_repeats_its_policy_once_a_minute(self) -> None:
        store = SampleStore()
        for second in range(200):
            store.add("requests", second, 300)
        alarm = replace(ALARM, period_s=10, evaluation_periods=1, actions=("out",))
        ran = [told.split()[0] for told in watch(alarm, store, 199) if told.endswith("out")]
        assert ran == ["10", "70", "130", "190"]

    def test_no_data_has_actions_of_its_own_once_data_has_stopped(self) -> None:
        store = SampleStore()
        store.add("requests", 1, 0)
        alarm = replace(ALARM, evaluation_periods=1, no_data_actions=("in",))
        assert watch(alarm, store, 360) == [
            "0 INSUFFICIENT_DATA -",
            "60 OK -",
            "120 OK -",
            "180 OK -",
            "240 INSUFFICIENT_DATA in",
            "300 INSUFFICIENT_DATA in",
            "360 INSUFFICIENT_DATA in",
        ]

    @pytest.mark.parametrize(
        ("low_samples", "states"),
        [("evaluate", ["ALARM", "ALARM"]), ("ignore", ["INSUFFICIENT_DATA", "ALARM"])],
    )
    def test_a_percentile_of_few_samples(
        self, low_samples: Literal["evaluate", "ignore"], states: list[State]
    ) -> None:
        """ "Percentile-based alarms and low data samples": p99 takes 1,000."""
        alarm = replace(
            ALARM,
            metric="response_time",
            statistic="p99",
            threshold=0.5,
            evaluation_periods=1,
            low_samples=low_samples,
        )
        seen = []
        for count in (999, 1000):
            store = SampleStore()
            store.add("response_time", 30, 2.0, count)
            watched = AlarmWatch(alarm)
            watched.step(60, store)
            seen.append(watched.state)
        assert seen == states

    def test_the_breach_is_measured_on_the_points_that_decided(self) -> None:
        store = SampleStore()
        for minute, value in enumerate((900, 210, 220, 290)):
            store.add("requests", minute * 60, value)
        evaluation = AlarmWatch(ALARM).step(240, store)
        assert evaluation is not None
        assert evaluation.changed
        assert evaluation.difference() == 40
        assert evaluation.difference("Minimum") == 10
        assert evaluation.difference("Maximum") == 90

    def test_a_breach_of_missing_data_is_the_least(self) -> None:
        alarm = replace(ALARM, comparison="<", missing_data="breaching")
        evaluation = AlarmWatch(alarm).step(0, SampleStore())
        assert evaluation is not None
        assert evaluation.state == "ALARM"
        assert evaluation.value() is None
        assert evaluation.difference() == 0
