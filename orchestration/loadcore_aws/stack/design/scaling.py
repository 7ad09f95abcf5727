"""What makes the group larger and smaller: policies, alarms, scheduled actions.

Containers have policies and schedules of their own kind; their alarms are these too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.autoscaling.metrics import NAMED, statistic_of
from loadcore_aws.autoscaling.spec import Metric, Simple, StepPolicy, percentile_of
from loadcore_aws.stack.design.group import GROUP
from loadcore_aws.stack.kinds.scaling import ADJUSTMENTS
from loadcore_aws.stack.names import format_time
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.spec import (
        Alarm,
        Policy,
        Schedule,
        Statistic,
        Step,
        TargetTracking,
    )
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

BALANCER = Ref("load_balancer.main", "full_name")
TARGET_GROUP = Ref("target_group.main", "full_name")
TOPIC = Ref("topic.main")
DIMENSIONS = {
    "AutoScalingGroupName": GROUP,
    "LoadBalancer": BALANCER,
    "TargetGroup": TARGET_GROUP,
    "ClusterName": Ref("cluster.main"),
    "ServiceName": Ref("container_service.main", "name"),
}
"""What identifies the stack's own metrics."""

COMPARISONS = {
    ">=": "GreaterThanOrEqualToThreshold",
    ">": "GreaterThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
    "<": "LessThanThreshold",
}
CONTAINER_CPU = ("AWS/ECS", "CPUUtilization")


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    made = [Resource("alarm", alarm.name, _alarm(stack, alarm)) for alarm in stack.alarm]
    if stack.containers is not None:
        return made
    made += [_policy(stack, policy) for policy in stack.policy]
    made += [_scheduled(each) for each in stack.schedule if not each.is_over(facts.now)]
    return made


def _policy(stack: Stack, policy: Policy) -> Resource:
    common = {"group": GROUP, "enabled": True}
    if isinstance(policy, Simple):
        settings = _simple(stack, policy)
    elif isinstance(policy, StepPolicy):
        settings = _step(policy)
    else:
        settings = _tracking(policy)
    return Resource("scaling_policy", policy.name, {**common, **settings})


def _simple(stack: Stack, policy: Simple) -> dict[str, Any]:
    """With the cooldown written out, so that it shows in the account which one holds."""
    own = policy.cooldown_s
    return {
        "type": "SimpleScaling",
        "adjustment": ADJUSTMENTS[policy.by],
        "adjust": policy.adjust,
        "cooldown_s": stack.group.cooldown_s if own is None else own,
        "min_magnitude": policy.min_magnitude or None,
    }


def _step(policy: StepPolicy) -> dict[str, Any]:
    return {
        "type": "StepScaling",
        "adjustment": ADJUSTMENTS[policy.by],
        "min_magnitude": policy.min_magnitude or None,
        "warmup_s": policy.warmup_s,
        "statistic": policy.statistic,
        "steps": steps_of(policy),
    }


def steps_of(policy: StepPolicy) -> list[dict[str, Any]]:
    """From the lowest."""
    return [
        {"lower": step.lower, "upper": step.upper, "adjust": step.adjust}
        for step in sorted(policy.steps, key=_lowest)
    ]


def _lowest(step: Step) -> float:
    return float("-inf") if step.lower is None else step.lower


def _tracking(policy: TargetTracking) -> dict[str, Any]:
    return {
        "type": "TargetTrackingScaling",
        "target": policy.target,
        "scale_in": policy.scale_in,
        "warmup_s": policy.warmup_s,
        "metric": _tracked(policy),
    }


def _tracked(policy: TargetTracking) -> dict[str, Any]:
    metric = policy.metric
    if isinstance(metric, Metric):
        return custom_metric(metric, policy.statistic)
    if metric == "cpu":
        return {"predefined": "ASGAverageCPUUtilization"}
    return {
        "predefined": "ALBRequestCountPerTarget",
        "balancer": BALANCER,
        "target_group": TARGET_GROUP,
    }


def custom_metric(metric: Metric, statistic: Statistic) -> dict[str, Any]:
    """One that target tracking follows by its full name."""
    return {
        "namespace": metric.namespace,
        "name": metric.name,
        "dimensions": dict(metric.dimensions),
        "unit": metric.unit,
        "statistic": statistic,
    }


def _scheduled(schedule: Schedule) -> Resource:
    moment = schedule.moment
    settings = {
        "group": GROUP,
        "cron": schedule.cron,
        "at": "" if moment is None else format_time(moment),
        "time_zone": schedule.time_zone if schedule.cron else "",
        "min": schedule.min,
        "max": schedule.max,
        "desired": schedule.desired,
    }
    return Resource("scheduled_action", schedule.name, settings)


def _alarm(stack: Stack, alarm: Alarm) -> dict[str, Any]:
    statistic = statistic_of(alarm)
    percentile = percentile_of(statistic) is not None
    return {
        **_metric(stack, alarm.metric),
        "period_s": alarm.period_s,
        "evaluation_periods": alarm.evaluation_periods,
        "datapoints_to_alarm": alarm.m,
        "threshold": alarm.threshold,
        "comparison": COMPARISONS[alarm.comparison],
        "missing_data": alarm.missing_data,
        "enabled": True,
        "description": alarm.description,
        "statistic": "" if percentile else statistic,
        "percentile": statistic if percentile else "",
        "low_samples": alarm.low_samples if percentile else "",
        "actions": _actions(stack, alarm.actions),
        "ok_actions": _actions(stack, alarm.ok_actions),
        "no_data_actions": _actions(stack, alarm.no_data_actions),
    }


def _metric(stack: Stack, metric: str | Metric) -> dict[str, Any]:
    """No unit unless the file gives one: with one that nobody publishes an alarm sees no data
    (PutMetricAlarm advises to omit it)."""
    if isinstance(metric, Metric):
        return {
            "namespace": metric.namespace,
            "metric": metric.name,
            "dimensions": dict(metric.dimensions),
            "unit": metric.unit,
        }
    named = NAMED[metric]
    namespace, name, keys = named.namespace, named.name, named.dimensions
    if metric == "cpu" and stack.containers is not None:
        namespace, name = CONTAINER_CPU
        keys = ("ClusterName", "ServiceName")
    return {
        "namespace": namespace,
        "metric": name,
        "dimensions": {key: DIMENSIONS[key] for key in keys},
        "unit": "",
    }


def _actions(stack: Stack, actions: tuple[str, ...]) -> list[str | Ref]:
    """Each once; ARNs of the file before those that are yet to be known, which sorts them all."""
    kind = "scaling_policy" if stack.containers is None else "container_policy"
    given = sorted({action for action in actions if action.startswith("arn:")})
    names = sorted(set(actions) - set(given))
    refs = [TOPIC if name == "topic" else Ref(f"{kind}.{name}") for name in names]
    return [*given, *refs]
