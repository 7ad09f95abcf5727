"""The controller as a Lambda function that a timer calls, with no more rights than its file
needs."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import loadcore as lc
from loadcore_aws.autoscaling.control.config import ADDRESS, Control, Metrics, Queue, parse
from loadcore_aws.autoscaling.control.package import (
    FUNCTION_TIMEOUT_S,
    HANDLER,
    lambda_package,
    permissions,
)
from loadcore_aws.stack.design import logs
from loadcore_aws.stack.design.identity import allow, document, role
from loadcore_aws.stack.kinds.logs import FUNCTION_FOLDER
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

RUNTIME = "python3.12"
ARCHITECTURE = "arm64"
"""the cheaper one; what is packed is Python alone"""
MEMORY_MB = 256


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    """Raises loadcore.PlanError for a controller's file that is wrong or that no function can carry
    out."""
    if stack.controller is None:
        return []
    name = Owner(stack.name, facts.region, facts.account).physical("controller")
    control = parse(facts.controller, stack.controller.file)
    if isinstance(control.figure, Metrics):
        _check_reach(control.figure.url)
    policies = {"controller": document(_statements(facts, control))}
    timer = {
        "every_minutes": stack.controller.every_minutes,
        "function": Ref("function.controller", "arn"),
        "enabled": True,
        "allowed": True,
    }
    return [
        logs.group("controller", FUNCTION_FOLDER + name, stack),
        role("controller", "lambda.amazonaws.com", policies),
        Resource("function", "controller", _function(facts), ("log_group.controller",)),
        Resource("timer", "controller", timer, ("auto_scaling_group.main",)),
    ]


def _check_reach(url: str) -> None:
    """The function is in no VPC: it reaches what the Internet does ("Giving Lambda functions access
    to resources in an Amazon VPC", AWS Lambda Developer Guide)."""
    host = urlsplit(url).hostname or ""
    if ADDRESS in url:
        said = "the instances' own addresses, which no function reaches"
    elif _is_private(host):
        said = f"{host}, on one machine or in a private network, where no function gets to"
    else:
        return
    remedy = "take a queue or cloudwatch figure, or run the controller on a machine there"
    raise lc.PlanError("controller.file", f"reads {said}; {remedy}")


def _is_private(host: str) -> bool:
    """A name may lead anywhere, but for localhost (RFC 6761, section 6.3)."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        name = host.rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def _function(facts: Facts) -> dict[str, Any]:
    """One at a time: a second one would act on what the first one has just changed."""
    archive = lambda_package(facts.controller)
    return {
        "role": Ref("role.controller", "arn"),
        "handler": HANDLER,
        "runtime": RUNTIME,
        "architecture": ARCHITECTURE,
        "timeout_s": FUNCTION_TIMEOUT_S,
        "memory_mb": MEMORY_MB,
        "concurrency": 1,
        "environment": {},
        "code_sha256": base64.b64encode(hashlib.sha256(archive).digest()).decode(),
        "code": base64.b64encode(archive).decode(),
    }


def _statements(facts: Facts, control: Control) -> list[dict[str, Any]]:
    """Of the actions that the file needs each on what it is for; those that only read and know no
    resources ("Actions, resources, and condition keys", Service Authorization Reference) on all."""
    scopes = _scopes(facts, control)
    by_scope: dict[str, list[str]] = {}
    for action in permissions(control):
        by_scope.setdefault(scopes.get(action, "*"), []).append(action)
    statements = [
        allow(f"Control{number}", tuple(actions), scope)
        for number, (scope, actions) in enumerate(sorted(by_scope.items()), 1)
    ]
    write = ("logs:CreateLogStream", "logs:PutLogEvents")
    return [*statements, allow("Log", write, Ref("log_group.controller", "streams"))]


def _scopes(facts: Facts, control: Control) -> dict[str, str]:
    """Action → the ARN of what it is taken on."""
    region = control.region or facts.region
    here = f"{region}:{facts.account}"
    group = control.group or Owner(control.stack, region, facts.account).physical("main")
    groups = f"arn:{facts.partition}:autoscaling:{here}:autoScalingGroup:*"
    scopes = dict.fromkeys(
        ("autoscaling:SetDesiredCapacity", "autoscaling:CreateOrUpdateTags"),
        f"{groups}:autoScalingGroupName/{group}",
    )
    if isinstance(control.figure, Queue):
        queue = control.figure.queue.rpartition("/")[2]
        for action in ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"):
            scopes[action] = f"arn:{facts.partition}:sqs:{here}:{queue}"
    if control.lease is not None:
        table = f"arn:{facts.partition}:dynamodb:{here}:table/{control.lease.table}"
        scopes["dynamodb:PutItem"] = table
    return scopes
