"""What AWS answers of its services and moto does not: constructed from the API references."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from services_world import World, make
from told_rds import ToldRds

import loadcore as lc
from loadcore_aws.stack import find, status, sweep
from loadcore_aws.stack.design import containers, identity
from loadcore_aws.stack.design.facts import Facts
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.kinds.database import SNAPSHOT_AT_END, Database
from loadcore_aws.stack.kinds.database_disk import check_growth
from loadcore_aws.stack.kinds.topic import DELETED, PENDING
from loadcore_aws.stack.names import RESOURCE, STACK, Owner, tag_list
from loadcore_aws.stack.resource import Found, Resource, Want
from loadcore_aws.stack.spec import Package, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_front.front import Front

OWNER = Owner("demo", "eu-central-1", "123456789012")
FACTS = Facts("123456789012", "aws", "eu-central-1", ("a", "b"), default_vpc="vpc-1")


def owned(address: str) -> dict[str, str]:
    return {STACK: "demo", RESOURCE: address}


class Draining:
    """ECS while a service drains: it is described by its name and listed no more."""

    CLUSTER = "arn:aws:ecs:eu-central-1:123456789012:cluster/demo-main"
    SERVICE = "arn:aws:ecs:eu-central-1:123456789012:service/demo-main/demo-main-1"

    class exceptions:  # noqa: N801
        ClusterNotFoundException = type("ClusterNotFoundException", (Exception,), {})

    def __init__(self) -> None:
        self.status = "ACTIVE"
        self.tags: list[dict[str, str]] = []
        self.calls: list[str] = []

    def client(self, service: str) -> Draining:
        return self

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[str]:
        if operation == "list_clusters":
            return [self.CLUSTER]
        return [self.SERVICE] if self.status == "ACTIVE" else []

    def describe_clusters(self, **parameters: Any) -> dict[str, Any]:
        return {"clusters": [{"clusterArn": self.CLUSTER, "status": "ACTIVE", "tags": self.tags}]}

    def describe_services(self, *, services: list[str], **parameters: Any) -> dict[str, Any]:
        described = {
            "serviceName": "demo-main-1",
            "serviceArn": self.SERVICE,
            "clusterArn": self.CLUSTER,
            "status": self.status,
            "taskDefinition": "arn:task",
            "runningCount": 1,
            "desiredCount": 0,
            "deployments": [],
            "tags": [
                {"key": key, "value": value}
                for key, value in owned("container_service.main").items()
            ],
        }
        return {"services": [described] if "demo-main-1" in services else []}

    def tag_resource(self, *, tags: list[dict[str, str]], **parameters: str) -> None:
        assert parameters == {"resourceArn": self.CLUSTER}
        self.calls.append("tag_resource")
        self.tags += tags

    def untag_resource(self, *, tagKeys: list[str], **parameters: str) -> None:  # noqa: N803
        assert parameters == {"resourceArn": self.CLUSTER}
        self.calls.append("untag_resource")
        self.tags = [tag for tag in self.tags if tag["key"] not in tagKeys]

    def delete_service(self, **parameters: Any) -> None:
        self.calls.append("delete_service")
        self.status = "DRAINING"


def test_a_service_that_drains_is_waited_for_though_it_is_listed_no_more() -> None:
    ecs: Any = Draining()
    kind = BY_NAME["container_service"]
    (found,) = kind.find(ecs, OWNER)
    kind.delete(ecs, found)
    assert ecs.calls == ["tag_resource", "delete_service"], "the name is kept before it is lost"
    (found,) = kind.find(ecs, OWNER)
    assert kind.going(found)
    kind.delete(ecs, found)
    assert ecs.calls == ["tag_resource", "delete_service"]
    ecs.status = "INACTIVE"
    assert kind.find(ecs, OWNER) == []


def test_a_cluster_forgets_the_services_that_are_gone_when_the_next_one_goes() -> None:
    ecs: Any = Draining()
    kind = BY_NAME["container_service"]
    ecs.tags = [
        {"key": f"loadcore:leaving-demo-main-{name}", "value": "yes"} for name in ("0", "1")
    ]
    ecs.tags.append({"key": "team", "value": "a"})
    (found,) = kind.find(ecs, OWNER)
    kind.delete(ecs, found)
    assert ecs.calls == ["untag_resource", "tag_resource", "delete_service"]
    assert {tag["key"] for tag in ecs.tags} == {"team", "loadcore:leaving-demo-main-1"}


def test_tasks_that_stop_are_waited_for_before_their_cluster_goes() -> None:
    """A Fargate task has two minutes to stop, after its targets have drained."""
    assert BY_NAME["cluster"].gone_within_s >= 600


@pytest.fixture
def world(aws: Front) -> World:
    return make(aws)


def test_logs_are_written_with_the_groups_own_right(world: World) -> None:
    """CreateLogStream is checked for the group and PutLogEvents for the stream."""
    group = Resource("log_group", "service", {"name": "/loadcore/demo", "retention_days": 7})
    world.settle([group])
    streams = world.one("log_group.service").attributes["streams"]
    assert streams.endswith(":log-group:/loadcore/demo:*")


def database(state: str, **more: Any) -> Found:
    described = {
        "DBInstanceIdentifier": "demo-main",
        "DBInstanceArn": "arn:db",
        "DBInstanceStatus": state,
        "Engine": "postgres",
        "EngineVersion": "16.4",
        "AutoMinorVersionUpgrade": True,
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": 40,
        "MultiAZ": False,
        "BackupRetentionPeriod": 1,
        "PubliclyAccessible": False,
        "DeletionProtection": False,
        "TagList": tag_list(owned("database.main")),
        **more,
    }

    class Rds:
        def pages(self, *names: str, **parameters: Any) -> list[Mapping[str, Any]]:
            return [described]

    account: Any = Rds()
    (found,) = Database().find(account, OWNER)
    return found


def test_a_database_that_serves_while_its_disk_is_optimized_is_ready() -> None:
    """Which may take a day."""
    account: Any = None
    assert Database().pending(account, database("storage-optimization")) == ""
    assert Database().pending(account, database("modifying")) == "modifying"
    changing = database("storage-optimization", PendingModifiedValues={"MultiAZ": True})
    assert Database().pending(account, changing) == "changes MultiAZ"


def test_a_last_snapshot_that_rds_will_not_take_is_not_waited_for() -> None:
    account: Any = None
    wanted = tag_list({**owned("database.main"), SNAPSHOT_AT_END: "yes"})
    with pytest.raises(lc.RunError, match="snapshot_at_end = false"):
        Database().delete(account, database("incompatible-network", TagList=wanted))


def test_an_address_that_has_unsubscribed_itself_is_no_subscription() -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:demo-main"

    class Sns:
        def client(self, service: str) -> Sns:
            return self

        def pages(self, service: str, operation: str, key: str, **more: Any) -> list[Any]:
            if operation == "list_topics":
                return [{"TopicArn": topic}]
            return [
                {"Protocol": "email", "Endpoint": f"{arn}@example.org", "SubscriptionArn": arn,
                 "TopicArn": topic}
                for arn in (DELETED, PENDING, "arn:1")
            ]  # fmt: skip

        def list_tags_for_resource(self, **parameters: Any) -> dict[str, Any]:
            return {"Tags": tag_list(owned("topic.main"))}

    account: Any = Sns()
    found = BY_NAME["subscription"].find(account, OWNER)
    assert [each.name for each in found] == [f"{PENDING}@example.org", "arn:1@example.org"]


def test_a_stack_of_which_only_a_role_is_left_is_swept(world: World) -> None:
    stack = Stack("demo", "eu-central-1", Package("a.whl"))
    role, _ = identity.resources(stack, replace(FACTS, account=world.facts.account))
    world.settle([role])
    assert [each.owner.stack for each in sweep.standing(world.account)] == ["demo"]


def test_the_alarms_that_target_tracking_made_for_a_service_are_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names: "Target tracking scaling policies", Application Auto Scaling User Guide."""
    world.settle([containers.repository(), Resource("cluster", "main", {"insights": False})])
    name = "TargetTracking-service/demo-main/demo-main-1-AlarmHigh-1"
    for each in (name, "TargetTracking-service/demo-main/other-AlarmHigh-1"):
        world.client("cloudwatch").put_metric_alarm(
            AlarmName=each, ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1,
            MetricName="CPUUtilization", Namespace="AWS/ECS", Period=60, Statistic="Average",
            Threshold=50,
        )  # fmt: skip
    ecs: Any = Draining()
    (service,) = BY_NAME["container_service"].find(ecs, OWNER)
    monkeypatch.setattr(find, "everything", lambda *_: [service])
    monkeypatch.setattr(status, "_size_of_service", lambda *_: None)
    assert [each.name for each in status.look(world.account, world.owner).alarms] == [name]


