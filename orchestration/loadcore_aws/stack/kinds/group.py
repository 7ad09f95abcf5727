"""The Auto Scaling group.

Source: Amazon EC2 Auto Scaling API Reference (version 2011-01-01), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.limits import left_to_schedules
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.kinds.readiness import check_set_up, comes, healthy_of, last_failure, serves
from loadcore_aws.stack.kinds.refresh import (
    GIVES_UP_S,
    SERVICE,
    UNDER_WAY,
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
BOOT_S = 600.0
"""for all that comes before an instance's grace or warm-up begins"""
DEPRECATED = "RemoveFromLoadBalancerLowPriority"
"""told to be suspended with all others, and cannot be resumed ("Considerations for suspending
processes", Amazon EC2 Auto Scaling User Guide)"""
GOES_BACK = "AWS tries the new version for an hour, and then goes back"
OLD_RUNS_ON = f"the old version runs on; {GOES_BACK}"
OTHERS_COME = "until then AWS starts others in its place"


class AutoScalingGroup(Kind):
    """Settings: those of PLAIN; `template` (`id`, `version`), `mixed` (None, or `types`,
    `on_demand_base`, `on_demand_percent`, `on_demand_strategy`, `spot_strategy`), `subnets` and
    `target_groups` (sorted), `warmup_s` (the default instance warm-up, None for none),
    `min_healthy_percent` and `max_healthy_percent` (of the instance maintenance policy),
    `group_metrics` (sorted, published each minute), `suspended` (process → reason, of those that
    somebody or AWS itself has suspended; none), `scheduled` (of `min` and `max`, the values that
    schedules give them), `initial` (how many it begins with), `leaves_within_s` (how long an
    instance may take to go). Without `desired` it is left to what moves it from then on.

    Another template or other instance types are an instance refresh with rollback. While it is
    under way `find` tells what it brings, so an apply that was interrupted goes on waiting for it.
    """

    name = "auto_scaling_group"
    unread = frozenset({"scheduled", "initial", "leaves_within_s"})
    gone_within_s = 900.0

    def __init__(self) -> None:
        self._watch = Watch()

    def begun(self, want: Settings) -> Kind:
        return AutoScalingGroup()

    def find(self, account: Account, owner: Owner) -> list[Found]:
        groups = groups_of(account, owner)
        self._watch.look(i["InstanceId"] for _, group in groups for i in group["Instances"])
        return all_found(groups, lambda each: self._found(account, *each))

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
            "suspended": _suspended(group),
        }
        serving = [i["InstanceId"] for i in group["Instances"] if serves(i)]
        version = settings["template"]["version"]
        coming = [i["InstanceId"] for i in group["Instances"] if comes(i, version)]
        attributes = {
            "arn": group["AutoScalingGroupARN"],
            "in_service": ",".join(serving),
            "coming": ",".join(coming),
        }
        if refresh is not None and refresh.active:
            attributes.update(
                refresh=refresh.id, status=refresh.status, progress=refresh.progress()
            )
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
        """The refresh is last: what it goes by is set by then, and no process is suspended."""
        client = account.client(SERVICE)
        if "suspended" in changed:
            client.resume_processes(
                AutoScalingGroupName=found.id, ScalingProcesses=sorted(found.settings["suspended"])
            )
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

    def ready_within(self, want: Settings, found: Found) -> float:
        """A refresh stands at its percentage while instances come, warm up and go, and for an hour
        more where new ones do not get healthy, before AWS goes back."""
        settles_s = BOOT_S + float(max(want["health_check_grace_s"], want["warmup_s"] or 0))
        if "refresh" not in found.attributes:
            return settles_s
        return GIVES_UP_S + settles_s + float(want["leaves_within_s"])

    def pending(self, account: Account, found: Found) -> str:
        """A refresh under way; then that all instances serve and the balancer agrees."""
        serving, coming = _ids(found, "in_service"), _ids(found, "coming")
        healthy, complaint = healthy_of(account, found.settings["target_groups"], serving)
        if "refresh" in found.attributes:
            self._watch.see(found.attributes["refresh"])
            said = ""
            if found.attributes["status"] in UNDER_WAY:
                goes_on = OLD_RUNS_ON if healthy - coming else GOES_BACK
                said = self._check_set_up(account, found, coming - healthy, goes_on)
            return _joined(found.attributes["progress"], self._watch.note, said)
        desired = found.settings["desired"]
        if len(healthy) >= desired:
            return ""
        said = self._check_set_up(account, found, coming - healthy, OTHERS_COME)
        if len(serving) < desired:
            failure = last_failure(account, found.id)
            return _joined(f"{len(serving)} of {desired} in service", failure, said)
        return _joined(f"{len(healthy)} of {desired} healthy", complaint, said)

    def _check_set_up(
        self, account: Account, found: Found, instances: set[str], goes_on: str
    ) -> str:
        return check_set_up(account, found.address, instances, self._watch.before, goes_on)


def groups_of(account: Account, owner: Owner) -> list[tuple[str, dict[str, Any]]]:
    """The stack's groups: the Resource's name, and the group as AWS describes it."""
    groups = account.pages(
        SERVICE, "describe_auto_scaling_groups", "AutoScalingGroups",
        Filters=[{"Name": f"tag:{STACK}", "Values": [owner.stack]}],
    )  # fmt: skip
    named = [(name_in(tag_dict(each["Tags"]), owner, AutoScalingGroup.name), each)
             for each in groups]  # fmt: skip
    return [(name, group) for name, group in named if name is not None]


def _joined(state: str, *explanations: str) -> str:
    return "; ".join(filter(None, (state, *explanations)))


def _ids(found: Found, attribute: str) -> set[str]:
    return set(filter(None, found.attributes[attribute].split(",")))


def _suspended(group: Mapping[str, Any]) -> dict[str, str]:
    """Process → reason."""
    return {
        each["ProcessName"]: each.get("SuspensionReason") or "suspended"
        for each in group.get("SuspendedProcesses") or ()
        if each["ProcessName"] != DEPRECATED
    }


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
