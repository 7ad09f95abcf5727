"""How many tasks a container service has.

The design of what the stack's check() has let pass: no simple policies, no desired capacity and no
time that six fields cannot say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.autoscaling.policies import warmup_s
from loadcore_aws.autoscaling.schedules import six_fields
from loadcore_aws.autoscaling.spec import Metric, StepPolicy, TargetTracking
from loadcore_aws.stack.design.group import scheduled
from loadcore_aws.stack.design.scaling import BALANCER, TARGET_GROUP, custom_metric, steps_of
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.spec import Policy, Schedule
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

SERVICE = Ref("container_service.main", "resource")
TARGET = "scalable_target.main"


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    limits = {
        "resource": SERVICE,
        "min": stack.group.min,
        "max": stack.group.max,
        "suspended": [],
        "scheduled": scheduled(stack, facts),
    }
    made = [Resource("scalable_target", "main", limits)]
    made += [
        Resource("container_policy", policy.name, _policy(stack, policy), (TARGET,))
        for policy in stack.policy
    ]
    made += [
        Resource("container_schedule", each.name, _schedule(each), (TARGET,))
        for each in stack.schedule
        if not each.is_over(facts.now)
    ]
    return made


def _policy(stack: Stack, policy: Policy) -> dict[str, Any]:
    if isinstance(policy, StepPolicy):
        return {"resource": SERVICE, "type": "step", **_step(stack, policy)}
    assert isinstance(policy, TargetTracking), "check() refuses simple ones"
    return {"resource": SERVICE, "type": "target", **_target(stack, policy)}


def _step(stack: Stack, policy: StepPolicy) -> dict[str, Any]:
    """ECS has cooldowns where groups have warm-ups: as long as a new task does not count yet."""
    return {
        "by": policy.by,
        "steps": steps_of(policy),
        "min_magnitude": policy.min_magnitude,
        "cooldown_s": warmup_s(policy, stack.group),
        "statistic": policy.statistic,
    }


def _target(stack: Stack, policy: TargetTracking) -> dict[str, Any]:
    metric, label = policy.metric, None
    if metric == "requests_per_target":
        label = {"balancer": BALANCER, "target_group": TARGET_GROUP}
    return {
        "metric": custom_metric(metric, policy.statistic) if isinstance(metric, Metric) else metric,
        "label": label,
        "target": policy.target,
        "scale_in": policy.scale_in,
        "out_cooldown_s": warmup_s(policy, stack.group),
        "in_cooldown_s": stack.group.cooldown_s,
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    moment = schedule.moment
    at = f"at({moment:%Y-%m-%dT%H:%M:%S})" if moment else f"cron({six_fields(schedule.cron)})"
    return {
        "resource": SERVICE,
        "schedule": at,
        "time_zone": (schedule.time_zone if schedule.cron else "") or "UTC",
        "min": schedule.min,
        "max": schedule.max,
    }