def test_an_alarm_has_its_state_since_that_last_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """StateUpdatedTimestamp, all that moto knows, moves with EvaluationState, too ("MetricAlarm",
    Amazon CloudWatch API Reference)."""
    cloudwatch = world.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="demo-busy", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1,
        MetricName="CPUUtilization", Namespace="AWS/EC2", Period=60, Statistic="Average",
        Threshold=50,
    )  # fmt: skip

    def long_ago(parsed: dict[str, Any], **_: Any) -> None:
        (alarm,) = parsed["MetricAlarms"]
        alarm["StateTransitionedTimestamp"] = datetime(2026, 1, 31, 8, tzinfo=timezone.utc)

    cloudwatch.meta.events.register_last("after-call.cloudwatch.DescribeAlarms", long_ago)
    monkeypatch.setattr(find, "everything", lambda *_: [Found("alarm", "busy", "demo-busy", {})])
    (alarm,) = status.look(world.account, world.owner).alarms
    assert alarm.since == "2026-01-31T08:00:00Z"


@pytest.mark.parametrize(
    ("had_gb", "wanted_gb", "sentence"),
    [
        (20, 21, "is 21, and RDS adds a tenth or more to the 20 GB there are; give 22 or more, or "
         "keep 20"),
        (25, 27, "give 28 or more, or keep 25"),
        (400, 439, "give 440 or more, or keep 400"),
        (50, 20, "is 20, and the database has 50 GB, which RDS never makes fewer; give 50, or take "
         "a stack of another name"),
    ],
)  # fmt: skip
def test_a_size_that_rds_would_refuse_or_round_up_is_refused_in_the_plan(
    had_gb: int, wanted_gb: int, sentence: str
) -> None:
    """ModifyDBInstance, AllocatedStorage."""
    with pytest.raises(lc.PlanError, match=f"database.disk_gb:? .*{sentence}"):
        check_growth(had_gb, wanted_gb)


