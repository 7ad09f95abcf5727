"""What a scaling setup consists of, as frozen values: the group's limits, policies, alarms and
scheduled actions. STACK.toml deploys them, POLICY.toml simulates them; both are read into these.

Times are in seconds. A name is what the file calls a thing; what it is called in the account is
decided in loadcore_aws.stack.names. `faults()` yields what cannot be, all at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws._faults import Fault, no_name
from loadcore_aws.autoscaling.schedules import no_cron, no_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

Statistic: TypeAlias = str
"""`Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`; of an Alarm
also empty."""

MissingData: TypeAlias = Literal["missing", "ignore", "breaching", "notBreaching"]
Comparison: TypeAlias = Literal[">=", ">", "<=", "<"]
Adjustment: TypeAlias = Literal["change", "exact", "percent"]

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


@dataclass(frozen=True)
class Simple:
    """One adjustment when its alarm breaches, then none before the activity and the cooldown are
    over. `cooldown_s` None: the group's."""

    name: str
    adjust: int
    by: Adjustment = "change"
    cooldown_s: int | None = None
    min_magnitude: int = 0
    kind: Literal["simple"] = "simple"

    def faults(self) -> Iterator[Fault]:
        yield from no_name(self.name)
        yield from _adjustment_faults(self.by, self.adjust, self.min_magnitude, ("adjust",))
        if self.cooldown_s is not None and self.cooldown_s < 0:
            yield Fault(("cooldown_s",), "must be 0 or more")


@dataclass(frozen=True)
class Step:
    """What to do while metric minus threshold lies within the bounds; None is unbounded."""

    adjust: int
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class StepPolicy:
    """Answers every breach at once, by how far the metric is past the threshold. `warmup_s` None:
    the group's."""

    name: str
    steps: tuple[Step, ...]
    by: Adjustment = "change"
    min_magnitude: int = 0
    warmup_s: int | None = None
    statistic: Literal["Average", "Minimum", "Maximum"] = "Average"
    kind: Literal["step"] = "step"

    def faults(self) -> Iterator[Fault]:
        yield from no_name(self.name)
        for index, step in enumerate(self.steps):
            yield from _adjustment_faults(
                self.by, step.adjust, self.min_magnitude, ("steps", index, "adjust")
            )
        yield from _step_faults(self.steps)
        if self.warmup_s is not None and self.warmup_s < 0:
            yield Fault(("warmup_s",), "must be 0 or more")


@dataclass(frozen=True)
class TargetTracking:
    """Keeps a metric near `target`: `cpu` in percent, `requests_per_target` a minute."""

    name: str
    target: float
    metric: Literal["cpu", "requests_per_target"] | Metric = "cpu"
    statistic: Statistic = "Average"
    scale_in: bool = True
    warmup_s: int | None = None
    kind: Literal["target"] = "target"

    def faults(self) -> Iterator[Fault]:
        yield from no_name(self.name)
        if self.target <= 0:
            yield Fault(("target",), "must be above 0")
        if self.statistic not in STATISTICS:
            known = ", ".join(STATISTICS)
            yield Fault(("statistic",), f"is {self.statistic!r}; a tracked metric takes {known}")
        if self.metric == "cpu" and self.target > 100:
            yield Fault(("target",), "is a CPU share above 100 %, which is never reached")


Policy: TypeAlias = Simple | StepPolicy | TargetTracking


INSTANCES_MAX = 10_000
"""AWS sets no such limit; it is far beyond what a quota gives, and what the simulator can hold"""


