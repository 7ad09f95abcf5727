"""What somebody changes by hand of a container service and its task definition, of all that they
are made with: a plan shows exactly that, and an apply puts it right."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from services_world import World, make

from loadcore_aws.autoscaling.spec import Group, Schedule
from loadcore_aws.stack.design import balancer, containers, logs
from loadcore_aws.stack.kinds import service_parameters, task_parameters
from loadcore_aws.stack.spec import Containers, Stack

if TYPE_CHECKING:
    from aws_front.front import Front

    from loadcore_aws.stack.resource import Resource

TASKS = Stack("demo", "eu-central-1", containers=Containers(), group=Group(2, 4))
GROUPS = ("balancer", "instances")


def designed(world: World, stack: Stack = TASKS) -> list[Resource]:
    return [
        resource
        for part in (logs, balancer, containers)
        for resource in part.resources(stack, world.facts)
    ]


@pytest.fixture
def world(aws: Front) -> World:
    """With a service that runs."""
    made = make(aws)
    made.know_security_groups(*GROUPS)
    made.settle([containers.repository()])
    made.push_image("demo-main", "latest", "first")
    made.settle(designed(made))
    return made


def described(world: World) -> dict[str, Any]:
    """The one service that there is."""
    ecs = world.client("ecs")
    names = ecs.list_services(cluster="demo-main")["serviceArns"]
    (found,) = ecs.describe_services(cluster="demo-main", services=names)["services"]
    return dict(found)


def by_hand(world: World, **parameters: Any) -> None:
    name = described(world)["serviceName"]
    world.client("ecs").update_service(cluster="demo-main", service=name, **parameters)


def test_a_services_settings_changed_by_hand_are_put_right(world: World) -> None:
    groups = [world.known["security_group.balancer"].id]
    ours = [world.known["security_group.instances"].id]
    subnets = sorted(world.facts.default_subnets)
    network = {"subnets": subnets[:1], "securityGroups": groups, "assignPublicIp": "DISABLED"}
    by_hand(
        world,
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": True, "rollback": False},
            "minimumHealthyPercent": 0,
            "maximumPercent": 100,
        },
        healthCheckGracePeriodSeconds=1,
        propagateTags="NONE",
    )
    wanted = {each.address: each.settings for each in designed(world)}["container_service.main"]
    assert world.drift(designed(world)) == {
        "container_service.main": {
            "subnets": (subnets[:1], subnets),
            "security_groups": (groups, ours),
            "public": (False, True),
            "rolls_back": (False, True),
            "min_percent": (0, wanted["min_percent"]),
            "max_percent": (100, wanted["max_percent"]),
            "grace_s": (1, wanted["grace_s"]),
            "tasks_tagged": (False, True),
        }
    }
    world.settle(designed(world))
    now = described(world)
    breaker = now["deploymentConfiguration"]["deploymentCircuitBreaker"]
    assert breaker == {"enable": True, "rollback": True}
    assert (now["propagateTags"], now["enableECSManagedTags"]) == ("SERVICE", True)
    assert now["desiredCount"] == 2


def test_what_else_a_service_was_given_by_hand_is_taken_back(world: World) -> None:
    now = described(world)
    another = {**now["loadBalancers"][0], "containerPort": 9999}
    alarms = {"alarmNames": ["a"], "enable": True, "rollback": True}
    by_hand(
        world,
        enableExecuteCommand=True,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}],
        serviceRegistries=[{"registryArn": "arn:aws:servicediscovery:x"}],
        loadBalancers=[*now["loadBalancers"], another],
        deploymentConfiguration={
            **now["deploymentConfiguration"], "alarms": alarms, "strategy": "BLUE_GREEN",
        },
    )  # fmt: skip
    names = ["alarms", "capacityProviderStrategy", "enableExecuteCommand", "loadBalancers",
             "serviceRegistries", "strategy"]  # fmt: skip
    assert world.drift(designed(world)) == {"container_service.main": {"others": (names, [])}}
    world.settle(designed(world))
    after = described(world)
    assert (after["enableExecuteCommand"], after["serviceRegistries"]) == (False, [])
    assert after["capacityProviderStrategy"] == []
    assert after["loadBalancers"] == now["loadBalancers"]
    assert after["deploymentConfiguration"]["strategy"] == "ROLLING"
    assert not after["deploymentConfiguration"]["alarms"]["enable"]


def test_tasks_outside_of_their_limits_are_brought_back_to_the_nearer_one(world: World) -> None:
    for had, limit, tasks in ((0, "desired_min", 2), (9, "desired_max", 4)):
        by_hand(world, desiredCount=had)
        assert world.drift(designed(world)) == {"container_service.main": {limit: (had, tasks)}}
        world.settle(designed(world))
        assert described(world)["desiredCount"] == tasks
    night = Schedule("night", cron="0 20 * * *", min=0, max=4)
    day = Schedule("day", cron="0 7 * * *", min=2, max=8)
    scheduled = designed(world, replace(TASKS, schedule=(night, day)))
    world.settle(scheduled)
    for tasks in (0, 8):
        by_hand(world, desiredCount=tasks)
        assert world.drift(scheduled) == {}
    assert world.drift(designed(world))["container_service.main"] == {"desired_max": (8, 4)}


def test_what_only_deployments_tell_of_is_seen_too() -> None:
    """moto keeps none of it (Deployment, Amazon ECS API Reference)."""
    others = {
        "serviceConnectConfiguration": {"enabled": True, "namespace": "n"},
        "volumeConfigurations": [{"name": "v"}],
        "vpcLatticeConfigurations": [{"portName": "p"}],
    }
    deployments = [{"status": "PRIMARY", **others}, {"status": "ACTIVE"}]
    seen = {"taskDefinition": "arn", "desiredCount": 1, "deployments": deployments}
    assert service_parameters.read(seen)["others"] == list(others)
    told = service_parameters.updated({}, frozenset({"others"}), list(others))
    assert told == {
        "serviceConnectConfiguration": {"enabled": False},
        "volumeConfigurations": [],
        "vpcLatticeConfigurations": [],
    }


# Task definitions.

ALTERED = {"entryPoint": ["sh"], "user": "root", "privileged": True, "linuxParameters": {}}
OTHERS = [
    "container miner", "container.entryPoint", "container.healthCheck", "container.linuxParameters",
    "container.privileged", "container.user", "pidMode", "runtimePlatform",
]  # fmt: skip


def members(shape: str) -> dict[str, Any]:
    model = botocore.session.get_session().get_service_model("ecs")
    return dict(model.shape_for(shape).members)


REGISTERED = members("RegisterTaskDefinitionRequest")


def registered_by_hand(world: World, *, tagged: bool) -> dict[str, Any]:
    """The newest revision once more, other than it was; what it was."""
    ecs = world.client("ecs")
    answer = ecs.describe_task_definition(taskDefinition="demo-main", include=["TAGS"])
    task = dict(answer["taskDefinition"])
    again = {key: copy.deepcopy(value) for key, value in task.items() if key in REGISTERED}
    again["containerDefinitions"][0].update(ALTERED)
    again["containerDefinitions"][0]["healthCheck"].update(timeout=60, retries=10)
    again["containerDefinitions"].append({"name": "miner", "image": "miner"})
    again["runtimePlatform"]["cpuArchitecture"] = "ARM64"
    tags = {"tags": answer["tags"]} if tagged else {}
    ecs.register_task_definition(**again, pidMode="task", **tags)
    return task


def parameters(task: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in task.items() if k not in ("taskDefinitionArn", "revision")}


def test_a_revision_registered_by_hand_is_followed_by_a_right_one(world: World) -> None:
    was = registered_by_hand(world, tagged=True)
    seen = world.drift(designed(world))
    assert seen["task_definition.main"] == {"others": (OTHERS, [])}
    assert seen.keys() == {"task_definition.main", "container_service.main"}
    world.settle(designed(world))
    ecs = world.client("ecs")
    now = ecs.describe_task_definition(taskDefinition="demo-main")["taskDefinition"]
    assert parameters(now) == parameters(was)
    assert (now["revision"], described(world)["taskDefinition"]) == (3, now["taskDefinitionArn"])


def test_a_family_is_the_stacks_whoever_registered_its_newest_revision(
    world: World, aws: Front
) -> None:
    """Tags are a revision's, and by hand few think of them."""
    registered_by_hand(world, tagged=False)
    seen = world.drift(designed(world))["task_definition.main"]
    assert seen.keys() == {"others", "tags", "image"}  # which tag it was of is among the tags
    world.settle(designed(world))
    registered_by_hand(world, tagged=False)
    for name in GROUPS:
        group = world.known[f"security_group.{name}"]
        world.client("ec2").delete_security_group(GroupId=group.id)
    assert world.destroy().complete
    assert aws.inventory() == {}


