"""The group that a call names, and what it launches."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from aws_front.answers import Answer, error

if TYPE_CHECKING:
    from aws_front.actions import Request
    from aws_front.front import Moto
    from aws_front.state import Place

_TEMPLATE = ("LaunchTemplateId", "LaunchTemplateName", "Version")
_LAUNCHES = ("LaunchTemplate.", "MixedInstancesPolicy.", "LaunchConfigurationName")


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def place(request: Request) -> Place:
    return (request.region, request.text("AutoScalingGroupName"))


def known(request: Request, moto: Moto) -> dict[str, Any] | None:
    """The group that the request names, as moto has it."""
    found = moto.client("autoscaling", request.region).describe_auto_scaling_groups(
        AutoScalingGroupNames=[request.text("AutoScalingGroupName")]
    )["AutoScalingGroups"]
    return found[0] if found else None


def no_such_group(request: Request) -> Answer:
    name = request.text("AutoScalingGroupName")
    message = f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"
    return error(request, "ValidationError", message)


def launching(group: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    """The group's template as update_auto_scaling_group takes it, changed to what is asked."""
    mixed = copy.deepcopy(group.get("MixedInstancesPolicy"))
    if mixed:
        current = mixed["LaunchTemplate"]["LaunchTemplateSpecification"]
        mixed["LaunchTemplate"]["LaunchTemplateSpecification"] = _merged(current, asked)
        return {"MixedInstancesPolicy": mixed}
    return {"LaunchTemplate": _merged(group["LaunchTemplate"], asked)}


def _merged(current: dict[str, str], asked: dict[str, str]) -> dict[str, str]:
    """A template is named by its id or its name, never both."""
    both = {key: asked.get(key, "") for key in _TEMPLATE} if asked else current
    named = "LaunchTemplateId" if both.get("LaunchTemplateId") else "LaunchTemplateName"
    return {named: both[named], "Version": both.get("Version") or "$Default"}


def keep_mixed(request: Request, moto: Moto, group: dict[str, Any]) -> None:
    """After an update of `group`, which was so before, that names nothing to launch."""
    named = any(key.startswith(_LAUNCHES) for key in request.parameters)
    if "MixedInstancesPolicy" in group and not named:
        moto.client("autoscaling", request.region).update_auto_scaling_group(
            AutoScalingGroupName=group["AutoScalingGroupName"], **launching(group, {})
        )
