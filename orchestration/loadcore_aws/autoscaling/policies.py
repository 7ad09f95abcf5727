"""What a scaling policy makes of a capacity: pure functions.

Sources, all of the Amazon EC2 Auto Scaling User Guide: "Step and simple scaling policies", "Target
tracking scaling policies", "Dynamic scaling" ("Multiple dynamic scaling policies"), "Set the
default instance warmup", "Available warm-up and cooldown settings".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadcore_aws.autoscaling.metrics import NAMED
from loadcore_aws.autoscaling.spec import Alarm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadcore_aws.autoscaling.alarms import State
    from loadcore_aws.autoscaling.spec import (
        Adjustment,
        Group,
        Policy,
        Simple,
        Step,
        StepPolicy,
        TargetTracking,
    )

HIGH_POINTS = 3
LOW_POINTS = 15
LOW_SHARE = 0.9


@dataclass(frozen=True)
class Proposal:
    """The capacity that a policy asks for, not yet held to the group's limits."""

    policy: Policy
    capacity: int


def adjusted(capacity: int, by: Adjustment, adjust: int, min_magnitude: int = 0) -> int:
    """The capacity after one adjustment, 0 at least.

    "Scaling adjustment types": a percentage's result is rounded toward zero, but to 1 or -1 where
    it lies between those and 0; `min_magnitude` is the fewest instances a percentage adds or takes.
    """
    if by == "exact":
        return adjust
    change = adjust
    if by == "percent":
        change = _whole(capacity * adjust)
        if change and abs(change) < min_magnitude:
            change = min_magnitude if change > 0 else -min_magnitude
    return max(0, capacity + change)


def _whole(hundredths: int) -> int:
    """Rounds hundredths of instances; in whole numbers, so that nothing is lost on the way."""
    magnitude = abs(hundredths) // 100 or (1 if hundredths else 0)
    return magnitude if hundredths > 0 else -magnitude


def step_for(policy: StepPolicy, difference: float) -> Step | None:
    """The step whose bounds hold `difference`, which is metric minus threshold; None: none does.

    "Step adjustments for step scaling": above the threshold the lower bound is inclusive and the
    upper exclusive, below it the reverse. At the threshold itself, where both readings hold, the
    step above it is taken if there is one.
    """
    if difference >= 0:
        for step in policy.steps:
            if _low(step) <= difference < _high(step):
                return step
    if difference <= 0:
        for step in policy.steps:
            if _low(step) < difference <= _high(step):
                return step
    return None


def _low(step: Step) -> float:
    return -math.inf if step.lower is None else step.lower


def _high(step: Step) -> float:
    return math.inf if step.upper is None else step.upper


def simple_capacity(policy: Simple, capacity: int) -> int:
    """What one run of a simple policy makes of `capacity`."""
    return adjusted(capacity, policy.by, policy.adjust, policy.min_magnitude)


def step_capacity(
    policy: StepPolicy, difference: float, *, warm: int, leaving: int, desired: int
) -> int:
    """What a step policy asks for; `desired` where it asks for nothing.

    "Instance warm-up": while scaling out, instances that still warm up are not part of the current
    capacity, `warm`, but they are of `desired`: 10 % of 10 asked for twice makes 11 once. While
    scaling in, those that are terminating, `leaving`, still are part of it, so that no more go than
    need be.
    """
    step = step_for(policy, difference)
    if step is None:
        return desired
    if policy.by == "exact":
        return step.adjust
    if step.adjust > 0:
        asked = adjusted(warm, policy.by, step.adjust, policy.min_magnitude)
        return max(desired, asked)
    asked = adjusted(desired + leaving, policy.by, step.adjust, policy.min_magnitude)
    return min(desired, asked)


