"""The stack's container flavour: an image instead of a package, tasks instead of instances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.design import container_scaling, network
from loadcore_aws.stack.design.database import environment
from loadcore_aws.stack.design.group import scheduled
from loadcore_aws.stack.design.identity import allow, data_statements, document, role
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Containers, Stack

IMAGES_MAX = 10
CONTAINER = "likes"
DATA = "/var/lib/loadcore-likes"
STOP_TIMEOUT_S_MAX = 120
"""on Fargate ("Amazon ECS task definition parameters for Fargate", stopTimeout)"""
TASKS = "ecs-tasks.amazonaws.com"
HEALTH = "import urllib.request as r; r.urlopen('http://127.0.0.1:{}/v1/healthcheck', timeout=4)"


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.containers is None:
        return []
    policies = {"tasks": document(data_statements(stack))} if data_statements(stack) else {}
    return [
        repository(),
        Resource("cluster", "main", {"insights": False}),
        role("execution", TASKS, {"execution": _execution()}),
        role("tasks", TASKS, policies),
        Resource("task_definition", "main", _task(stack, stack.containers, facts)),
        _service(stack, facts),
        *container_scaling.resources(stack, facts),
    ]


def repository() -> Resource:
    """Also made by a publish, which may come before the first apply."""
    settings = {"scan_on_push": True, "images_max": IMAGES_MAX, "image_tags": "MUTABLE"}
    return Resource("repository", "main", settings)


def _execution() -> dict[str, Any]:
    """What Fargate itself needs to start a task: its image, and its log. A token for ECR is for
    the whole registry ("Amazon ECS task execution IAM role", Amazon ECS Developer Guide)."""
    pull = (
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    )
    return document(
        [
            allow("Token", ("ecr:GetAuthorizationToken",), "*"),
            allow("Image", pull, Ref("repository.main", "arn")),
            allow(
                "Log",
                ("logs:CreateLogStream", "logs:PutLogEvents"),
                Ref("log_group.service", "streams"),
            ),
        ]
    )


def _task(stack: Stack, containers: Containers, facts: Facts) -> dict[str, Any]:
    port = stack.service.port
    return {
        "cpu": containers.cpu,
        "memory_mb": containers.memory_mb,
        "container": CONTAINER,
        "image": {"repository": Ref("repository.main", "uri"), "tag": containers.image_tag},
        "arguments": _arguments(stack),
        "port": port,
        "environment": environment(stack),
        "health_command": ["CMD", "python3", "-c", HEALTH.format(port)],
        "health_interval_s": max(5, stack.balancer.health.interval_s),
        "stop_timeout_s": min(STOP_TIMEOUT_S_MAX, max(30, stack.group.drain_s)),
        "log_group": Ref("log_group.service"),
        "region": facts.region,
        "execution_role": Ref("role.execution", "arn"),
        "task_role": Ref("role.tasks", "arn"),
        "others": [],
    }


def _arguments(stack: Stack) -> list[str]:
    """Of loadcore. A task's disk ends with it: what it keeps outlives a crash of the process, and
    not the task."""
    service = stack.service
    arguments = ["serve", "--host", "0.0.0.0", "--port", str(service.port), "--log", "events"]
    if service.durability != "memory":
        arguments += ["--data", DATA, "--durability", service.durability]
    if service.threads:
        arguments += ["--threads", str(service.threads)]
    return [*arguments, *service.arguments]


def _service(stack: Stack, facts: Facts) -> Resource:
    """After the listener, as ECS refuses a target group that no balancer uses. The number of tasks
    may be wherever a schedule can have moved its limits."""
    group = stack.group
    limits = scheduled(stack, facts)
    settings = {
        "cluster": Ref("cluster.main"),
        "task_definition": Ref("task_definition.main", "arn"),
        "container": CONTAINER,
        "port": stack.service.port,
        "target_group": Ref("target_group.main"),
        "subnets": network.instance_subnets(stack, facts),
        "security_groups": [Ref("security_group.instances")],
        "public": not stack.network.nat,
        "grace_s": group.health_check_grace_s,
        "min_percent": group.min_healthy_percent,
        "max_percent": _max_percent(group.min, group.max_healthy_percent),
        "rolls_back": True,
        "tasks_tagged": True,
        "others": [],
        "desired": group.min if group.desired is None else group.desired,
        "desired_min": min([group.min, *limits["min"]]),
        "desired_max": max([group.max, *limits["max"]]),
    }
    after = ("listener.main", "role.execution", *network.way_out(stack))
    return Resource("container_service", "main", settings, after)


def _max_percent(tasks_min: int, asked: int) -> int:
    """ECS rounds it down and the other bound up: with less than a whole task above them, two tasks
    at 90 to 120 % could never be replaced ("Amazon ECS service deployment parameters",
    maximumPercent)."""
    tasks = max(1, tasks_min)
    return max(asked, math.ceil(100 * (tasks + 1) / tasks))
