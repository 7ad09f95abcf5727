"""The Auto Scaling group's resources: the group, the hook at its instances' end, its messages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.design import network
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from loadcore_aws.autoscaling.spec import Schedule
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

GROUP = Ref("auto_scaling_group.main")
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
EVENTS = (
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
)
METRICS = (
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
)
"""Those of "Amazon CloudWatch metrics for Amazon EC2 Auto Scaling" that a group without weights and
warm pool has; they cost nothing."""

SOON = timedelta(hours=1)
"""What is scheduled this early may happen between a plan and the end of its apply."""


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.containers is not None:
        return []
    made = [_group(stack, facts)]
    if stack.group.drain_s:
        hook = {
            "group": GROUP,
            "transition": TERMINATING,
            "heartbeat_s": stack.group.drain_s,
            "default_result": "CONTINUE",
        }
        made.append(Resource("lifecycle_hook", "drain", hook))
    if stack.topic is not None:
        notification = {"group": GROUP, "topic": Ref("topic.main"), "events": list(EVENTS)}
        made.append(Resource("group_notification", "main", notification))
    return made


def _group(stack: Stack, facts: Facts) -> Resource:
    """After the listener: a target group without one calls no instance healthy.

    The file's `desired` holds where nothing else moves the number. Otherwise it is what the group
    begins with: an apply must not undo what the load made of it.
    """
    group = stack.group
    settings: dict[str, Any] = {
        "min": group.min,
        "max": group.max,
        "template": {
            "id": Ref("launch_template.instances"),
            "version": Ref("launch_template.instances", "version"),
        },
        "mixed": _mixed(stack),
        "subnets": network.instance_subnets(stack, facts),
        "target_groups": [Ref("target_group.main")],
        "health_check": "ELB",
        "health_check_grace_s": group.health_check_grace_s,
        "cooldown_s": group.cooldown_s,
        "warmup_s": group.warmup_s,
        "min_healthy_percent": group.min_healthy_percent,
        "max_healthy_percent": group.max_healthy_percent,
        "termination_policies": ["Default"],
        "capacity_rebalance": _has_spot(stack),
        "group_metrics": list(METRICS),
        "suspended": {},
        "leaves_within_s": stack.balancer.deregistration_delay_s + group.drain_s,
        "scheduled": scheduled(stack, facts),
        "initial": group.min if group.desired is None else group.desired,
    }
    moved = stack.policy or stack.schedule or stack.controller is not None
    if group.desired is not None and not moved:
        settings["desired"] = group.desired
    after = ("listener.main", *network.way_out(stack))
    return Resource("auto_scaling_group", "main", settings, after)


def scheduled(stack: Stack, facts: Facts) -> dict[str, list[int]]:
    """Limit → the values that schedules may have given it by the time it is looked at."""
    return {key: sorted(set(_values(stack.schedule, key, facts.now))) for key in ("min", "max")}


def _values(schedules: Iterable[Schedule], key: str, now: datetime | None) -> Iterator[int]:
    """Of what happens once, the last that is over, which AWS no longer lists but whose value may
    stand, and what happens soon: a later one's is not to hide that the file's has changed."""
    over = []
    for each in schedules:
        value, moment = getattr(each, key), each.moment
        if value is None:
            continue
        if moment is not None and each.is_over(now):
            over.append((moment, value))
        elif moment is None or now is None or moment <= now + SOON:
            yield value
    if over:
        yield max(over)[1]


def _mixed(stack: Stack) -> dict[str, Any] | None:
    mixed = stack.instances.mixed
    if mixed is None:
        return None
    return {
        "types": list(mixed.types),
        "on_demand_base": mixed.on_demand_base,
        "on_demand_percent": mixed.on_demand_percent,
        "on_demand_strategy": "prioritized",
        "spot_strategy": mixed.spot_strategy,
    }


def _has_spot(stack: Stack) -> bool:
    mixed = stack.instances.mixed
    return mixed is not None and mixed.on_demand_percent < 100
