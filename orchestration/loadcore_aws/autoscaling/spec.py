"""What a scaling setup consists of, as frozen values: the group's limits, policies, alarms and
scheduled actions. STACK.toml deploys them, POLICY.toml simulates them; both are read into these.

Times are in seconds. A name is what the file calls a thing; what it is called in the account is
decided in loadcore_aws.stack.names. `faults()` yields what cannot be, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws._faults import Fault, no_name
from loadcore_aws.autoscaling.alarm_spec import (
    SHORTHANDS,
    STATISTICS,
    Alarm,
    Comparison,
    Metric,
    MissingData,
    Statistic,
    percentile_of,
)
from loadcore_aws.autoscaling.schedules import no_cron, no_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "INSTANCES_MAX",
    "SHORTHANDS",
    "STATISTICS",
    "Adjustment",
    "Alarm",
    "Comparison",
    "Group",
    "Metric",
    "MissingData",
    "Policy",
    "Scaling",
    "Schedule",
    "Simple",
    "Statistic",
    "Step",
    "StepPolicy",
    "TargetTracking",
    "percentile_of",
]

Adjustment: TypeAlias = Literal["change", "exact", "percent"]


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