@dataclass(frozen=True)
class Schedule:
    """Sets limits or capacity at a time: once at `at` (ISO 8601 with a zone), or whenever `cron`
    (five fields, as Auto Scaling takes them) says so in `time_zone`."""

    name: str
    cron: str = ""
    at: str = ""
    time_zone: str = ""
    min: int | None = None
    max: int | None = None
    desired: int | None = None

    @property
    def moment(self) -> datetime | None:
        """`at` in UTC; None where it is empty, or no time with a zone."""
        try:
            moment = datetime.fromisoformat(self.at.replace("Z", "+00:00"))
        except ValueError:
            return None
        return None if moment.tzinfo is None else moment.astimezone(timezone.utc)

    def is_over(self, now: datetime | None) -> bool:
        """Whether it happens once and has: Auto Scaling forgets it then, and refuses one in the
        past. Not where no time is known."""
        return self.moment is not None and now is not None and self.moment <= now

    def faults(self) -> Iterator[Fault]:
        yield from no_name(self.name)
        if bool(self.cron) == bool(self.at):
            yield Fault(("cron",), "give either cron or at")
        elif self.at and self.moment is None:
            yield Fault(("at",), f"is {self.at!r}, which is no time with a zone; give one such as "
                                 "2026-01-05T08:00:00Z")  # fmt: skip
        if self.cron and (sentence := no_cron(self.cron)):
            yield Fault(("cron",), sentence)
        if sentence := no_zone(self.time_zone):
            yield Fault(("time_zone",), sentence)
        if self.min is None and self.max is None and self.desired is None:
            yield Fault(("desired",), "give at least one of min, max and desired")
        for key in ("min", "max", "desired"):
            if not 0 <= (getattr(self, key) or 0) <= INSTANCES_MAX:
                yield Fault((key,), f"must be from 0 to {INSTANCES_MAX}")
        if self.min is not None and self.max is not None and self.max < self.min:
            yield Fault(("max",), f"is {self.max}, below min, {self.min}")
        elif self.desired is not None and (
            (self.min is not None and self.desired < self.min)
            or (self.max is not None and self.desired > self.max)
        ):
            yield Fault(("desired",), "must be from min to max")


@dataclass(frozen=True)
class Group:
    """The Auto Scaling group's own settings. `desired` None: min. It is what the group begins with
    where a policy, a schedule or a controller moves it from then on, and else what holds."""

    min: int = 1
    max: int = 1
    desired: int | None = None
    cooldown_s: int = 300
    warmup_s: int | None = None
    """default instance warm-up; None: none is set, and health_check_grace_s does not stand in"""
    health_check_grace_s: int = 300
    """from InService on, before anything has booted; 300 is the console's ("Set the health check
    grace period for an Auto Scaling group")"""
    drain_s: int = 60
    """lifecycle hook at termination: how long an instance may take to drain; 0: no hook"""
    min_healthy_percent: int = 90
    max_healthy_percent: int = 120

    def faults(self) -> Iterator[Fault]:
        if self.min < 0:
            yield Fault(("min",), "must be 0 or more")
        if self.max < self.min:
            yield Fault(("max",), f"is {self.max}, below min, {self.min}")
        elif self.max > INSTANCES_MAX:
            yield Fault(("max",), f"is {self.max}; give {INSTANCES_MAX} at most")
        elif self.desired is not None and not self.min <= self.desired <= self.max:
            yield Fault(("desired",), f"must be from min to max, {self.min} to {self.max}")
        for key in ("cooldown_s", "health_check_grace_s"):
            if getattr(self, key) < 0:
                yield Fault((key,), "must be 0 or more")
        if self.warmup_s is not None and self.warmup_s < 0:
            yield Fault(("warmup_s",), "must be 0 or more")
        if self.drain_s != 0 and not 30 <= self.drain_s <= 7200:
            yield Fault(("drain_s",), "must be 0 (no hook) or from 30 to 7200")
        low, high = self.min_healthy_percent, self.max_healthy_percent
        if not 0 <= low <= 100:
            yield Fault(("min_healthy_percent",), "must be from 0 to 100")
        elif not max(100, low) <= high <= min(200, low + 100):
            yield Fault(
                ("max_healthy_percent",),
                "must be from 100 to 200 and at most 100 above min_healthy_percent",
            )