def tracked_capacity(policy: TargetTracking, value: float, capacity: int) -> int:
    """The capacity at which the metric, now `value` over `capacity` instances, would be at its
    target at most.

    "Target tracking scaling policies": in proportion to the metric, and rounded so that neither too
    few are added nor too many removed: 1.5 more is 2 more, 1.5 fewer is 1 fewer.
    """
    exact = capacity * value / policy.target
    # 3 * 0.2 / 0.1 is a hair above 6 and does not ask for 7.
    return math.ceil(exact - 1e-9 * max(1.0, exact))


def tracking_alarms(policy: TargetTracking) -> tuple[Alarm, Alarm]:
    """The alarms that Auto Scaling makes for the policy: high, low.

    It keeps them to itself and may change them. What it makes today, and shows in DescribeAlarms:
    above the target for 3 points of a minute, and below 90 % of it for 15, which makes scale-in the
    slower of the two, as the page says it is. Missing data is treated as missing: a metric that
    falls silent leads to INSUFFICIENT_DATA and to no scaling.
    """
    if isinstance(policy.metric, str):
        statistic = NAMED[policy.metric].statistic
    else:
        statistic = policy.statistic
    high = Alarm(
        name=f"{policy.name}-high",
        metric=policy.metric,
        threshold=policy.target,
        comparison=">",
        statistic=statistic,
        evaluation_periods=HIGH_POINTS,
        actions=(policy.name,),
    )
    low = Alarm(
        name=f"{policy.name}-low",
        metric=policy.metric,
        threshold=policy.target * LOW_SHARE,
        comparison="<",
        statistic=statistic,
        evaluation_periods=LOW_POINTS,
        actions=(policy.name,) if policy.scale_in else (),
    )
    return high, low


@dataclass(frozen=True)
class Tracked:
    """How a target tracking policy stands: its two alarms and its metric's newest value."""

    policy: TargetTracking
    high: State
    low: State
    value: float | None


def tracking_proposals(
    tracked: Sequence[Tracked], *, warm: int, leaving: int, desired: int
) -> list[Proposal]:
    """What target tracking policies ask for together; capacities as in `step_capacity`.

    "Target tracking scaling policies": scale-out as soon as any one is ready for it; scale-in only
    when all that may scale in are, and none without data is.
    """
    out = [
        Proposal(one.policy, asked)
        for one in tracked
        if one.high == "ALARM" and one.value is not None
        if (asked := tracked_capacity(one.policy, one.value, warm)) > desired
    ]
    if out or any(one.high == "ALARM" for one in tracked):
        return out
    voters = [one for one in tracked if one.policy.scale_in]
    if not all(one.low == "ALARM" for one in voters):
        return []
    return [
        Proposal(
            one.policy, min(desired, tracked_capacity(one.policy, one.value, desired + leaving))
        )
        for one in voters
        if one.value is not None
    ]


def wins(proposals: Iterable[Proposal]) -> Proposal | None:
    """The one that gives the largest capacity, for scale-out and for scale-in ("Multiple dynamic
    scaling policies"); of equals the first; None of none."""
    return max(proposals, key=lambda proposal: proposal.capacity, default=None)


def warmup_s(policy: Policy | None, group: Group) -> int:
    """Seconds for which an instance that `policy` (None: no policy) had launched warms up.

    "Available warm-up and cooldown settings": the policy's own, else the group's default instance
    warm-up, else for step and target tracking policies the default cooldown. Other launches warm up
    only where the default instance warm-up is set.
    """
    if policy is not None and policy.kind != "simple":
        if policy.warmup_s is not None:
            return policy.warmup_s
        return group.cooldown_s if group.warmup_s is None else group.warmup_s
    return group.warmup_s or 0


def cooldown_s(policy: Policy | None, group: Group) -> int:
    """Seconds that simple policies wait after an activity: the default cooldown, or that of the
    simple policy which caused it ("Scaling cooldowns")."""
    if policy is not None and policy.kind == "simple" and policy.cooldown_s is not None:
        return policy.cooldown_s
    return group.cooldown_s
