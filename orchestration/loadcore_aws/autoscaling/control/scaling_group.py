"""The Auto Scaling group under control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import loadcore as lc
from loadcore_aws.autoscaling.control.decide import Group
from loadcore_aws.stack import names

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSY = {"ScalingActivityInProgress", "ResourceContention"}
TAG_VALUE_MAX = 256


class BusyError(Exception):
    """AWS refuses a change of capacity for now."""


class ScalingGroup:
    """Found by its name, or as the group of a stack. For one thread."""

    def __init__(self, client: Any, *, name: str = "", stack: str = "") -> None:
        self._client = client
        self._name = name
        self._stack = stack
        self.tags: Mapping[str, str] = {}

    def look(self) -> Group:
        """The group as it is now, and its `tags`.

        Raises loadcore.RunError where there is none, several, or one that is being deleted.
        """
        group = self._described()
        self._name = str(group["AutoScalingGroupName"])
        if status := group.get("Status"):
            raise lc.RunError(f"Auto Scaling group {self._name}: {status}; it cannot be scaled")
        self.tags = names.tag_dict(group.get("Tags"))
        instances, standing = group["Instances"], 0
        for each in instances:
            # An instance on standby is desired and serves nobody: nothing to wait for.
            if each["LifecycleState"] == "InService" or "Standby" in each["LifecycleState"]:
                standing += int(each.get("WeightedCapacity", 1))
        in_service = sorted(
            each["InstanceId"] for each in instances if each["LifecycleState"] == "InService"
        )
        leaving = sum(
            each["LifecycleState"].startswith(("Terminating", "Detaching")) for each in instances
        )
        desired = int(group["DesiredCapacity"])
        return Group(
            name=self._name,
            min=int(group["MinSize"]),
            max=int(group["MaxSize"]),
            desired=desired,
            in_service=len(in_service),
            launching=max(desired - standing, 0),
            terminating=max(standing - desired, 0) + leaving,
            instance_ids=tuple(in_service),
        )

    def set_capacity(self, capacity: int) -> None:
        """At once: the controller has cooldowns of its own. Source: SetDesiredCapacity, Amazon EC2
        Auto Scaling API Reference. Raises BusyError where AWS wants it to be tried again later."""
        try:
            self._client.set_desired_capacity(
                AutoScalingGroupName=self._name, DesiredCapacity=capacity, HonorCooldown=False
            )
        except ClientError as error:
            if error.response["Error"].get("Code") not in BUSY:
                raise
            raise BusyError(error.response["Error"].get("Message", "busy")) from None

    def tag(self, key: str, value: str) -> None:
        """Of the group alone, not of its instances."""
        assert len(value) <= TAG_VALUE_MAX
        tag = {
            "ResourceId": self._name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": False,
        }
        self._client.create_or_update_tags(Tags=[tag])

    def _described(self) -> dict[str, Any]:
        if self._name:
            chosen: dict[str, Any] = {"AutoScalingGroupNames": [self._name]}
        else:
            chosen = {"Filters": [{"Name": f"tag:{names.STACK}", "Values": [self._stack]}]}
        pages = self._client.get_paginator("describe_auto_scaling_groups").paginate(**chosen)
        found = [group for page in pages for group in page["AutoScalingGroups"]]
        if len(found) == 1:
            return dict(found[0])
        region = self._client.meta.region_name
        if self._name:
            raise lc.RunError(f"there is no Auto Scaling group {self._name} in {region}; check "
                              "group and region")  # fmt: skip
        if found:
            several = ", ".join(sorted(group["AutoScalingGroupName"] for group in found))
            raise lc.RunError(f"stack {self._stack} has several Auto Scaling groups: {several}; "
                              "name one as group instead of stack")  # fmt: skip
        raise lc.RunError(f"stack {self._stack} has no Auto Scaling group in {region}; apply it "
                          "first, or check stack and region")  # fmt: skip