@dataclass(frozen=True)
class Scaling:
    """All that decides how many instances there are."""

    group: Group = Group()
    policy: tuple[Policy, ...] = ()
    alarm: tuple[Alarm, ...] = ()
    schedule: tuple[Schedule, ...] = ()

    def combined_faults(self) -> Iterator[Fault]:
        """What does not fit together; each part's own faults are its own."""
        for key in ("policy", "alarm", "schedule"):
            yield from _doubles(key, [part.name for part in getattr(self, key)])
        callable_policies = {p.name for p in self.policy if not isinstance(p, TargetTracking)}
        used = set()
        for index, alarm in enumerate(self.alarm):
            for key in ("actions", "ok_actions", "no_data_actions"):
                for action in getattr(alarm, key):
                    used.add(action)
                    if action in callable_policies or action == "topic":
                        continue
                    if not action.startswith("arn:"):
                        yield Fault(
                            ("alarm", index, key),
                            f"names {action!r}, which is no simple or step policy of this file, "
                            "not topic and no ARN",
                        )
        for index, policy in enumerate(self.policy):
            if policy.name in callable_policies - used:
                yield Fault(("policy", index, "name"), f"{policy.name!r} is no alarm's action: "
                            "name it in one, or leave the policy out")  # fmt: skip
        yield from self._schedule_faults()

    def _schedule_faults(self) -> Iterator[Fault]:
        """Of actions that can never take effect, whatever limits the group and its schedules have
        set by then: min is at most max, and desired between them ("UpdateAutoScalingGroup", Amazon
        EC2 Auto Scaling API Reference)."""
        least = [each.min for each in self.schedule if each.min is not None]
        most = [each.max for each in self.schedule if each.max is not None]
        lowest, highest = min([self.group.min, *least]), max([self.group.max, *most])
        said = "of [group] and of every schedule"
        for index, each in enumerate(self.schedule):
            for key in ("min", "max", "desired"):
                value, where = getattr(each, key), ("schedule", index, key)
                if value is None:
                    continue
                if key != "max" and each.max is None and value > highest:
                    sentence = f"is {value}, above max {said}, {highest}: AWS would refuse it"
                    yield Fault(where, f"{sentence}; give the schedule a max, too")
                if key != "min" and each.min is None and value < lowest:
                    sentence = f"is {value}, below min {said}, {lowest}: AWS would refuse it"
                    yield Fault(where, f"{sentence}; give the schedule a min, too")


def percentile_of(statistic: Statistic) -> float | None:
    """99.9 of "p99.9"; None of a statistic that is no percentile."""
    match = re.fullmatch(r"p(100|\d{1,2}(\.\d{1,10})?)", statistic)
    return float(match[1]) if match else None


def _doubles(key: str, names: list[str]) -> Iterator[Fault]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault((key, index, "name"), f"{name!r} is there twice; names must differ")


def _adjustment_faults(
    by: Adjustment, adjust: int, min_magnitude: int, where: tuple[str | int, ...]
) -> Iterator[Fault]:
    if by == "exact" and adjust < 0:
        yield Fault(where, "must be 0 or more where by is exact")
    if min_magnitude and by != "percent":
        yield Fault(("min_magnitude",), "applies only where by is percent")
    if min_magnitude < 0:
        yield Fault(("min_magnitude",), "must be 0 or more")


def _step_faults(steps: tuple[Step, ...]) -> Iterator[Fault]:
    """As "Step adjustments for step scaling" demands: no gap, no overlap, no step open at both
    ends; below a negative lower bound and above a positive upper one the last step is open."""
    if not steps:
        yield Fault(("steps",), "is empty; give at least one")
        return
    low, high = float("-inf"), float("inf")
    spans = sorted(
        (low if s.lower is None else s.lower, high if s.upper is None else s.upper) for s in steps
    )
    for lower, upper in spans:
        if not lower < upper:
            yield Fault(("steps",), f"have one from {lower:g} to {upper:g}, which is empty")
        elif lower == low and upper == high:
            yield Fault(("steps",), "have one without bounds; give it a lower or an upper one")
    first, last = spans[0], spans[-1]
    if low < first[0] < min(0, first[1]):
        yield Fault(("steps",), f"begin at {first[0]:g}; leave out the lowest one's lower bound")
    if max(0, last[0]) < last[1] < high:
        yield Fault(("steps",), f"end at {last[1]:g}; leave out the highest one's upper bound")
    for (_, upper), (lower, _) in pairwise(spans):
        if upper != lower:
            word = "overlap" if lower < upper else "leave a gap"
            yield Fault(("steps",), f"{word} between {upper:g} and {lower:g}")
