"""Whether the instances of a group serve, and what keeps those back that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.kinds import console
from loadcore_aws.stack.kinds.refresh import COMING

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from loadcore_aws.stack.account import Account

CONSOLES_MAX = 3
"""looked at each time, of those before and of the others, as all are set up alike"""


def serves(instance: Mapping[str, Any]) -> bool:
    return (instance["LifecycleState"], instance["HealthStatus"]) == ("InService", "Healthy")


def comes(instance: Mapping[str, Any], version: str) -> bool:
    """Or is there, of this version of the launch template."""
    state, launched_from = instance["LifecycleState"], instance.get("LaunchTemplate") or {}
    return bool(state.startswith(COMING) and launched_from.get("Version") == version)


def healthy_of(
    account: Account, target_groups: list[str], instances: set[str]
) -> tuple[set[str], str]:
    """Those of the instances that each of the target groups calls healthy, and what the balancer
    has against another one."""
    healthy, complaint = set(instances), ""
    for arn in target_groups:
        answer = account.client("elbv2").describe_target_health(TargetGroupArn=arn)
        states = {
            each["Target"]["Id"]: each["TargetHealth"]
            for each in answer["TargetHealthDescriptions"]
        }
        good = {target for target, health in states.items() if health["State"] == "healthy"}
        for target in sorted(healthy - good):
            health = states.get(target, {"State": "not registered yet"})
            why = health.get("Description") or health.get("Reason") or health["State"]
            complaint = f"{target}: {why}"
        healthy &= good
    return healthy, complaint


def last_failure(account: Account, group: str) -> str:
    """Why the last launch failed, if the last thing that happened was such."""
    answer = account.client("autoscaling").describe_scaling_activities(
        AutoScalingGroupName=group, MaxRecords=1
    )
    for activity in answer["Activities"]:
        if activity["StatusCode"] in {"Failed", "Cancelled"}:
            return str(activity.get("StatusMessage") or activity.get("Description", ""))
    return ""


def check_set_up(
    account: Account, address: str, instances: Set[str], before: Set[str], goes_on: str
) -> str:
    """What is to be said of the set-up of these, or nothing. Of those `before` the command it only
    says what they said: they may be what it was to mend.

    Raises loadcore.RunError where another one could not be set up; `goes_on` is what AWS makes of
    that.
    """
    notes = []
    for instance in (*_some(instances - before), *_some(instances & before)):
        trouble = console.trouble_of(account, instance)
        if trouble is None:
            continue
        if not trouble.final:
            notes.append(f"{instance}: {trouble.why}")
        elif instance in before:
            notes.append(f"{instance}, from before, could not be set up: {trouble.why}")
        else:
            raise lc.RunError(
                f"{address}: the instance {instance} could not be set up: {trouble.why}; mend that "
                f"and apply again ({goes_on})"
            )
    return next(iter(notes), "")


def _some(instances: Set[str]) -> list[str]:
    return sorted(instances)[:CONSOLES_MAX]
