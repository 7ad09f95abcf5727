"""A task definition's settings as RegisterTaskDefinition takes them, and as DescribeTaskDefinition
gives them back (Amazon ECS API Reference)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def registered(settings: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Of RegisterTaskDefinition, but for family and tags."""
    return {
        "cpu": str(settings["cpu"]),
        "memory": str(settings["memory_mb"]),
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "executionRoleArn": settings["execution_role"],
        "taskRoleArn": settings["task_role"],
        "containerDefinitions": [_container(settings, image)],
    }


def _container(settings: Mapping[str, Any], image: str) -> dict[str, Any]:
    return {
        "name": settings["container"],
        "image": image,
        "essential": True,
        "entryPoint": ["loadcore"],
        "command": settings["arguments"],
        "portMappings": [{"containerPort": settings["port"], "protocol": "tcp"}],
        "environment": [
            {"name": key, "value": value} for key, value in settings["environment"].items()
        ],
        "stopTimeout": settings["stop_timeout_s"],
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "healthCheck": {
            "command": settings["health_command"],
            "interval": settings["health_interval_s"],
            "timeout": 5,
            "retries": 3,
            "startPeriod": 10,
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": settings["log_group"],
                "awslogs-region": settings["region"],
                "awslogs-stream-prefix": settings["container"],
            },
        },
    }


def read(task: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a described revision, but for its image."""
    container = task["containerDefinitions"][0]
    logs = container.get("logConfiguration", {}).get("options", {})
    health = container.get("healthCheck", {})
    ports = [each.get("containerPort") for each in container.get("portMappings", ())]
    settings = {
        "cpu": _number(task.get("cpu")),
        "memory_mb": _number(task.get("memory")),
        "container": container["name"],
        "arguments": list(container.get("command", ())),
        "port": ports[0] if ports else None,
        "environment": {
            each["name"]: each.get("value", "") for each in container.get("environment", ())
        },
        "health_command": list(health.get("command", ())),
        "health_interval_s": health.get("interval"),
        "stop_timeout_s": container.get("stopTimeout"),
        "log_group": logs.get("awslogs-group"),
        "region": logs.get("awslogs-region"),
        "execution_role": task.get("executionRoleArn"),
        "task_role": task.get("taskRoleArn"),
    }
    return {**settings, "others": sorted(_others(task, settings))}


def _number(text: str | None) -> int | None:
    return int(text) if text else None


NO_PARAMETERS = {
    "compatibilities", "deleteRequestedAt", "deregisteredAt", "family", "registeredAt",
    "registeredBy", "requiresAttributes", "revision", "status", "taskDefinitionArn",
}  # fmt: skip
"""what ECS adds to a revision"""


DEFAULTS = {"versionConsistency": "enabled"}
"""what a parameter that is not given means, where that is not nothing"""


def _others(task: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    """Names of what a revision that is registered with these settings would have otherwise."""
    first, *more = task["containerDefinitions"]
    told = registered(settings, first["image"])
    (container,) = told.pop("containerDefinitions")
    have = {key: value for key, value in task.items() if key not in NO_PARAMETERS}
    del have["containerDefinitions"]
    yield from _differing(told, have)
    yield from (f"container.{name}" for name in _differing(container, first))
    yield from (f"container {each['name']}" for each in more)


def _differing(told: Mapping[str, Any], have: Mapping[str, Any]) -> Iterator[str]:
    ours, theirs = _plain(told) or {}, _plain(have) or {}
    yield from (name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def _plain(value: Any) -> Any:
    """Without what means the same as nothing, and in one order: ECS fills in some of it, and in
    awsvpc mode a port of the host, which is the container's (PortMapping, hostPort)."""
    if isinstance(value, Mapping):
        parts = {key: _plain(part) for key, part in value.items()}
        for key, default in {**DEFAULTS, "hostPort": parts.get("containerPort")}.items():
            if parts.get(key) == default:
                parts.pop(key, None)
        return {key: part for key, part in parts.items() if part} or None
    if isinstance(value, (list, tuple)):
        plain = [_plain(part) for part in value]
        if all(isinstance(part, Mapping) and "name" in part for part in plain):
            plain.sort(key=lambda part: str(part["name"]))
        return plain or None
    return value or None
