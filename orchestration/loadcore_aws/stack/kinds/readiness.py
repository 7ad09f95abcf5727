"""Whether the instances of a group serve, and what keeps those back that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws.stack.kinds import console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadcore_aws.stack.account import Account

CONSOLES_MAX = 3
"""looked at each time, as all instances are set up alike"""


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


def check_set_up(account: Account, address: str, instances: Iterable[str], goes_on: str) -> None:
    """Raises loadcore.RunError where one of these could not be set up; `goes_on` is what AWS makes
    of that."""
    for instance in sorted(instances)[:CONSOLES_MAX]:
        if why := console.failure_of(account, instance):
            raise lc.RunError(
                f"{address}: the instance {instance} could not be set up: {why}; mend that and "
                f"apply again ({goes_on})"
            )
