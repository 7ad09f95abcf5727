"""Which state a CloudWatch alarm is in and when its actions run: pure functions of the points.

Sources, all of the Amazon CloudWatch User Guide: "Alarm evaluation", "Configuring how CloudWatch
alarms treat missing data" (with "Avoiding premature transitions to alarm state"), "Percentile-based
alarms and low data samples", "Alarm actions"; and PutMetricAlarm of the API Reference.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from loadcore_aws.autoscaling.metrics import statistic_of
from loadcore_aws.autoscaling.spec import Metric, percentile_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadcore_aws.autoscaling.spec import Alarm, Comparison, MissingData, Statistic

State: TypeAlias = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

REPEAT_S = 60
"""How often Auto Scaling actions are repeated while the state lasts ("Alarm actions")."""

EXTRA_POINTS = 2

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


def breaches(alarm: Alarm, value: float) -> bool:
    """Whether one point is on the wrong side of the threshold."""
    return _COMPARE[alarm.comparison](value, alarm.threshold)


def treatment(alarm: Alarm) -> MissingData:
    """How missing points are treated. PutMetricAlarm: alarms on the AWS/DynamoDB namespace always
    ignore missing data, whatever was chosen. (The User Guide calls that their default; here, where
    none chosen and `missing` chosen cannot be told apart, the API Reference is followed.)"""
    metric = alarm.metric
    if isinstance(metric, Metric) and metric.namespace == "AWS/DynamoDB":
        return "ignore"
    return alarm.missing_data


def evaluation_range(alarm: Alarm) -> int:
    """How many of the newest points are retrieved: N + 2.

    "Configuring how CloudWatch alarms treat missing data" says that they are more than N, how many
    more depending on period and resolution, and shows 5 for N = 3; no other number is published.
    """
    return alarm.evaluation_periods + EXTRA_POINTS


def evaluation_interval_s(alarm: Alarm) -> int:
    """Seconds between evaluations. "Alarm evaluation": every minute for periods of a minute or more
    (so that a longer window slides), every 10 s for periods of 10, 20 and 30 s, every hour where
    the periods to evaluate span more than a day."""
    if alarm.evaluation_periods * alarm.period_s > 86_400:
        return 3600
    return 60 if alarm.period_s >= 60 else 10


def evaluated(points: Sequence[float | None], alarm: Alarm) -> list[float]:
    """The real points that decide, oldest first: the newest N of those in the evaluation range, or
    all of them where there are fewer ("How alarm state is evaluated when data is missing")."""
    in_range = points[-evaluation_range(alarm) :]
    return [point for point in in_range if point is not None][-alarm.evaluation_periods :]


def evaluate(points: Sequence[float | None], *, alarm: Alarm, previous: State) -> State:
    """The state that `points` lead to: one a period, oldest first, None where data is missing. More
    than the evaluation range are not looked at; where there are fewer, the older are missing.

    "How alarm state is evaluated when data is missing": with N real points in the range the newest
    N decide and the treatment does not matter; with fewer all real ones count and the treatment
    fills the gap up to N. ALARM takes M breaching ones. `missing` leads to INSUFFICIENT_DATA only
    where all are missing.

    "Avoiding premature transitions to alarm state": where all real points breach but are fewer than
    M, `missing` leads to ALARM once the oldest is at least M periods old (and to OK before), while
    `ignore` keeps the state, as the tables show. A point within the threshold anywhere in the range
    rules this out.
    """
    real = evaluated(points, alarm)
    breaching = sum(breaches(alarm, point) for point in real)
    gap = alarm.evaluation_periods - len(real)
    how = treatment(alarm)
    if how == "breaching":
        breaching += gap
    if breaching >= alarm.m:
        return "ALARM"
    if gap == 0 or how in ("breaching", "notBreaching"):
        return "OK"
    if not real:
        return previous if how == "ignore" else "INSUFFICIENT_DATA"
    if breaching < len(real):
        return "OK"
    if how == "ignore":
        return previous
    return "ALARM" if _oldest_age(points, alarm) >= alarm.m else "OK"


def _oldest_age(points: Sequence[float | None], alarm: Alarm) -> int:
    """In periods; the newest point's is 1."""
    in_range = points[-evaluation_range(alarm) :]
    return next(len(in_range) - i for i, point in enumerate(in_range) if point is not None)


def samples_needed(statistic: Statistic) -> float:
    """How many samples a percentile takes to be meaningful; 0 for other statistics.

    "Percentile-based alarms and low data samples": 10/(1-p) for p from 0.5, so 1,000 for p99, and
    10/p below.
    """
    percent = percentile_of(statistic)
    if percent is None:
        return 0
    share = percent / 100
    rarer = 1 - share if share >= 0.5 else share
    # p99 is 1,000 and not 999.9999999999991.
    return round(10 / rarer, 6) if rarer > 0 else math.inf