@pytest.mark.parametrize(("had_gb", "wanted_gb"), [(20, 22), (25, 28), (400, 440), (20, 65_536)])
def test_a_size_that_rds_takes_as_it_is_is_taken(had_gb: int, wanted_gb: int) -> None:
    check_growth(had_gb, wanted_gb)


BASE = {"Iops": 3000, "StorageThroughput": 125}
STRIPED_BASE = {"Iops": 12_000, "StorageThroughput": 500}
MORE = {"Iops": 20_000, "StorageThroughput": 900}


@pytest.mark.parametrize(
    ("had_gb", "had", "wanted_gb", "told"),
    [
        (100, BASE, 200, {}),
        (100, BASE, 400, STRIPED_BASE),
        (400, STRIPED_BASE, 500, STRIPED_BASE),
        (500, MORE, 600, MORE),
    ],
)
def test_performance_is_told_of_large_disks_and_of_no_others(
    had_gb: int, had: dict[str, int], wanted_gb: int, told: dict[str, int]
) -> None:
    """RDS answers otherwise that both size and IOPS must be specified, that 3000 is no valid value,
    or that it cannot be specified for less than 400."""
    found = database("available", AllocatedStorage=had_gb, **had)
    account: Any = ToldRds()
    settings = {**found.settings, "disk_gb": wanted_gb}
    want = Want(found.address, "demo-main", settings, {}, "token")
    Database().update(account, found, want, frozenset({"disk_gb"}))
    (call,) = account.calls
    call.pop("DBInstanceIdentifier")
    assert call == {"ApplyImmediately": True, "AllocatedStorage": wanted_gb, **told}
    Database().update(account, found, want, frozenset({"backup_days"}))
    assert account.calls[1].keys().isdisjoint(STRIPED_BASE)
