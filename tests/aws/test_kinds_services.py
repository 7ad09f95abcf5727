"""Log groups, topic, table, database, controller: what is designed is made, a second plan is empty,
whatever changes is changed in place or replaced, and nothing is left."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from client_errors import client_error
from services_world import World, make

import loadcore as lc
from loadcore_aws.stack.design import database, logs, table, topic
from loadcore_aws.stack.errors import Meaning, meaning
from loadcore_aws.stack.kinds.database import Database as DatabaseKind
from loadcore_aws.stack.kinds.function import Function
from loadcore_aws.stack.resource import Found, Ref, Resource
from loadcore_aws.stack.spec import Database, Logs, Package, Stack, Table, Topic

if TYPE_CHECKING:
    from aws_front.front import Front

STACK = Stack("demo", "eu-central-1", Package("a.whl"))
WITH_TOPIC = replace(STACK, topic=Topic(("a@example.org", "b@example.org")))
WITH_TABLE = replace(STACK, table=Table())
WITH_DATABASE = replace(STACK, database=Database(version="16.3"))


@pytest.fixture
def world(aws: Front) -> World:
    made = make(aws)
    group = made.client("ec2").create_security_group(
        GroupName="guard", Description="of the database", VpcId=made.facts.default_vpc
    )
    made.know("security_group", "database", group["GroupId"])
    return made


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ContinuousBackupsUnavailableException", "Backups are being enabled", Meaning.THROTTLED),
        ("InvalidParameterException", "Unable to Start a service that is still Draining.",
         Meaning.THROTTLED),
        ("ValidationException", "Rule can't be deleted since it has targets.", Meaning.IN_USE),
        ("InvalidParameterException", "The target group with targetGroupArn arn:x does not have "
         "an associated load balancer.", Meaning.NOT_YET),
        ("ValidationException", "ECS service doesn't exist: service/a/b", Meaning.NOT_YET),
        ("InvalidParameterValueException", "The role defined for the function cannot be assumed "
         "by Lambda.", Meaning.NOT_YET),
        ("ServiceNotActiveException", "Service was not ACTIVE.", Meaning.GONE),
        ("InvalidDBInstanceState", "Instance is not in available state.", Meaning.IN_USE),
        ("LifecyclePolicyNotFoundException", "", Meaning.GONE),
        ("ImageNotFoundException", "", Meaning.GONE),
    ],
)  # fmt: skip
def test_what_these_services_say_is_understood(code: str, message: str, expected: Meaning) -> None:
    assert meaning(client_error(code, message)) is expected


def tagged(world: World, *addresses: str) -> None:
    for address in addresses:
        wanted = {"team": "likes", "loadcore:stack": "demo", "loadcore:resource": address}
        assert wanted.items() <= world.one(address).tags.items()


def follows_its_tags(world: World, aws: Front, resources: list[Resource]) -> None:
    """Another tag in the file is put on all that has tags, and a plan after it is empty."""
    world.tags = {"team": "others"}
    changed = world.changes(resources)
    assert changed
    assert all(change == ("update", {"tags"}) for change in changed.values())
    world.settle(resources)


def leaves_nothing(world: World, aws: Front) -> None:
    for address in sorted(world.known):  # what the test put there itself
        if address.startswith("security_group."):
            world.client("ec2").delete_security_group(GroupId=world.known[address].id)
    outcome = world.destroy()
    assert outcome.complete, [str(error) for _, error in outcome.failed]
    assert aws.inventory() == {}


def test_a_log_group_keeps_what_is_said_so_long(world: World, aws: Front) -> None:
    wanted = logs.resources(STACK, world.facts)
    world.settle(wanted)
    tagged(world, "log_group.service")
    found = world.one("log_group.service")
    assert (found.id, found.settings["retention_days"]) == ("/loadcore/demo", 14)
    assert found.attributes["arn"].endswith(":log-group:/loadcore/demo")
    longer = logs.resources(replace(STACK, logs=Logs(30)), world.facts)
    assert world.changes(longer) == {"log_group.service": ("update", {"retention_days"})}
    world.settle(longer)
    follows_its_tags(world, aws, longer)
    leaves_nothing(world, aws)


def test_another_stack_with_a_longer_name_is_left_alone(world: World, aws: Front) -> None:
    world.client("logs").create_log_group(
        logGroupName="/loadcore/demo-2",
        tags={"loadcore:stack": "demo-2", "loadcore:resource": "log_group.service"},
    )
    world.client("sns").create_topic(
        Name="demo-2-main",
        Tags=[
            {"Key": "loadcore:stack", "Value": "demo-2"},
            {"Key": "loadcore:resource", "Value": "topic.main"},
        ],
    )
    world.kinds = {"log_group", "topic"}
    assert world.found() == []


def test_a_topic_lets_the_accounts_alarms_publish(world: World, aws: Front) -> None:
    wanted = topic.resources(WITH_TOPIC, world.facts)
    world.settle(wanted)
    tagged(world, "topic.main")
    found = world.one("topic.main")
    sns = world.client("sns")
    policy = json.loads(sns.get_topic_attributes(TopicArn=found.id)["Attributes"]["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Resource"] == found.id
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": world.facts.account}
    sns.set_topic_attributes(
        TopicArn=found.id, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"
    )
    open_to_all = {**policy, "Statement": [{**statement, "Principal": "*"}]}
    sns.set_topic_attributes(
        TopicArn=found.id, AttributeName="Policy", AttributeValue=json.dumps(open_to_all)
    )
    assert world.changes(wanted) == {"topic.main": ("update", {"policy", "key"})}
    world.settle(wanted)
    follows_its_tags(world, aws, wanted)
    leaves_nothing(world, aws)


def test_addresses_come_and_go_with_the_file(world: World, aws: Front) -> None:
    world.settle(topic.resources(WITH_TOPIC, world.facts))
    other = replace(STACK, topic=Topic(("b@example.org", "c@example.org")))
    wanted = topic.resources(other, world.facts)
    assert world.changes(wanted) == {
        "subscription.a@example.org": ("delete", set()),
        "subscription.c@example.org": ("create", set()),
    }
    world.settle(wanted)
    leaves_nothing(world, aws)


class Unconfirmed:
    """Answers for SNS as it does before addresses have confirmed, which moto has no notion of."""

    def __init__(self, account: Any) -> None:
        self.account = account

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        listed = self.account.pages(service, operation, key, **parameters)
        if operation != "list_subscriptions_by_topic":
            return list(listed)
        return [{**each, "SubscriptionArn": "PendingConfirmation"} for each in listed]


def test_an_address_that_never_confirmed_can_be_given_up(world: World, aws: Front) -> None:
    from loadcore_aws.stack.kinds.topic import Subscription

    wanted = topic.resources(WITH_TOPIC, world.facts)
    world.settle(wanted)
    kind, account = Subscription(), Unconfirmed(world.account)
    pending = kind.find(account, world.owner)  # type: ignore[arg-type]
    assert {each.name for each in pending} == {"a@example.org", "b@example.org"}
    assert len({each.id for each in pending}) == 2
    assert all("confirm" in each.state for each in pending)
    assert all(kind.pending(world.account, each) == "" for each in pending)
    kind.delete(world.account, pending[0])
    left = kind.find(account, world.owner)  # type: ignore[arg-type]
    assert [each.name for each in left] == [pending[1].name]
    # Wanted again it is asked for again; and one that confirms after all is there again.
    assert {each.name for each in kind.find(world.account, world.owner)} == {
        "a@example.org",
        "b@example.org",
    }
    world.apply(wanted)
    assert "loadcore:unwanted-" in "".join(world.one("topic.main").tags)


def test_a_table_is_as_safe_as_asked(world: World, aws: Front) -> None:
    wanted = table.resources(WITH_TABLE, world.facts)
    world.settle(wanted)
    tagged(world, "table.main")
    found = world.one("table.main")
    assert found.state == "ACTIVE"
    dynamodb = world.client("dynamodb")
    described = dynamodb.describe_table(TableName=found.id)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["SSEDescription"]["SSEType"] == "KMS"
    dynamodb.update_table(
        TableName=found.id,
        DeletionProtectionEnabled=True,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    off = table.resources(replace(STACK, table=Table(point_in_time_recovery=False)), world.facts)
    assert world.changes(off) == {
        "table.main": ("update", {"deletion_protection", "point_in_time_recovery", "billing"})
    }
    world.settle(off)
    follows_its_tags(world, aws, off)
    leaves_nothing(world, aws)


def test_a_tables_keys_cannot_change_under_its_data(world: World) -> None:
    world.settle(table.resources(WITH_TABLE, world.facts))
    other = table.resources(replace(STACK, table=Table("user", "day")), world.facts)
    with pytest.raises(lc.PlanError, match="without losing its data"):
        world.plan(other)


def test_a_database_keeps_its_password_to_itself(world: World, aws: Front) -> None:
    wanted = database.resources(WITH_DATABASE, world.facts)
    world.settle(wanted)
    tagged(world, "database.main", "db_subnet_group.main")
    found = world.one("database.main")
    assert found.attributes["secret"].startswith("arn:aws:secretsmanager:")
    assert found.attributes["port"] == "5432"
    described = world.client("rds").describe_db_instances()["DBInstances"][0]
    assert described["StorageEncrypted"]
    assert described["StorageType"] == "gp3"
    assert not described["PubliclyAccessible"]
    assert not described["AutoMinorVersionUpgrade"]  # the file names a minor version
    follows_its_tags(world, aws, wanted)
    leaves_nothing(world, aws)


def test_a_database_changes_in_place(world: World, aws: Front) -> None:
    world.settle(database.resources(WITH_DATABASE, world.facts))
    other = Database("postgres", "17", "db.m7g.large", 50, True, 7, True)
    wanted = database.resources(replace(STACK, database=other), world.facts)
    assert world.changes(wanted) == {
        "database.main": (
            "update",
            {"version", "minor_upgrades", "type", "disk_gb", "multi_zone", "backup_days",
             "snapshot_at_end"},
        )
    }  # fmt: skip
    world.settle(wanted)
    described = world.client("rds").describe_db_instances()["DBInstances"][0]
    assert (described["AllocatedStorage"], described["MultiAZ"]) == (50, True)
    assert described["AutoMinorVersionUpgrade"]


def test_a_database_grows_by_a_tenth_or_more_and_never_shrinks(world: World) -> None:
    def of(disk_gb: int) -> list[Resource]:
        stack = replace(STACK, database=Database(version="16.3", disk_gb=disk_gb))
        return database.resources(stack, world.facts)

    world.settle(of(20))
    for refused in (10, 21):
        with pytest.raises(lc.PlanError, match=rf"database\.disk_gb.* is {refused}, and "):
            world.plan(of(refused))
    world.settle(of(22))
    with pytest.raises(lc.PlanError, match="has 22 GB, which RDS never makes fewer; give 22"):
        world.plan(of(20))
    for disk_gb in (400, 500):
        world.settle(of(disk_gb))
        described = world.client("rds").describe_db_instances()["DBInstances"][0]
        assert (described["AllocatedStorage"], described["Iops"]) == (disk_gb, 12_000)
        assert described["StorageThroughput"] == 500


def test_a_large_database_is_made_with_what_its_size_demands(world: World) -> None:
    stack = replace(STACK, database=Database(disk_gb=400))
    world.settle(database.resources(stack, world.facts))
    described = world.client("rds").describe_db_instances()["DBInstances"][0]
    assert (described["Iops"], described["StorageThroughput"]) == (12_000, 500)


def test_a_minor_version_of_rds_own_choice_is_no_drift(world: World) -> None:
    stack = replace(STACK, database=Database(version="16"))
    wanted = database.resources(stack, world.facts)
    world.settle(wanted)
    world.client("rds").modify_db_instance(
        DBInstanceIdentifier=world.one("database.main").id, EngineVersion="16.9"
    )
    assert world.changes(wanted) == {}
    world.settle(database.resources(replace(STACK, database=Database()), world.facts))


def test_a_last_snapshot_is_left_where_asked_even_without_the_file(world: World) -> None:
    stack = replace(STACK, database=Database(snapshot_at_end=True))
    world.settle(database.resources(stack, world.facts))
    name = world.one("database.main").id
    assert world.destroy().complete
    rds = world.client("rds")
    assert rds.describe_db_instances()["DBInstances"] == []
    snapshots = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    (identifier,) = (each["DBSnapshotIdentifier"] for each in snapshots)
    assert identifier.startswith(f"{name}-final-20260301-12")


def test_a_database_that_cannot_become_ready_says_where_to_look(world: World) -> None:
    found = Found("database", "main", "demo-main-1", {}, state="incompatible-parameters")
    with pytest.raises(lc.RunError, match="incompatible-parameters"):
        DatabaseKind().pending(world.account, found)


def archive(text: str) -> dict[str, str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(zipfile.ZipInfo("code.py"), text)
    content = buffer.getvalue()
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"code": base64.b64encode(content).decode(), "code_sha256": digest}


def controller(world: World, text: str = "x = 1", **other: Any) -> list[Resource]:
    settings = {
        "role": world.known["role.controller"].attributes["arn"],
        "handler": "code.handler",
        "runtime": "python3.12",
        "architecture": "x86_64",
        "timeout_s": 60,
        "memory_mb": 256,
        "concurrency": 1,
        "environment": {"LOADCORE": "yes"},
        **archive(text),
        **other,
    }
    timer = {
        "every_minutes": 1,
        "function": Ref("function.controller", "arn"),
        "enabled": True,
        "allowed": True,
    }
    return [
        Resource("function", "controller", settings),
        Resource("timer", "controller", timer),
    ]


@pytest.fixture
def with_role(world: World) -> World:
    service = {"Service": "lambda.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    role = world.client("iam").create_role(
        RoleName="controller",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )["Role"]
    world.know("role", "controller", "controller", arn=role["Arn"])
    return world


def test_a_controller_is_called_by_its_timer(with_role: World, aws: Front) -> None:
    world = with_role
    wanted = controller(world)
    world.settle(wanted)
    tagged(world, "function.controller", "timer.controller")
    rule = world.client("events").describe_rule(Name="demo-controller")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    policy = json.loads(world.client("lambda").get_policy(FunctionName="demo-controller")["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert rule["Arn"] in json.dumps(statement["Condition"])
    follows_its_tags(world, aws, wanted)
    world.client("iam").delete_role(RoleName="controller")
    leaves_nothing(world, aws)


def test_another_code_and_other_settings_reach_the_function(with_role: World) -> None:
    world = with_role
    world.settle(controller(world))
    wanted = controller(world, "x = 2", timeout_s=30, concurrency=2, environment={})
    assert world.changes(wanted) == {
        "function.controller": (
            "update", {"code_sha256", "timeout_s", "concurrency", "environment"},
        )
    }  # fmt: skip
    world.settle(wanted)
    function = world.client("lambda").get_function(FunctionName="demo-controller")
    assert function["Configuration"]["CodeSha256"] == archive("x = 2")["code_sha256"]


def test_what_somebody_switched_off_is_switched_on_again(with_role: World) -> None:
    world = with_role
    wanted = controller(world)
    world.settle(wanted)
    world.client("events").disable_rule(Name="demo-controller")
    world.client("lambda").remove_permission(FunctionName="demo-controller", StatementId="timer")
    assert world.changes(wanted) == {"timer.controller": ("update", {"enabled", "allowed"})}
    world.settle(wanted)
    slower = [wanted[0], replace(wanted[1], settings={**wanted[1].settings, "every_minutes": 5})]
    assert world.changes(slower) == {"timer.controller": ("update", {"every_minutes"})}
    world.settle(slower)


def test_a_function_of_somebody_elses_is_not_taken_over(with_role: World) -> None:
    world = with_role
    world.client("lambda").create_function(
        FunctionName="demo-controller",
        Runtime="python3.12",
        Role=world.known["role.controller"].attributes["arn"],
        Handler="a.b",
        Code={"ZipFile": base64.b64decode(archive("theirs")["code"])},
    )
    ((address, error),) = world.apply(controller(world)[:1]).failed
    assert address == "function.controller"
    assert str(error) == (
        "function.controller: there is a function demo-controller that is not of this stack; give "
        "the stack another name, or, if it is this stack's and has lost its tags, put back "
        "loadcore:stack = demo and loadcore:resource = function.controller"
    )


def test_too_small_a_quota_of_concurrency_says_what_to_raise(with_role: World, aws: Front) -> None:
    world = with_role
    aws.inject(
        "error", "lambda", "PutFunctionConcurrency",
        code="InvalidParameterValueException",
        message="Specified ReservedConcurrentExecutions for function decreases account's "
                "UnreservedConcurrentExecution below its minimum value of [10].",
    )  # fmt: skip
    ((_, error),) = world.apply(controller(world)[:1]).failed
    assert "Service Quotas" in str(error)


def test_a_function_that_failed_says_why(world: World) -> None:
    found = Found(
        "function", "controller", "demo-controller", {}, {"reason": "no subnet"}, "Failed"
    )
    with pytest.raises(lc.RunError, match="no subnet"):
        Function().pending(world.account, found)
