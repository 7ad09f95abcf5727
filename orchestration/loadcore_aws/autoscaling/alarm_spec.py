"""What a CloudWatch alarm is, and the metric it looks at, as frozen values: a part of
loadcore_aws.autoscaling.spec."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws._faults import Fault, no_name

if TYPE_CHECKING:
    from collections.abc import Iterator

Statistic: TypeAlias = str
"""`Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`; of an Alarm
also empty."""

MissingData: TypeAlias = Literal["missing", "ignore", "breaching", "notBreaching"]
Comparison: TypeAlias = Literal[">=", ">", "<=", "<"]

STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")

NAME_MAX = 255
VALUE_MAX = 1024
DIMENSIONS_MAX = 30
_SIZES = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BITS = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
_RATES = tuple(f"{unit}/Second" for unit in (*_SIZES, *_BITS, "Count"))
UNITS = (
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "None"),
    *(*_SIZES, *_BITS, *_RATES),
)
"""of a metric ("Dimension" and "MetricDatum", Amazon CloudWatch API Reference)"""

ACTIONS_MAX = 5
DESCRIPTION_MAX = 1024
"""of an alarm ("PutMetricAlarm", Amazon CloudWatch API Reference)"""

SHORTHANDS = (
    "cpu",
    "requests",
    "requests_per_target",
    "response_time",
    "healthy_hosts",
    "5xx",
)
"""Metrics of the stack itself: what `metric = "cpu"` and so on mean is in
loadcore_aws.autoscaling.metrics, with the namespace, the name and the unit of each."""


@dataclass(frozen=True)
class Metric:
    """A CloudWatch metric by its full name, where a shorthand does not do."""

    namespace: str
    name: str
    dimensions: dict[str, str] = field(default_factory=dict)
    unit: str = ""

    def faults(self) -> Iterator[Fault]:
        for key, such in (("namespace", "AWS/EC2"), ("name", "CPUUtilization")):
            if not 1 <= len(getattr(self, key)) <= NAME_MAX:
                yield Fault((key,), f"must have 1 to {NAME_MAX} characters, such as {such}")
        if self.namespace.startswith(":"):
            yield Fault(("namespace",), "begins with a colon, which CloudWatch does not take")
        if self.unit and self.unit not in UNITS:
            sentence = "which CloudWatch does not know; take the one it is published with, or none"
            yield Fault(("unit",), f"is {self.unit!r}, {sentence}")
        if len(self.dimensions) > DIMENSIONS_MAX:
            yield Fault(("dimensions",), f"are {len(self.dimensions)}; CloudWatch takes "
                                         f"{DIMENSIONS_MAX} at most")  # fmt: skip
        for key, text in self.dimensions.items():
            if not (1 <= len(key) <= NAME_MAX and 1 <= len(text) <= VALUE_MAX):
                yield Fault(("dimensions", key), f"must have 1 to {VALUE_MAX} characters, and its "
                                                 f"name 1 to {NAME_MAX}")  # fmt: skip


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm. It is in ALARM when `datapoints_to_alarm` (M) of the last
    `evaluation_periods` (N) points compare to the threshold as said; M is N where it is 0. Without
    `statistic` it is the one that makes sense of the metric
    (loadcore_aws.autoscaling.metrics.statistic_of).

    `actions`, `ok_actions` and `no_data_actions` name policies of the same file, or `topic` for the
    stack's SNS topic, or ARNs.
    """

    name: str
    metric: str | Metric
    threshold: float
    comparison: Comparison = ">="
    statistic: Statistic = ""
    period_s: int = 60
    evaluation_periods: int = 1
    datapoints_to_alarm: int = 0
    missing_data: MissingData = "missing"
    low_samples: Literal["evaluate", "ignore"] = "evaluate"
    actions: tuple[str, ...] = ()
    ok_actions: tuple[str, ...] = ()
    no_data_actions: tuple[str, ...] = ()
    description: str = ""

    @property
    def m(self) -> int:
        return self.datapoints_to_alarm or self.evaluation_periods

    def faults(self) -> Iterator[Fault]:
        yield from no_name(self.name)
        if isinstance(self.metric, str) and self.metric not in SHORTHANDS:
            known = ", ".join(SHORTHANDS)
            yield Fault(("metric",), f"is {self.metric!r}; take one of {known}, or give a table "
                                     "with namespace, name and dimensions")  # fmt: skip
        if self.period_s not in (10, 20, 30) and (self.period_s < 60 or self.period_s % 60):
            yield Fault(("period_s",), f"is {self.period_s}; it is 10, 20, 30 or a multiple of 60")
        if self.evaluation_periods < 1:
            yield Fault(("evaluation_periods",), "must be 1 or more")
        elif not 0 <= self.datapoints_to_alarm <= self.evaluation_periods:
            yield Fault(
                ("datapoints_to_alarm",),
                f"must be from 1 to evaluation_periods, {self.evaluation_periods}",
            )
        # PutMetricAlarm: seven days, but one where a period is shorter than an hour.
        days = 7 if self.period_s >= 3600 else 1
        if self.evaluation_periods * self.period_s > days * 86_400:
            yield Fault(
                ("evaluation_periods",),
                f"times period_s is more than {days * 86_400} s, the most for periods "
                f"{'from an hour' if days == 7 else 'below an hour'}",
            )
        if self.statistic not in ("", *STATISTICS) and percentile_of(self.statistic) is None:
            known = ", ".join(STATISTICS)
            yield Fault(("statistic",), f"is {self.statistic!r}; take {known} or p99 and the like")
        if len(self.description) > DESCRIPTION_MAX:
            yield Fault(("description",), f"has {len(self.description)} characters; CloudWatch "
                                          f"keeps {DESCRIPTION_MAX} at most")  # fmt: skip
        for key in ("actions", "ok_actions", "no_data_actions"):
            if (count := len(set(getattr(self, key)))) > ACTIONS_MAX:
                yield Fault((key,), f"are {count}; CloudWatch takes {ACTIONS_MAX} at most: have "
                                    "a topic hand on the rest")  # fmt: skip


def percentile_of(statistic: Statistic) -> float | None:
    """99.9 of "p99.9"; None of a statistic that is no percentile."""
    match = re.fullmatch(r"p(100|\d{1,2}(\.\d{1,10})?)", statistic)
    return float(match[1]) if match else None
