"""The Auto Scaling group.

Source: Amazon EC2 Auto Scaling API Reference (version 2011-01-01), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.limits import left_to_schedules
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.kinds.refresh import (
    SERVICE,
    Watch,
    last_refresh,
    launch_of,
    launching,
    settled,
)
from loadcore_aws.stack.names import RESOURCE, STACK, tag_dict
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Settings

PLAIN = {
    "min": "MinSize",
    "max": "MaxSize",
    "desired": "DesiredCapacity",
    "health_check": "HealthCheckType",
    "health_check_grace_s": "HealthCheckGracePeriod",
    "cooldown_s": "DefaultCooldown",
    "termination_policies": "TerminationPolicies",
    "capacity_rebalance": "CapacityRebalance",
}
"""Settings that AWS takes and gives back as they are."""

LAUNCH = frozenset({"template", "mixed"})
NO_WARMUP = -1  # takes the default instance warm-up away


class AutoScalingGroup(Kind):
    """Settings: those of PLAIN; `template` (`id`, `version`), `mixed` (None, or `types`,
    `on_demand_base`, `on_demand_percent`, `spot_strategy`), `subnets` and `target_groups` (sorted),
    `warmup_s` (the default instance warm-up, None for none), `min_healthy_percent` and
    `max_healthy_percent` (of the instance maintenance policy), `group_metrics` (sorted, published
    each minute), `scheduled` (of `min` and `max`, the values that schedules give them), `initial`
    (how many it begins with). Without `desired` it is left to what moves it from then on.

    Another template or other instance types are an instance refresh with rollback. While it is
    under way `find` tells what it brings, so an apply that was interrupted goes on waiting for it.
    """

    name = "auto_scaling_group"
    unread = frozenset({"scheduled", "initial"})
    ready_within_s = 900.0
    gone_within_s = 900.0

    def __init__(self) -> None:
        self._watch = Watch()

    def find(self, account: Account, owner: Owner) -> list[Found]:
        return all_found(groups_of(account, owner), lambda each: self._found(account, *each))

    def _found(self, account: Account, address: str, listed: Mapping[str, Any]) -> Found:
        name = listed["AutoScalingGroupName"]
        refresh = last_refresh(account, name)
        group = settled(account, listed, refresh)
        tags = tag_dict(group.get("Tags"))
        maintenance = group.get("InstanceMaintenancePolicy") or {}
        warmup_s = group.get("DefaultInstanceWarmup", NO_WARMUP)
        settings = {
            **{key: group.get(aws) for key, aws in PLAIN.items()},
            **launch_of(group, refresh),
            "subnets": sorted(filter(None, group.get("VPCZoneIdentifier", "").split(","))),
            "target_groups": sorted(group.get("TargetGroupARNs") or ()),
            "warmup_s": None if warmup_s == NO_WARMUP else warmup_s,
            "min_healthy_percent": maintenance.get("MinHealthyPercentage"),
            "max_healthy_percent": maintenance.get("MaxHealthyPercentage"),
            "capacity_rebalance": bool(group.get("CapacityRebalance")),
            "group_metrics": sorted(each["Metric"] for each in group.get("EnabledMetrics") or ()),
        }
        serving = [i["InstanceId"] for i in group["Instances"] if _serves(i)]
        attributes = {"arn": group["AutoScalingGroupARN"], "in_service": ",".join(serving)}
        if refresh is not None and refresh.active:
            attributes.update(refresh=refresh.id, progress=refresh.progress())
        state = group.get("Status") or f"{len(serving)} of {group['DesiredCapacity']} in service"
        return Found(self.name, address, name, settings, attributes, state, tags)

    def create(self, account: Account, want: Want) -> None:
        """Its metrics can only be switched on afterwards, which is an update of its own."""
        settings = {"desired": want.settings["initial"], **want.settings}
        warmup_s = settings["warmup_s"]
        account.client(SERVICE).create_auto_scaling_group(
            AutoScalingGroupName=want.physical,
            **{aws: settings[key] for key, aws in PLAIN.items()},
            **launching(settings),
            VPCZoneIdentifier=",".join(settings["subnets"]),
            TargetGroupARNs=list(settings["target_groups"]),
            InstanceMaintenancePolicy=_maintenance(settings),
            Tags=_tags(want),
            **({} if warmup_s is None else {"DefaultInstanceWarmup": warmup_s}),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """The refresh is last: what it goes by is set by then."""
        client = account.client(SERVICE)
        if "tags" in changed:
            client.create_or_update_tags(Tags=_tags(want))
        if parameters := _updates(want.settings, changed):
            client.update_auto_scaling_group(AutoScalingGroupName=found.id, **parameters)
        if "target_groups" in changed:
            self._register(client, found, want)
        if "group_metrics" in changed:
            self._measure(client, found, want)
        if changed & LAUNCH:
            self._watch.start(
                account,
                found.id,
                launching(want.settings),
                min_healthy_percent=want.settings["min_healthy_percent"],
                max_healthy_percent=want.settings["max_healthy_percent"],
                warmup_s=want.settings["warmup_s"],
            )

    def _register(self, client: Any, found: Found, want: Want) -> None:
        """The new target group first, so that there is always one with instances in it."""
        had, wanted = set(found.settings["target_groups"]), set(want.settings["target_groups"])
        if missing := sorted(wanted - had):
            client.attach_load_balancer_target_groups(
                AutoScalingGroupName=found.id, TargetGroupARNs=missing
            )
        if surplus := sorted(had - wanted):
            client.detach_load_balancer_target_groups(
                AutoScalingGroupName=found.id, TargetGroupARNs=surplus
            )

    def _measure(self, client: Any, found: Found, want: Want) -> None:
        had, wanted = set(found.settings["group_metrics"]), set(want.settings["group_metrics"])
        if missing := sorted(wanted - had):
            client.enable_metrics_collection(
                AutoScalingGroupName=found.id, Granularity="1Minute", Metrics=missing
            )
        if surplus := sorted(had - wanted):
            client.disable_metrics_collection(AutoScalingGroupName=found.id, Metrics=surplus)

    def delete(self, account: Account, found: Found) -> None:
        """With the size at 0 nothing is launched any more; ForceDelete then terminates what runs
        without waiting for hooks, and the group stays listed until the last instance is gone."""
        if self.going(found):
            return
        client = account.client(SERVICE)
        client.update_auto_scaling_group(
            AutoScalingGroupName=found.id, MinSize=0, MaxSize=0, DesiredCapacity=0
        )
        client.delete_auto_scaling_group(AutoScalingGroupName=found.id, ForceDelete=True)

    def left_alone(self, want: Settings, have: Settings) -> frozenset[str]:
        return left_to_schedules(want, have)

    def going(self, found: Found) -> bool:
        return found.state.startswith("Delete")

    def pending(self, account: Account, found: Found) -> str:
        """A refresh under way; then that all instances serve and the balancer agrees."""
        if "refresh" in found.attributes:
            self._watch.see(account, found.attributes["refresh"])
            return found.attributes["progress"]
        serving = set(filter(None, found.attributes["in_service"].split(",")))
        desired = found.settings["desired"]
        if len(serving) < desired:
            failure = last_failure(account, found.id)
            return f"{len(serving)} of {desired} in service{failure and f'; {failure}'}"
        healthy, complaint = healthy_of(account, found.settings["target_groups"], serving)
        if len(healthy) < desired:
            return f"{len(healthy)} of {desired} healthy{complaint and f'; {complaint}'}"
        return ""


def groups_of(account: Account, owner: Owner) -> list[tuple[str, dict[str, Any]]]:
    """The stack's groups: the Resource's name, and the group as AWS describes it."""
    groups = account.pages(
        SERVICE, "describe_auto_scaling_groups", "AutoScalingGroups",
        Filters=[{"Name": f"tag:{STACK}", "Values": [owner.stack]}],
    )  # fmt: skip
    named = [(name_in(tag_dict(each["Tags"]), owner, AutoScalingGroup.name), each)
             for each in groups]  # fmt: skip
    return [(name, group) for name, group in named if name is not None]


def _serves(instance: Mapping[str, Any]) -> bool:
    return (instance["LifecycleState"], instance["HealthStatus"]) == ("InService", "Healthy")


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
    answer = account.client(SERVICE).describe_scaling_activities(
        AutoScalingGroupName=group, MaxRecords=1
    )
    for activity in answer["Activities"]:
        if activity["StatusCode"] in {"Failed", "Cancelled"}:
            return str(activity.get("StatusMessage") or activity.get("Description", ""))
    return ""


def _maintenance(settings: Mapping[str, Any]) -> dict[str, int]:
    return {
        "MinHealthyPercentage": settings["min_healthy_percent"],
        "MaxHealthyPercentage": settings["max_healthy_percent"],
    }


def _updates(settings: Mapping[str, Any], changed: frozenset[str]) -> dict[str, Any]:
    """What UpdateAutoScalingGroup sets."""
    parameters = {aws: settings[key] for key, aws in PLAIN.items() if key in changed}
    if "subnets" in changed:
        parameters["VPCZoneIdentifier"] = ",".join(settings["subnets"])
    if "warmup_s" in changed:
        warmup_s = settings["warmup_s"]
        parameters["DefaultInstanceWarmup"] = NO_WARMUP if warmup_s is None else warmup_s
    if changed & {"min_healthy_percent", "max_healthy_percent"}:
        parameters["InstanceMaintenancePolicy"] = _maintenance(settings)
    return parameters


def _tags(want: Want) -> list[dict[str, Any]]:
    """On its instances too, but for which resource it is: they are not the group."""
    return [
        {
            "Key": key,
            "Value": value,
            "ResourceId": want.physical,
            "ResourceType": "auto-scaling-group",
            "PropagateAtLaunch": key != RESOURCE,
        }
        for key, value in sorted(want.tags.items())
    ]


KINDS: tuple[Kind, ...] = (AutoScalingGroup(),)
