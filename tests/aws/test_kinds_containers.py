"""The container flavour against moto's server: what is designed is made, a publish is a change, a
version that does not get healthy is told, and nothing is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from services_world import World, make

import loadcore as lc
from loadcore_aws.autoscaling.spec import (
    Group,
    Metric,
    Schedule,
    Step,
    StepPolicy,
    TargetTracking,
)
from loadcore_aws.stack.design import balancer, containers, logs
from loadcore_aws.stack.kinds.containers import ContainerService
from loadcore_aws.stack.resource import Found, Resource, Want
from loadcore_aws.stack.spec import Containers, Database, Network, Stack, Table

if TYPE_CHECKING:
    from aws_front.front import Front

QUEUE = Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "work"}, "Count")
STACK = Stack("demo", "eu-central-1", containers=Containers(), group=Group(2, 4))
SCALED = replace(
    STACK,
    group=Group(2, 4, cooldown_s=120),
    policy=(
        StepPolicy("more", (Step(20, 10), Step(10, 0, 10)), by="percent", min_magnitude=1),
        TargetTracking("calm", 50, warmup_s=30),
        TargetTracking("shared", 1000, "requests_per_target", scale_in=False),
        TargetTracking("backlog", 10, QUEUE),
    ),
    schedule=(
        Schedule("morning", cron="0 8 * * 1-5", time_zone="Europe/Berlin", min=3),
        Schedule("launch", at="2027-05-01T10:00:00+02:00", min=4, max=8),
        Schedule("over", at="2025-05-01T10:00:00+02:00", min=4),
    ),
)
KINDS = {"role", "repository", "cluster", "task_definition", "container_service"}


@pytest.fixture
def world(aws: Front) -> World:
    made = make(aws)
    made.know_security_groups("balancer", "instances")
    return made


def designed(world: World, stack: Stack = STACK) -> list[Resource]:
    return [
        resource
        for part in (logs, balancer, containers)
        for resource in part.resources(stack, world.facts)
    ]


@pytest.fixture
def published(world: World) -> World:
    world.settle([containers.repository()])
    world.push_image("demo-main", "latest", "first")
    return world


def test_all_is_made_as_designed_and_nothing_is_left(published: World, aws: Front) -> None:
    world = published
    world.settle(designed(world, SCALED))
    found = {each.address: each for each in world.found()}
    assert {each.kind for each in found.values()} >= KINDS
    for address in ("repository.main", "cluster.main", "task_definition.main",
                    "container_service.main", "scalable_target.main"):  # fmt: skip
        wanted = {"team": "likes", "loadcore:stack": "demo", "loadcore:resource": address}
        assert wanted.items() <= found[address].tags.items()
    service = found["container_service.main"]
    assert service.state == "COMPLETED"
    assert service.attributes["resource"].startswith("service/demo-main/demo-main-")
    assert "container_schedule.over" not in found
    world.tags = {"team": "others"}
    assert {change for change, _ in world.changes(designed(world, SCALED)).values()} == {"update"}
    world.settle(designed(world, SCALED))
    for name in ("balancer", "instances"):
        group = world.known[f"security_group.{name}"]
        world.client("ec2").delete_security_group(GroupId=group.id)
    outcome = world.destroy()
    assert outcome.complete, [str(error) for _, error in outcome.failed]
    assert aws.inventory() == {}
    for status in ("ACTIVE", "INACTIVE"):
        listed = world.client("ecs").list_task_definitions(status=status)
        assert listed["taskDefinitionArns"] == []


def test_tasks_are_run_with_no_more_than_they_need(published: World) -> None:
    world = published
    world.settle(designed(world))
    ecs = world.client("ecs")
    task = ecs.describe_task_definition(taskDefinition="demo-main")["taskDefinition"]
    (container,) = task["containerDefinitions"]
    assert "@sha256:" in container["image"]
    assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert container["command"][:5] == ["serve", "--host", "0.0.0.0", "--port", "8080"]
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/loadcore/demo"
    assert (task["cpu"], task["memory"], task["networkMode"]) == ("256", "512", "awsvpc")
    execution, tasks = world.one("role.execution"), world.one("role.tasks")
    statements = execution.settings["policies"]["execution"]["Statement"]
    allowed = {each["Sid"]: each["Resource"] for each in statements}
    assert allowed["Token"] == ["*"]  # a token is for the whole registry
    assert allowed["Image"] == [world.one("repository.main").attributes["arn"]]
    assert allowed["Log"] == [world.one("log_group.service").attributes["streams"]]
    assert tasks.settings["policies"] == {}


def test_before_a_publish_an_apply_says_what_to_do(world: World) -> None:
    outcome = world.apply(designed(world))
    ((address, error),) = outcome.failed
    assert address == "task_definition.main"
    assert str(error) == (
        "task_definition.main: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/demo-main has no "
        "image tagged latest; run  loadcore stack publish  and then apply again"
    )
    world.push_image("demo-main", "latest", "first")
    world.settle(designed(world))


def test_a_publish_is_a_change_of_the_task_definition_and_rolls_the_service(
    published: World,
) -> None:
    world = published
    world.settle(designed(world))
    before = world.one("container_service.main").settings["task_definition"]
    world.push_image("demo-main", "latest", "second")
    assert world.changes(designed(world)) == {
        "task_definition.main": ("update", {"image"}),
        "container_service.main": ("update", {"task_definition"}),
    }
    world.settle(designed(world))
    after = world.one("container_service.main").settings["task_definition"]
    assert (before.rpartition(":")[2], after.rpartition(":")[2]) == ("1", "2")


def test_settings_change_in_place(published: World) -> None:
    world = published
    world.settle(designed(world))
    other = replace(
        STACK,
        containers=Containers(cpu=512, memory_mb=1024),
        group=Group(3, 6, health_check_grace_s=90, min_healthy_percent=50, drain_s=300),
    )
    assert world.changes(designed(world, other)) == {
        "task_definition.main": ("update", {"cpu", "memory_mb", "stop_timeout_s"}),
        "container_service.main": (
            "update",
            {"task_definition", "grace_s", "min_percent", "max_percent", "desired_min"},
        ),
        "scalable_target.main": ("update", {"min", "max"}),
    }  # fmt: skip
    world.settle(designed(world, other))
    # What policies have made of the number of tasks is no drift.
    world.client("ecs").update_service(
        cluster="demo-main",
        service=world.one("container_service.main").attributes["name"],
        desiredCount=5,
    )
    assert world.changes(designed(world, other)) == {}


def test_drift_is_mended(published: World) -> None:
    world = published
    world.settle(designed(world))
    ecr, ecs = world.client("ecr"), world.client("ecs")
    ecr.delete_lifecycle_policy(repositoryName="demo-main")
    ecr.put_image_scanning_configuration(
        repositoryName="demo-main", imageScanningConfiguration={"scanOnPush": False}
    )
    ecr.put_image_tag_mutability(repositoryName="demo-main", imageTagMutability="IMMUTABLE")
    ecs.update_cluster(
        cluster="demo-main", settings=[{"name": "containerInsights", "value": "enabled"}]
    )
    assert world.changes(designed(world)) == {
        "repository.main": ("update", {"images_max", "scan_on_push", "image_tags"}),
        "cluster.main": ("update", {"insights"}),
    }
    world.settle(designed(world))
    world.push_image("demo-main", "latest", "second")  # which the tag has to follow


def test_policies_and_schedules_follow_the_file(published: World) -> None:
    world = published
    world.settle(designed(world, SCALED))
    other = replace(
        SCALED,
        policy=(
            StepPolicy("more", (Step(2, 0),), warmup_s=15),
            StepPolicy("calm", (Step(1, 0),)),
            TargetTracking("shared", 500, "requests_per_target"),
        ),
        schedule=(Schedule("morning", cron="0 7 * * *", max=6),),
    )
    assert world.changes(designed(world, other)) == {
        "container_policy.more": ("update", {"by", "steps", "min_magnitude", "cooldown_s"}),
        "container_policy.calm": ("replace", {
            "type", "by", "steps", "min_magnitude", "cooldown_s", "statistic"
        }),
        "container_policy.shared": ("update", {"target", "scale_in"}),
        "container_policy.backlog": ("delete", set()),
        "container_schedule.morning": ("update", {"schedule", "time_zone", "min", "max"}),
        "container_schedule.launch": ("delete", set()),
    }  # fmt: skip
    world.settle(designed(world, other))
    policies = world.client("application-autoscaling").describe_scaling_policies(
        ServiceNamespace="ecs"
    )["ScalingPolicies"]
    assert sorted(each["PolicyName"] for each in policies) == [
        "calm-step", "more-step", "shared-target",
    ]  # fmt: skip


def test_what_a_schedule_made_of_the_limits_stays_through_an_apply(published: World) -> None:
    world = published
    day = Schedule("day", cron="0 7 * * *", min=4, max=8)
    stack = replace(STACK, schedule=(day, Schedule("night", cron="0 20 * * *", min=2, max=4)))
    world.settle(designed(world, stack))
    scaling = world.client("application-autoscaling")

    def limits() -> tuple[int, int]:
        (target,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
        return target["MinCapacity"], target["MaxCapacity"]

    def raise_limits() -> None:
        scaling.register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=world.one("container_service.main").attributes["resource"],
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=4,
            MaxCapacity=8,
        )

    raise_limits()
    assert world.changes(designed(world, stack)) == {}
    # Only the limit that no schedule holds is sent.
    day_by_min = replace(stack, schedule=(replace(day, max=None),))
    assert world.changes(designed(world, day_by_min))["scalable_target.main"] == (
        "update", {"max"},
    )  # fmt: skip
    world.settle(designed(world, day_by_min))
    assert limits() == (4, 4)
    # A min of 4 cannot stay with a max of 3.
    smaller = replace(day_by_min, group=Group(2, 3))
    world.settle(designed(world, smaller))
    assert limits() == (2, 3)
    # Without the schedule its value is nobody's.
    raise_limits()
    world.settle(designed(world))
    assert limits() == (2, 4)


def test_a_cluster_of_somebody_elses_is_not_taken_over(world: World) -> None:
    world.client("ecs").create_cluster(clusterName="demo-main")
    ((address, error),) = world.apply([Resource("cluster", "main", {"insights": False})]).failed
    assert address == "cluster.main"
    assert str(error) == (
        "cluster.main: there is a cluster demo-main that is not of this stack; give the stack "
        "another name"
    )


# What moto does not play: a deployment that ECS gives up and rolls back.

OLD, NEW = "arn:task-definition/demo-main:1", "arn:task-definition/demo-main:2"


class Ecs:
    """One service of the stack, as DescribeServices tells of it; notes what it is told."""

    def __init__(self, **service: Any) -> None:
        self.service = {
            "serviceName": "demo-main-1",
            "serviceArn": "arn:service/demo-main/demo-main-1",
            "clusterArn": "arn:cluster/demo-main",
            "status": "ACTIVE",
            "taskDefinition": NEW,
            "runningCount": 1,
            "desiredCount": 2,
            "deploymentConfiguration": {},
            "deployments": [{"status": "PRIMARY", "rolloutState": "IN_PROGRESS"}],
            "tags": [
                {"key": "loadcore:stack", "value": "demo"},
                {"key": "loadcore:resource", "value": "container_service.main"},
                {"key": "loadcore:deployed-by", "value": "token"},
            ],
            **service,
        }
        self.told: list[str] = []

    def client(self, service: str) -> Ecs:
        return self

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[str]:
        return [f"arn:{key}/demo-main"]

    class exceptions:  # noqa: N801
        ClusterNotFoundException = type("ClusterNotFoundException", (Exception,), {})

    def describe_clusters(self, **parameters: Any) -> dict[str, Any]:
        return {
            "clusters": [{"clusterArn": arn, "status": "ACTIVE"} for arn in parameters["clusters"]]
        }

    def describe_services(self, **parameters: Any) -> dict[str, Any]:
        return {"services": [self.service]}

    def update_service(self, **parameters: Any) -> None:
        self.told.append("update_service")

    def tag_resource(self, **parameters: Any) -> None:
        self.told.append("tag_resource")


def seen(world: World, ecs: Ecs) -> Found:
    (found,) = ContainerService().find(ecs, world.owner)  # type: ignore[arg-type]
    return found


def update(world: World, ecs: Ecs, token: str) -> None:
    settings = dict.fromkeys(
        ("task_definition", "subnets", "security_groups", "public", "min_percent", "max_percent",
         "grace_s")
    )  # fmt: skip
    want = Want("container_service.main", "demo-main-1", settings, {}, token)
    account: Any = ecs
    ContainerService().update(account, seen(world, ecs), want, frozenset({"task_definition"}))


ROLLED_BACK = {
    "taskDefinition": OLD,
    "deployments": [
        {"status": "PRIMARY", "rolloutState": "IN_PROGRESS"},
        {"status": "ACTIVE", "rolloutState": "FAILED"},
    ],
    "events": [
        {"message": "(service demo-main-1) rolling back to deployment ecs-svc/1."},
        {"message": "(service demo-main-1) deployment failed: tasks failed to start."},
    ],
}


def test_a_rollout_is_waited_for(world: World) -> None:
    kind = ContainerService().begun({"desired_min": 2})
    found = seen(world, Ecs())
    assert kind.pending(world.account, found) == "1 of 2 tasks run"
    done = {"deployments": [{"status": "PRIMARY", "rolloutState": "COMPLETED"}]}
    assert kind.pending(world.account, seen(world, Ecs(**done, runningCount=2))) == ""
    # A task that stopped is no deployment.
    assert kind.pending(world.account, seen(world, Ecs(**done))) == "1 of 2 tasks run"
    many = {"runningCount": 10, "desiredCount": 10}
    assert kind.pending(world.account, seen(world, Ecs(**many))) == "10 of 10 tasks run"
    # Somebody has made it fewer than are to be: that is changed before.
    assert kind.pending(world.account, seen(world, Ecs(**done, desiredCount=1))) == ""


def test_tasks_that_policies_ask_and_a_quota_holds_back_stop_no_apply(published: World) -> None:
    """The very next one may be to lower what they ask."""
    world = published
    world.settle(designed(world))
    service = world.one("container_service.main").attributes["name"]
    ecs = world.client("ecs")
    ecs.update_service(cluster="demo-main", service=service, desiredCount=4)

    def short(parsed: dict[str, Any], **_: object) -> None:
        for each in parsed.get("services", ()):
            each["runningCount"] = min(each["runningCount"], 3)

    ecs.meta.events.register("after-call.ecs.DescribeServices", short)
    begin_s = world.account.time.now()
    scaled = replace(SCALED, group=replace(SCALED.group, max=6))
    world.settle(designed(world, scaled))
    assert world.account.time.now() - begin_s < 120.0
    found = world.one("container_service.main")
    assert (found.attributes["running"], found.attributes["desired"]) == ("3", "4")


def test_a_version_that_ecs_has_rolled_back_is_told_and_not_tried_again(world: World) -> None:
    ecs = Ecs(**ROLLED_BACK)
    found = seen(world, ecs)
    assert found.settings["task_definition"] == OLD
    with pytest.raises(lc.RunError, match=r"tasks failed to start\.; what ran before runs on"):
        update(world, ecs, "token")
    assert ecs.told == []


def test_the_next_apply_tries_it_again(world: World) -> None:
    ecs = Ecs(**ROLLED_BACK)
    update(world, ecs, "next")
    assert ecs.told == ["update_service", "tag_resource"]


def test_an_update_that_does_not_show_yet_is_repeated(world: World) -> None:
    ecs = Ecs(taskDefinition=OLD)
    update(world, ecs, "token")
    assert ecs.told == ["update_service", "tag_resource"]


def test_a_first_version_that_never_runs_is_told(world: World) -> None:
    ecs = Ecs(
        deployments=[{"status": "PRIMARY", "rolloutState": "FAILED"}],
        events=[{"message": "unable to pull image"}],
    )
    with pytest.raises(lc.RunError, match="unable to pull image"):
        ContainerService().pending(world.account, seen(world, ecs))


@pytest.mark.parametrize(("tasks", "asked", "percent"), [
    (0, 120, 200), (1, 120, 200), (2, 120, 150), (3, 120, 134), (5, 120, 120), (10, 150, 150),
])  # fmt: skip
def test_there_is_always_room_for_one_task_more(
    world: World, tasks: int, asked: int, percent: int
) -> None:
    group = Group(tasks, 10, max_healthy_percent=asked)
    stack = replace(STACK, group=group)
    made = {each.address: each for each in containers.resources(stack, world.facts)}
    assert made["container_service.main"].settings["max_percent"] == percent
    assert tasks * percent // 100 > tasks or tasks == 0


def test_data_is_told_without_its_password(world: World) -> None:
    stack = replace(STACK, table=Table(), database=Database(), network=Network("own", nat=True))
    made = {each.address: each for each in containers.resources(stack, world.facts)}
    told = made["task_definition.main"].settings["environment"]
    assert set(told) == {
        "LOADCORE_TABLE", "LOADCORE_DATABASE_ENGINE", "LOADCORE_DATABASE_HOST",
        "LOADCORE_DATABASE_PORT", "LOADCORE_DATABASE_SECRET",
    }  # fmt: skip
    statements = made["role.tasks"].settings["policies"]["tasks"]["Statement"]
    assert [each["Sid"] for each in statements] == ["Table", "DatabasePassword"]
    assert made["container_service.main"].settings["public"] is False