SETTINGS = {
    "cpu": 256, "memory_mb": 512, "container": "likes", "arguments": ["serve"], "port": 8080,
    "environment": {"B": "1", "A": ""}, "health_command": ["CMD", "true"], "health_interval_s": 30,
    "stop_timeout_s": 30, "log_group": "/loadcore/demo", "region": "eu-central-1",
    "execution_role": "arn:execution", "task_role": "arn:tasks",
}  # fmt: skip


def filled_in() -> dict[str, Any]:
    """As ECS describes what was registered, with all that it adds."""
    task = copy.deepcopy(task_parameters.registered(SETTINGS, "image@sha256:1"))
    (container,) = task["containerDefinitions"]
    container.update(
        cpu=0, mountPoints=[], volumesFrom=[], systemControls=[], versionConsistency="enabled"
    )
    container["environment"].reverse()
    container["portMappings"][0]["hostPort"] = 8080
    container["linuxParameters"]["capabilities"]["add"] = []
    container["logConfiguration"]["secretOptions"] = []
    return {
        **task,
        "taskDefinitionArn": "arn:1",
        "family": "demo-main",
        "revision": 1,
        "volumes": [],
        "placementConstraints": [],
        "status": "ACTIVE",
        "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.task-iam-role"}],
        "compatibilities": ["EC2", "FARGATE"],
        "registeredAt": "2026-03-01",
        "registeredBy": "arn:somebody",
        "enableFaultInjection": False,
    }


