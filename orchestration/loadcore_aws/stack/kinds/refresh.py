"""What a group launches, and instance refreshes: how it comes to launch something else, and back
again where the new instances do not get healthy.

Sources: "Use an instance refresh to update instances in an Auto Scaling group" and "Undo changes
with a rollback" (Amazon EC2 Auto Scaling User Guide); StartInstanceRefresh (API Reference): the
group has the new configuration once the refresh has succeeded, and not before. "How an instance
refresh works": where new instances do not pass their health checks it tries on for an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadcore_aws.stack.account import Account

SERVICE = "autoscaling"
GIVES_UP_S = 3600.0
"""how long it tries on where new instances do not pass their health checks"""
UNDER_WAY = {"Pending", "InProgress", "Baking"}
GOING_BACK = {"RollbackInProgress"}
ENDING = {"Cancelling"}
COMING = ("Pending", "InService")


@dataclass(frozen=True)
class Refresh:
    """The last one of a group. `launch` is what it brings, as AWS describes it: LaunchTemplate or
    MixedInstancesPolicy."""

    id: str
    status: str
    percent: int
    reason: str
    launch: Mapping[str, Any]

    @property
    def active(self) -> bool:
        return self.status in UNDER_WAY | GOING_BACK | ENDING

    @property
    def successful(self) -> bool:
        return self.status == "Successful"

    @property
    def brings(self) -> bool:
        """Whether the group is, for all that is known, to have what it brings."""
        return self.status in UNDER_WAY | GOING_BACK

    def failed_to_bring(self, launch: Mapping[str, Any]) -> bool:
        over = not (self.active or self.successful or self.status == "Cancelled")
        return over and _normal(self.launch) == _normal(launch)

    def progress(self) -> str:
        """What follows the semicolon only explains it."""
        if self.status in GOING_BACK:
            why = f"; {self.reason}" if self.reason else ""
            return f"the new instances failed, the old version is coming back{why}"
        return f"instance refresh {self.percent} %"


def last_refresh(account: Account, group: str) -> Refresh | None:
    answer = account.client(SERVICE).describe_instance_refreshes(
        AutoScalingGroupName=group, MaxRecords=1
    )
    for element in answer["InstanceRefreshes"]:
        rollback = element.get("RollbackDetails") or {}
        reason = rollback.get("RollbackReason") or element.get("StatusReason") or ""
        return Refresh(
            element["InstanceRefreshId"],
            element["Status"],
            element.get("PercentageComplete", 0),
            reason.strip().rstrip("."),
            element.get("DesiredConfiguration") or {},
        )
    return None


def settled(
    account: Account, group: Mapping[str, Any], refresh: Refresh | None
) -> Mapping[str, Any]:
    """The group as it is after the refresh, which may have ended since the group was looked at."""
    if refresh is None or not refresh.successful or _normal(refresh.launch) == _normal(group):
        return group
    answer = account.client(SERVICE).describe_auto_scaling_groups(
        AutoScalingGroupNames=[group["AutoScalingGroupName"]]
    )
    return next(iter(answer["AutoScalingGroups"]), group)


def launching(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As CreateAutoScalingGroup and a refresh's DesiredConfiguration take it."""
    template, mixed = settings["template"], settings["mixed"]
    specification = {"LaunchTemplateId": template["id"], "Version": template["version"]}
    if mixed is None:
        return {"LaunchTemplate": specification}
    return {
        "MixedInstancesPolicy": {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": specification,
                "Overrides": [{"InstanceType": each} for each in mixed["types"]],
            },
            "InstancesDistribution": {
                "OnDemandAllocationStrategy": mixed["on_demand_strategy"],
                "OnDemandBaseCapacity": mixed["on_demand_base"],
                "OnDemandPercentageAboveBaseCapacity": mixed["on_demand_percent"],
                "SpotAllocationStrategy": mixed["spot_strategy"],
            },
        }
    }


def launch_of(group: Mapping[str, Any], refresh: Refresh | None) -> dict[str, Any]:
    """`template` and `mixed` of what the group launches, or is being brought to. Where instances of
    several versions run and no refresh mends that, the version is all of them."""
    if refresh is not None and refresh.brings and refresh.launch:
        return _normal(refresh.launch)
    launch = _normal(group)
    template = launch["template"]
    versions = sorted({template["version"] or "", *_versions(group)})
    return {**launch, "template": {**template, "version": ", ".join(versions)}}