class Source(Protocol):
    """Where an alarm's points come from: CloudWatch, or what a simulation recorded."""

    def points(
        self,
        metric: str | Metric,
        *,
        period_s: float,
        end_s: float,
        count: int,
        statistic: Statistic,
    ) -> Sequence[float | None]:
        """The last `count` periods up to `end_s`, oldest first; None: no data."""

    def samples(self, metric: str | Metric, *, start_s: float, end_s: float) -> float:
        """How many observations there were in that time."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: `run` are the actions to carry out now, as the alarm names them."""

    alarm: Alarm
    at_s: float
    previous: State
    state: State
    points: tuple[float | None, ...]
    run: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.state != self.previous

    def value(
        self, statistic: Literal["Average", "Minimum", "Maximum"] = "Average"
    ) -> float | None:
        """The points that decided, aggregated as a step policy's MetricAggregationType says; None
        where all data is missing ("Step and simple scaling policies")."""
        real = evaluated(self.points, self.alarm)
        if not real:
            return None
        if statistic == "Average":
            return math.fsum(real) / len(real)
        return min(real) if statistic == "Minimum" else max(real)

    def difference(self, statistic: Literal["Average", "Minimum", "Maximum"] = "Average") -> float:
        """How far `value` is from the threshold; below 0 where it is under it. 0, the least breach,
        where the alarm rang on missing data alone: AWS does not say, and this takes the step next
        to the threshold."""
        value = self.value(statistic)
        return 0.0 if value is None else value - self.alarm.threshold


class AlarmWatch:
    """One alarm in time. Begins in INSUFFICIENT_DATA, as a new alarm does ("Alarm evaluation")."""

    def __init__(self, alarm: Alarm) -> None:
        self.alarm = alarm
        self.state: State = "INSUFFICIENT_DATA"
        # Numbers of intervals: times do not add up to whole minutes where they have fractions.
        self._evaluated: int | None = None
        self._run: int | None = None  # None: the state has not changed yet

    def due(self, now_s: float) -> bool:
        """Whether a new interval has begun since the last evaluation."""
        return self._evaluated is None or self._interval(now_s) > self._evaluated

    def _interval(self, now_s: float) -> int:
        return int(now_s // evaluation_interval_s(self.alarm))

    def step(self, now_s: float, source: Source) -> Evaluation | None:
        """Evaluates where it is due, over the window that ends with the last whole interval; else
        None. Times never go back.

        "Alarm actions": actions run when the state changes; those of Auto Scaling are repeated once
        a minute as long as the alarm stays in the new state.
        """
        if not self.due(now_s):
            return None
        self._evaluated = self._interval(now_s)
        end_s = self._evaluated * evaluation_interval_s(self.alarm)
        points = tuple(self._points(source, end_s))
        previous = self.state
        if self._enough_samples(source, end_s):
            self.state = evaluate(points, alarm=self.alarm, previous=previous)
        run = self._actions_to_run(self._evaluated, changed=self.state != previous)
        return Evaluation(self.alarm, now_s, previous, self.state, points, run)

    def _points(self, source: Source, end_s: float) -> Sequence[float | None]:
        alarm = self.alarm
        return source.points(
            alarm.metric,
            period_s=alarm.period_s,
            end_s=end_s,
            count=evaluation_range(alarm),
            statistic=statistic_of(alarm),
        )

    def _enough_samples(self, source: Source, end_s: float) -> bool:
        """PutMetricAlarm, EvaluateLowSampleCountPercentile: with `ignore` the state is kept while
        the evaluation periods together hold too few samples; with none at all, too, since then
        there is nothing to evaluate."""
        alarm = self.alarm
        needed = samples_needed(statistic_of(alarm))
        if not needed or alarm.low_samples == "evaluate":
            return True
        start_s = end_s - alarm.evaluation_periods * alarm.period_s
        return source.samples(alarm.metric, start_s=start_s, end_s=end_s) >= needed

    def _actions_to_run(self, interval: int, *, changed: bool) -> tuple[str, ...]:
        actions = actions_of(self.alarm, self.state)
        if changed:
            self._run = interval
            return actions
        interval_s = evaluation_interval_s(self.alarm)
        if self._run is None or (interval - self._run) * interval_s < REPEAT_S:
            return ()
        self._run = interval
        return tuple(action for action in actions if repeated(action))


def actions_of(alarm: Alarm, state: State) -> tuple[str, ...]:
    """What the alarm names for a state."""
    by_state: dict[State, tuple[str, ...]] = {
        "ALARM": alarm.actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.no_data_actions,
    }
    return by_state[state]


def repeated(action: str) -> bool:
    """Whether it is an Auto Scaling action: a policy by name or ARN; not a topic."""
    if action.startswith("arn:"):
        return action.split(":")[2] == "autoscaling"
    return action != "topic"
