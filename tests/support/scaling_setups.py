"""A sound scaling setup that the lint's tests spoil, and what they ask of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loadcore_aws.autoscaling import (
    Alarm,
    Group,
    Scaling,
    ServiceModel,
    Simple,
    constant,
    lint,
    simulate,
)

SERVICE = ServiceModel(capacity_rps=100, base_ms=10)
OUT, IN = Simple("out", 1), Simple("in", -1)
BUSY = Alarm("busy", "cpu", 70, missing_data="notBreaching", actions=("out",))
QUIET = Alarm("quiet", "cpu", 20, "<=", missing_data="breaching", actions=("in",))
SOUND = Scaling(Group(min=2, max=10), (OUT, IN), (BUSY, QUIET))
REQUESTS = replace(QUIET, metric="requests", statistic="Sum", threshold=1200)


def codes(scaling: Scaling, service: ServiceModel | None = SERVICE, **more: Any) -> list[str]:
    return [finding.code for finding in lint(scaling, service, **more)]


def with_alarms(*alarms: Alarm) -> Scaling:
    return replace(SOUND, alarm=alarms)


def with_group(**changes: Any) -> Scaling:
    return replace(SOUND, group=replace(SOUND.group, **changes))


def stays(scaling: Scaling, service: ServiceModel = SERVICE) -> bool:
    """Whether it keeps all instances of max through an hour without load."""
    group = replace(scaling.group, desired=scaling.group.max)
    trace = constant(100, 300).then_idle(3600)
    desired = simulate(replace(scaling, group=group), service, trace, step_s=5).columns["desired"]
    return set(desired) == {group.max}