def _normal(launch: Mapping[str, Any]) -> dict[str, Any]:
    """`template` and `mixed` of a group or of what a refresh brings."""
    mixed = None
    if policy := launch.get("MixedInstancesPolicy"):
        distribution = policy.get("InstancesDistribution") or {}
        mixed = {
            "types": [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]],
            "on_demand_base": distribution.get("OnDemandBaseCapacity", 0),
            "on_demand_percent": distribution.get("OnDemandPercentageAboveBaseCapacity", 100),
            "on_demand_strategy": distribution.get("OnDemandAllocationStrategy"),
            "spot_strategy": distribution.get("SpotAllocationStrategy"),
        }
        named = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
    else:
        named = launch.get("LaunchTemplate") or {}
    template = {"id": named.get("LaunchTemplateId"), "version": named.get("Version")}
    return {"template": template, "mixed": mixed}


def _versions(group: Mapping[str, Any]) -> set[str]:
    return {
        instance["LaunchTemplate"]["Version"]
        for instance in group["Instances"]
        if instance["LifecycleState"].startswith(COMING) and "LaunchTemplate" in instance
    }


class Watch:
    """What one command saw of one group. A refresh that it started or waited for and that failed is
    told; one that failed before is no reason not to try again, and neither are instances `before`
    it."""

    def __init__(self) -> None:
        self.note = ""
        """what is to be said of the refresh that was started last"""
        self._first_look: frozenset[str] | None = None
        self._seen: set[str] = set()

    @property
    def before(self) -> frozenset[str]:
        """The instances at the first look."""
        return self._first_look or frozenset()

    def look(self, instances: Iterable[str]) -> None:
        if self._first_look is None:
            self._first_look = frozenset(instances)

    def see(self, refresh: str) -> None:
        self._seen.add(refresh)

    def start(
        self,
        account: Account,
        group: str,
        launch: Mapping[str, Any],
        *,
        min_healthy_percent: int,
        max_healthy_percent: int,
        warmup_s: int | None,
    ) -> None:
        """Instances that are as wanted already are skipped, so one that was begun in vain costs
        nothing. Another one under way ends first, without the instances that it is launching and
        draining, which may take longer than AWS is asked again while it says
        InstanceRefreshInProgress; the new one replaces what comes of them.

        Raises loadcore.RunError where the last one was watched and came to nothing.
        """
        client = account.client(SERVICE)
        last = last_refresh(account, group)
        self.note = _tried_again(last, launch)
        if last is not None:
            self._check(group, last)
            if last.status in UNDER_WAY:
                client.cancel_instance_refresh(
                    AutoScalingGroupName=group, WaitForTransitioningInstances=False
                )
        preferences: dict[str, Any] = {
            "MinHealthyPercentage": min_healthy_percent,
            "MaxHealthyPercentage": max_healthy_percent,
            "SkipMatching": True,
            "AutoRollback": True,
        }
        if warmup_s is not None:
            preferences["InstanceWarmup"] = warmup_s
        answer = client.start_instance_refresh(
            AutoScalingGroupName=group,
            Strategy="Rolling",
            DesiredConfiguration=dict(launch),
            Preferences=preferences,
        )
        self.see(answer["InstanceRefreshId"])

    def _check(self, group: str, last: Refresh) -> None:
        if last.active or last.successful or last.status == "Cancelled":
            return
        if last.id not in self._seen:
            return
        what = (
            "the old version runs on"
            if last.status == "RollbackSuccessful"
            else "old and new instances may run side by side"
        )
        raise lc.RunError(
            f"the instance refresh of {group} ended as {last.status}{_because(last)}; {what}. See  "
            "loadcore stack logs  for what the service said on the new instances, mend it and "
            "apply again"
        )


def _tried_again(last: Refresh | None, launch: Mapping[str, Any]) -> str:
    """Whoever repeats an apply wants another try, and is to know that it is one."""
    if last is None or not last.failed_to_bring(launch):
        return ""
    return f"the last refresh to this version ended as {last.status}{_because(last)}: trying again"


def _because(last: Refresh) -> str:
    return f" ({last.reason})" if last.reason else ""
