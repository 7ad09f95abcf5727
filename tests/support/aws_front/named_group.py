"""The group that a call names."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from aws_front.answers import Answer, error

if TYPE_CHECKING:
    from aws_front.actions import Request
    from aws_front.front import Moto
    from aws_front.state import Place


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
