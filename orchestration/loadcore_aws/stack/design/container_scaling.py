"""How many tasks a container service has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.autoscaling.spec import Metric, StepPolicy, TargetTracking
from loadcore_aws.stack.design.group import scheduled
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.spec import Policy, Schedule, Step
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SERVICE = Ref("container_service.main", "resource")


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    limits = {
        "resource": SERVICE,
        "min": stack.group.min,
        "max": stack.group.max,
        "scheduled": scheduled(stack, facts),
    }
    made = [Resource("scalable_target", "main", limits)]
    made += [
        Resource("container_policy", policy.name, _policy(stack, policy), ("scalable_target.main",))
        for policy in stack.policy
    ]
    made += [
        Resource("container_schedule", each.name, _schedule(each), ("scalable_target.main",))
        for each in stack.schedule
        if each.moment is None or facts.now is None or each.moment > facts.now
    ]
    return made


def _policy(stack: Stack, policy: Policy) -> dict[str, Any]:
    """ECS has cooldowns where groups have warm-ups: as long as a new task does not count yet, or as
    the group's cooldown where nothing is said."""
    if isinstance(policy, StepPolicy):
        return {"resource": SERVICE, "type": "step", **_step(stack, policy)}
    if isinstance(policy, TargetTracking):
        return {"resource": SERVICE, "type": "target", **_target(stack, policy)}
    raise lc.PlanError(f"policy {policy.name}", "is simple, which ECS does not have; take step or "
                                                "target")  # fmt: skip


def _step(stack: Stack, policy: StepPolicy) -> dict[str, Any]:
    return {
        "by": policy.by,
        "steps": [
            {"lower": step.lower, "upper": step.upper, "adjust": step.adjust}
            for step in sorted(policy.steps, key=_lowest)
        ],
        "min_magnitude": policy.min_magnitude,
        "cooldown_s": stack.group.cooldown_s if policy.warmup_s is None else policy.warmup_s,
        "statistic": policy.statistic,
    }


def _lowest(step: Step) -> float:
    return float("-inf") if step.lower is None else step.lower


def _target(stack: Stack, policy: TargetTracking) -> dict[str, Any]:
    metric, label = policy.metric, None
    if metric == "requests_per_target":
        label = {
            "balancer": Ref("load_balancer.main", "full_name"),
            "target_group": Ref("target_group.main", "full_name"),
        }
    return {
        "metric": _custom(metric, policy.statistic) if isinstance(metric, Metric) else metric,
        "label": label,
        "target": policy.target,
        "scale_in": policy.scale_in,
        "out_cooldown_s": stack.group.cooldown_s if policy.warmup_s is None else policy.warmup_s,
        "in_cooldown_s": stack.group.cooldown_s,
    }


def _custom(metric: Metric, statistic: str) -> dict[str, Any]:
    return {
        "namespace": metric.namespace,
        "name": metric.name,
        "dimensions": dict(metric.dimensions),
        "statistic": statistic,
        "unit": metric.unit,
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    """Raises loadcore.PlanError for what Application Auto Scaling cannot say."""
    if schedule.min is None and schedule.max is None:
        raise lc.PlanError(f"schedule {schedule.name}: desired", "is not for containers, which are "
                                                     "scheduled by min and max")  # fmt: skip
    moment = schedule.moment
    return {
        "resource": SERVICE,
        "schedule": f"at({moment:%Y-%m-%dT%H:%M:%S})" if moment else _cron(schedule),
        "time_zone": (schedule.time_zone if schedule.cron else "") or "UTC",
        "min": schedule.min,
        "max": schedule.max,
    }


def _cron(schedule: Schedule) -> str:
    """The same times in six fields, where days of the week have names, and one of the two kinds of
    days must be `?` ("Schedule recurring scaling actions using cron expressions", Application
    Auto Scaling User Guide)."""
    fields = schedule.cron.split()
    if len(fields) != 5:
        raise lc.PlanError(f"schedule {schedule.name}: cron", "has not five fields; give minute, "
                                                "hour, day, month and weekday")  # fmt: skip
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise lc.PlanError(
            f"schedule {schedule.name}: cron",
            "names days of the month and of the week, which containers cannot; write two schedules",
        )
    if weekday == "*":
        return f"cron({minute} {hour} {day} {month} ? *)"
    return f"cron({minute} {hour} ? {month} {_days(schedule, weekday)} *)"


def _days(schedule: Schedule, field: str) -> str:
    """Of `1-5`, `MON,3` or `*/2`: all of them by name, from Sunday on."""
    days: set[int] = set()
    for part in field.upper().split(","):
        span, _, every = part.partition("/")
        first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
        try:
            begin, step = _day(first), int(every or "1")
            end = _day(last) if dash else 6 if every else begin
            chosen = range(begin, (end + 7 if end < begin else end) + 1, step)
        except ValueError:
            chosen = range(0)
        if not chosen:
            raise lc.PlanError(f"schedule {schedule.name}: cron", f"has {field!r} for the day of "
                                     "the week; write such as MON-FRI or 0,6")  # fmt: skip
        days.update(number % 7 for number in chosen)
    return ",".join(DAYS[number] for number in sorted(days))


def _day(text: str) -> int:
    """Raises ValueError for what is none; Sunday is 7 as well as 0."""
    number = DAYS.index(text) if text in DAYS else int(text)
    if not 0 <= number <= 7:
        raise ValueError(text)
    return number
