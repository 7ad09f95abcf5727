"""What the shorthands of loadcore_aws.autoscaling.spec mean in CloudWatch, and how samples become
the per-period points that alarms look at.

Sources: "CloudWatch metrics for your Application Load Balancer" (Elastic Load Balancing),
"CloudWatch metrics that are available for your instances" (Amazon EC2), "Metrics concepts" (Amazon
CloudWatch), "Target tracking scaling policies" (Amazon EC2 Auto Scaling).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws.autoscaling.spec import Metric, percentile_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadcore_aws.autoscaling.spec import Alarm, Statistic

Idle: TypeAlias = Literal["silent", "zero", "reported"]
"""What a metric does while no request comes: nothing is reported, zeros are, or its value is."""


@dataclass(frozen=True)
class NamedMetric:
    """A metric of the stack's own: `dimensions` are the keys whose values the stack fills in,
    `statistic` is the one that makes sense of it."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]
    unit: str
    statistic: Statistic
    idle: Idle

    def of(self, values: Mapping[str, str]) -> Metric:
        """With its dimensions' values, such as {"LoadBalancer": "app/likes/50dc6c49"}; keys it does
        not have are left out. Raises KeyError for one that is not given."""
        dimensions = {key: values[key] for key in self.dimensions}
        return Metric(self.namespace, self.name, dimensions, self.unit)


NAMED: dict[str, NamedMetric] = {
    "cpu": NamedMetric(
        "AWS/EC2", "CPUUtilization", ("AutoScalingGroupName",), "Percent", "Average", "reported"
    ),
    "requests": NamedMetric(
        "AWS/ApplicationELB", "RequestCount", ("LoadBalancer",), "Count", "Sum", "silent"
    ),
    "requests_per_target": NamedMetric(
        "AWS/ApplicationELB", "RequestCountPerTarget", ("TargetGroup",), "Count", "Sum", "zero"
    ),
    "response_time": NamedMetric(
        "AWS/ApplicationELB",
        "TargetResponseTime",
        ("LoadBalancer", "TargetGroup"),
        "Seconds",
        "Average",
        "silent",
    ),
    "healthy_hosts": NamedMetric(
        "AWS/ApplicationELB",
        "HealthyHostCount",
        ("LoadBalancer", "TargetGroup"),
        "Count",
        "Minimum",
        "reported",
    ),
    "5xx": NamedMetric(
        "AWS/ApplicationELB",
        "HTTPCode_Target_5XX_Count",
        ("LoadBalancer", "TargetGroup"),
        "Count",
        "Sum",
        "silent",
    ),
}
"""By shorthand.

"CloudWatch metrics for your Application Load Balancer": a balancer reports only while requests flow
through it, so `requests`, `response_time` and `5xx` have no points without traffic. Its table calls
RequestCount "always reported"; what holds while nothing flows is the page's first rule.
"Target tracking scaling policies": ALBRequestCountPerTarget emits zeros for periods without data.
"""


def statistic_of(alarm: Alarm) -> Statistic:
    """The alarm's own; else that of its shorthand, and Average of a metric by its full name."""
    if alarm.statistic:
        return alarm.statistic
    return NAMED[alarm.metric].statistic if isinstance(alarm.metric, str) else "Average"


@dataclass(frozen=True, slots=True)
class Sample:
    """`count` observations of `value`, as PutMetricData takes them in Values and Counts."""

    time_s: float
    value: float
    count: float = 1.0


def aggregate(
    samples: Sequence[Sample], statistic: Statistic, *, period_s: float, end_s: float, count: int
) -> list[float | None]:
    """The last `count` periods up to `end_s` as one point each, oldest first; None where a period
    holds no sample. A period is [start, start + period_s).

    `samples` are in order of time. As in "Metrics concepts": Sum adds up value x count, SampleCount
    counts, Average is the one over the other. A percentile is the least value that at least so
    large a share of the observations does not exceed (CloudWatch tells of no formula of its own).
    """
    points: list[float | None] = []
    start = bisect_left(samples, end_s - count * period_s, key=_time)
    for left in range(count - 1, -1, -1):
        stop = bisect_left(samples, end_s - left * period_s, key=_time)
        points.append(_statistic_of(samples[start:stop], statistic))
        start = stop
    return points


def sample_count(samples: Sequence[Sample], *, start_s: float, end_s: float) -> float:
    """How many observations fall into [start_s, end_s); `samples` are in order of time."""
    start = bisect_left(samples, start_s, key=_time)
    stop = bisect_left(samples, end_s, key=_time)
    return sum(sample.count for sample in samples[start:stop])


class SampleStore:
    """Keeps samples of several metrics and answers as loadcore_aws.autoscaling.alarms.Source."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = {}

    def add(self, metric: str | Metric, time_s: float, value: float, count: float = 1.0) -> None:
        """Of one metric in order of time. A count of 0 adds nothing, as a metric that is silent
        does."""
        if count > 0:
            self._samples.setdefault(_key(metric), []).append(Sample(time_s, value, count))

    def points(
        self,
        metric: str | Metric,
        *,
        period_s: float,
        end_s: float,
        count: int,
        statistic: Statistic,
    ) -> list[float | None]:
        samples = self._samples.get(_key(metric), [])
        return aggregate(samples, statistic, period_s=period_s, end_s=end_s, count=count)

    def samples(self, metric: str | Metric, *, start_s: float, end_s: float) -> float:
        """The number of observations in [start_s, end_s)."""
        return sample_count(self._samples.get(_key(metric), []), start_s=start_s, end_s=end_s)


def _key(metric: str | Metric) -> str:
    if isinstance(metric, str):
        return metric
    dimensions = ",".join(f"{key}={value}" for key, value in sorted(metric.dimensions.items()))
    return f"{metric.namespace}/{metric.name}{{{dimensions}}}"


def _time(sample: Sample) -> float:
    return sample.time_s


def _statistic_of(samples: Sequence[Sample], statistic: Statistic) -> float | None:
    if not samples:
        return None
    if (percent := percentile_of(statistic)) is not None:
        return _percentile(samples, percent)
    if statistic == "Minimum":
        return min(sample.value for sample in samples)
    if statistic == "Maximum":
        return max(sample.value for sample in samples)
    count = math.fsum(sample.count for sample in samples)
    if statistic == "SampleCount":
        return count
    total = math.fsum(sample.value * sample.count for sample in samples)
    return total if statistic == "Sum" else total / count


def _percentile(samples: Sequence[Sample], percent: float) -> float:
    ordered = sorted(samples, key=lambda sample: sample.value)
    rank = percent / 100 * math.fsum(sample.count for sample in ordered)
    seen = 0.0
    for sample in ordered:
        seen += sample.count
        if seen >= rank:
            return sample.value
    return ordered[-1].value  # the sum of the counts was rounded
