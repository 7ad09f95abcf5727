"""A container service's settings as CreateService and UpdateService take them, and as
DescribeServices gives them back (Amazon ECS API Reference)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Parameters = dict[str, Any]

DEPLOYING = frozenset({"task_definition", "subnets", "security_groups", "public", "others"})
"""settings of which a change starts a deployment, or may"""


def created(settings: Mapping[str, Any]) -> Parameters:
    """Of CreateService."""
    made: Parameters = {
        "cluster": settings["cluster"],
        "desiredCount": settings["desired"],
        "launchType": "FARGATE",
        "loadBalancers": _balancers(settings),
    }
    for _, part in PARTS:
        made.update(part(settings))
    return made


def updated(
    settings: Mapping[str, Any], changed: frozenset[str], others: Iterable[str]
) -> Parameters:
    """Of UpdateService: what `changed` settings are told with and no more, as the rest may have
    been moved since. `others` are those that the service has."""
    made: Parameters = {}
    for told, part in PARTS:
        if told & changed:
            made.update(part(settings))
    for limit in changed & {"desired_min", "desired_max"}:
        made["desiredCount"] = settings[limit]
    return {**made, **_taken_back(settings, set(others))} if "others" in changed else made


def _task(settings: Mapping[str, Any]) -> Parameters:
    return {"taskDefinition": settings["task_definition"]}


def _network(settings: Mapping[str, Any]) -> Parameters:
    network = {
        "subnets": settings["subnets"],
        "securityGroups": settings["security_groups"],
        "assignPublicIp": "ENABLED" if settings["public"] else "DISABLED",
    }
    return {"networkConfiguration": {"awsvpcConfiguration": network}}


def _deployment(settings: Mapping[str, Any]) -> Parameters:
    on = settings["rolls_back"]
    deployment = {
        "deploymentCircuitBreaker": {"enable": on, "rollback": on},
        "minimumHealthyPercent": settings["min_percent"],
        "maximumPercent": settings["max_percent"],
    }
    return {"deploymentConfiguration": deployment}


def _grace(settings: Mapping[str, Any]) -> Parameters:
    return {"healthCheckGracePeriodSeconds": settings["grace_s"]}


def _tags(settings: Mapping[str, Any]) -> Parameters:
    on = settings["tasks_tagged"]
    return {"enableECSManagedTags": on, "propagateTags": "SERVICE" if on else "NONE"}


PARTS: tuple[tuple[frozenset[str], Callable[[Mapping[str, Any]], Parameters]], ...] = (
    (frozenset({"task_definition"}), _task),
    (frozenset({"subnets", "security_groups", "public"}), _network),
    (frozenset({"rolls_back", "min_percent", "max_percent"}), _deployment),
    (frozenset({"grace_s"}), _grace),
    (frozenset({"tasks_tagged"}), _tags),
)
"""Settings that are told together, and how."""


def _balancers(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "targetGroupArn": settings["target_group"],
            "containerName": settings["container"],
            "containerPort": settings["port"],
        }
    ]


TAKEN_BACK: Mapping[str, Parameters] = {
    "capacityProviderStrategy": {"capacityProviderStrategy": [], "forceNewDeployment": True},
    "enableExecuteCommand": {"enableExecuteCommand": False},
    "serviceConnectConfiguration": {"serviceConnectConfiguration": {"enabled": False}},
    "serviceRegistries": {"serviceRegistries": []},
    "volumeConfigurations": {"volumeConfigurations": []},
    "vpcLatticeConfigurations": {"vpcLatticeConfigurations": []},
}
"""How each of `others` is undone. An empty strategy is the launch type again, and tasks that run
stay where they are without a deployment."""

TAKEN_BACK_OF_DEPLOYMENTS: Mapping[str, Any] = {
    "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    "strategy": "ROLLING",
}
"""How those within deploymentConfiguration are."""


def _taken_back(settings: Mapping[str, Any], others: set[str]) -> Parameters:
    made: Parameters = {}
    for name in others & TAKEN_BACK.keys():
        made.update(TAKEN_BACK[name])
    if "loadBalancers" in others:
        made["loadBalancers"] = _balancers(settings)
    if deployment := others & TAKEN_BACK_OF_DEPLOYMENTS.keys():
        made.update(_deployment(settings))
        for name in deployment:
            made["deploymentConfiguration"][name] = TAKEN_BACK_OF_DEPLOYMENTS[name]
    return made


def read(service: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a described service, but for its cluster."""
    network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    balanced = (service.get("loadBalancers") or [{}])[0]
    deployment = service.get("deploymentConfiguration", {})
    breaker = deployment.get("deploymentCircuitBreaker", {})
    tags_told = service.get("enableECSManagedTags"), service.get("propagateTags")
    return {
        "task_definition": service["taskDefinition"],
        "container": balanced.get("containerName"),
        "port": balanced.get("containerPort"),
        "target_group": balanced.get("targetGroupArn"),
        "subnets": sorted(network.get("subnets", ())),
        "security_groups": sorted(network.get("securityGroups", ())),
        "public": network.get("assignPublicIp") == "ENABLED",
        "grace_s": service.get("healthCheckGracePeriodSeconds", 0),
        "min_percent": deployment.get("minimumHealthyPercent"),
        "max_percent": deployment.get("maximumPercent"),
        "rolls_back": bool(breaker.get("enable") and breaker.get("rollback")),
        "tasks_tagged": tags_told == (True, "SERVICE"),
        "desired_min": service["desiredCount"],
        "desired_max": service["desiredCount"],
        "others": _others(service),
    }


def _others(service: Mapping[str, Any]) -> list[str]:
    """Names of what somebody else has set. Some of it is told of the service's deployments only."""
    deployment = service.get("deploymentConfiguration", {})
    primary: Mapping[str, Any] = next(
        (each for each in service["deployments"] if each["status"] == "PRIMARY"), {}
    )
    connect = primary.get("serviceConnectConfiguration", {})
    there = {
        "alarms": deployment.get("alarms", {}).get("enable"),
        "capacityProviderStrategy": service.get("capacityProviderStrategy"),
        "enableExecuteCommand": service.get("enableExecuteCommand"),
        "loadBalancers": len(service.get("loadBalancers", ())) > 1,
        "serviceConnectConfiguration": connect.get("enabled"),
        "serviceRegistries": service.get("serviceRegistries"),
        "strategy": deployment.get("strategy", "ROLLING") != "ROLLING",
        "volumeConfigurations": primary.get("volumeConfigurations"),
        "vpcLatticeConfigurations": primary.get("vpcLatticeConfigurations"),
    }
    return sorted(name for name, other in there.items() if other)