def test_what_ecs_fills_in_is_no_drift() -> None:
    assert task_parameters.read(filled_in()) == {**SETTINGS, "others": []}


def some(shape: Any, depth: int = 0) -> Any:
    """A value of that shape, other than any of ours."""
    if shape.type_name == "structure":
        return {k: some(part, depth + 1) for k, part in shape.members.items() if depth < 4}
    if shape.type_name == "list":
        return [some(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": some(shape.value, depth + 1)}
    return {"string": "other", "boolean": True}.get(shape.type_name, 7)


CONTAINER = members("ContainerDefinition")
BY_DIGEST = {"image"}  # see task_definition.py
NO_CHOICE = {"family", "tags", "containerDefinitions"}


@pytest.mark.parametrize("name", sorted(CONTAINER.keys() - BY_DIGEST))
def test_no_parameter_of_a_container_changes_unseen(name: str) -> None:
    task = filled_in()
    value = False if name == "essential" else some(CONTAINER[name])
    task["containerDefinitions"][0][name] = value
    assert task_parameters.read(task) != task_parameters.read(filled_in())


@pytest.mark.parametrize("name", sorted(REGISTERED.keys() - NO_CHOICE))
def test_no_parameter_of_a_task_changes_unseen(name: str) -> None:
    value = "9" if name in ("cpu", "memory") else some(REGISTERED[name])
    task = {**filled_in(), name: value}
    assert task_parameters.read(task) != task_parameters.read(filled_in())
