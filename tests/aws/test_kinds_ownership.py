"""What has the name of something of the stack's, and is not the stack's: nothing finds it, `apply`
says whose name is taken, and it is afterwards as it was before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.account import client
from instances_world import STACK, in_region, prepared
from services_world import World, make

import loadcore as lc
from loadcore_aws.stack.design import package, table
from loadcore_aws.stack.kinds.storage import Bucket, bucket_name
from loadcore_aws.stack.names import tag_list
from loadcore_aws.stack.resource import Resource, Want
from loadcore_aws.stack.spec import Table

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

FOREIGN = [
    ({}, True),
    ({}, False),
    ({"team": "web"}, True),
    ({"loadcore:stack": "another", "loadcore:resource": "bucket.packages"}, True),
    ({"loadcore:stack": "demo"}, True),
]
"""tags, and whether there is anything in it"""

ELSEWHERE = "999999999999"
"""another account"""


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    return prepared(aws, tmp_path)


def refused(world: World, resources: list[Resource], address: str) -> str:
    """Why `address` could not be had; what needs it waits."""
    outcome = world.apply(resources)
    ((failed, error),) = outcome.failed
    assert failed == address
    assert isinstance(error, lc.RunError)
    return str(error)


# --- buckets


def its_name(world: World) -> str:
    return bucket_name("demo", world.owner.account, world.owner.region)


def by_hand(world: World, tags: dict[str, str], *, filled: bool = True) -> None:
    """A bucket as somebody else has set it up."""
    s3, name = world.client("s3"), its_name(world)
    settings: dict[str, Any] = {"Tags": tag_list(tags)}
    if world.owner.region != "us-east-1":
        settings["LocationConstraint"] = world.owner.region
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=settings)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if filled:
        for body in (b"old", b"new"):
            s3.put_object(Bucket=name, Key="packages/main/0123456789ab/app.whl", Body=body)


def state(world: World) -> dict[str, Any]:
    """All of the bucket that an apply or a destroy could change."""
    s3, which = world.client("s3"), {"Bucket": its_name(world)}
    told: dict[str, Any] = {}
    for call, key in (
        (s3.list_object_versions, "Versions"),
        (s3.get_bucket_tagging, "TagSet"),
        (s3.get_bucket_versioning, "Status"),
        (s3.get_bucket_policy, "Policy"),
        (s3.get_bucket_lifecycle_configuration, "Rules"),
        (s3.get_bucket_encryption, "ServerSideEncryptionConfiguration"),
        (s3.get_public_access_block, "PublicAccessBlockConfiguration"),
    ):
        try:
            told[key] = call(**which).get(key)
        except s3.exceptions.ClientError as error:
            told[key] = error.response["Error"]["Code"]
    return told


@pytest.mark.parametrize(("tags", "filled"), FOREIGN)
def test_a_bucket_without_the_stacks_tags_is_left_as_it_is(
    world: World, tags: dict[str, str], *, filled: bool
) -> None:
    by_hand(world, tags, filled=filled)
    before = state(world)
    resources = package.resources(STACK, world.facts)
    assert {action for action, _ in world.changes(resources).values()} == {"create"}
    said = refused(world, resources, "bucket.packages")
    assert f"there is a bucket {its_name(world)} that is not of this stack" in said
    assert "give the stack another name" in said
    assert state(world) == before
    assert world.found() == []  # so that no destroy and no sweep removes it


def test_tags_that_somebody_replaced_can_be_put_back(world: World) -> None:
    """S3 has one call for all tags of a bucket, and cost reports make people use it."""
    wanted = package.resources(STACK, world.facts)
    world.settle(wanted)
    s3, name = world.client("s3"), its_name(world)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list({"cost-center": "7"})})
    said = refused(world, wanted, "bucket.packages")
    _, _, told = said.partition("put back ")
    tags = dict(each.split(" = ") for each in told.split(" and "))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list({"cost-center": "7", **tags})})
    world.settle(wanted)
    assert world.one("bucket.packages").tags["cost-center"] == "7"


def test_where_a_second_creation_succeeds_none_is_asked_for(world: World, aws: Front) -> None:
    """As in us-east-1, where it takes away the bucket's access control lists as well."""
    there = in_region(world, aws, "us-east-1")
    by_hand(there, {"team": "web"})
    before = state(there)
    aws.forget_calls()
    said = refused(there, package.resources(STACK, there.facts), "bucket.packages")
    assert "not of this stack" in said
    assert "s3.CreateBucket" not in {call.name for call in aws.calls}
    assert state(there) == before


def test_an_interrupted_creation_is_gone_on_with_and_can_be_removed(
    world: World, aws: Front
) -> None:
    """It carries its tags before anything else happens to it."""
    wanted = package.resources(STACK, world.facts)
    (bucket,) = (each for each in wanted if each.kind == "bucket")
    tags = world.owner.tags(bucket.address, world.tags, None)
    Bucket().create(world.account, Want(bucket.address, "", bucket.settings, tags, "token"))
    world.kinds = {"bucket"}
    assert world.one(bucket.address).tags == tags
    assert {action for action, _ in world.changes([bucket]).values()} == {"update"}
    world.settle(wanted)
    assert world.destroy().complete
    assert aws.inventory() == {}


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_a_creation_whose_answer_was_lost_is_found_again(
    world: World, aws: Front, region: str
) -> None:
    there = in_region(world, aws, region)
    aws.inject("timeout_after_success", "s3", "CreateBucket", nth=1)
    there.settle(package.resources(STACK, there.facts))
    assert aws.hits == 1
    assert there.one("bucket.packages").tags["team"] == "likes"


def squat(world: World, aws: Front) -> Any:
    """Another account has a bucket of that name; a client of that account."""
    s3 = client(aws, "s3")

    def elsewhere(params: dict[str, Any], **_: object) -> None:
        params["headers"]["x-moto-account-id"] = ELSEWHERE

    s3.meta.events.register("before-call.s3", elsewhere)
    where = {"LocationConstraint": world.owner.region}
    s3.create_bucket(Bucket=its_name(world), CreateBucketConfiguration=where)
    return s3


def test_another_accounts_bucket_of_that_name_stops_no_command(world: World, aws: Front) -> None:
    theirs = squat(world, aws)
    resources = package.resources(STACK, world.facts)
    assert {action for action, _ in world.changes(resources).values()} == {"create"}
    assert world.found() == []
    said = refused(world, resources, "bucket.packages")
    assert "the name is taken by something that is not of this stack" in said
    assert "give the stack another name" in said
    assert world.destroy().complete
    assert [each["Name"] for each in theirs.list_buckets()["Buckets"]] == [its_name(world)]


def test_ones_own_bucket_that_may_not_be_looked_at_is_told(world: World, aws: Front) -> None:
    """It must not pass for another account's: a destroy would leave it."""
    world.settle(package.resources(STACK, world.facts))
    aws.inject("denied", "s3", "GetBucketTagging")
    with pytest.raises(lc.RunError, match="not allowed for these credentials"):
        world.found()


# --- what a call that makes would overwrite, or wait for


def test_a_rule_without_the_stacks_tags_is_left_as_it_is(aws: Front) -> None:
    world = make(aws)
    events = world.client("events")
    made = events.put_rule(
        Name="demo-controller",
        ScheduleExpression="cron(0 3 * * ? *)",
        State="DISABLED",
        Tags=tag_list({"team": "web"}),
    )
    before = events.describe_rule(Name="demo-controller")
    timer = {
        "every_minutes": 1,
        "function": f"arn:aws:lambda:eu-central-1:{world.owner.account}:function:f",
        "enabled": True,
        "allowed": True,
    }
    said = refused(world, [Resource("timer", "controller", timer)], "timer.controller")
    assert "there is a rule demo-controller that is not of this stack" in said
    assert world.found() == []
    after = events.describe_rule(Name="demo-controller")
    assert [before[key] for key in ("ScheduleExpression", "State")] == [
        after[key] for key in ("ScheduleExpression", "State")
    ]
    tags = events.list_tags_for_resource(ResourceARN=made["RuleArn"])["Tags"]
    assert tags == tag_list({"team": "web"})


def test_a_family_of_task_definitions_without_the_stacks_tags_gets_no_revision(
    aws: Front,
) -> None:
    """One that is the newest would be what others run next; and all of a family go together."""
    world = make(aws)
    ecs = world.client("ecs")
    container = {"name": "theirs", "image": "nginx", "memory": 64}
    ecs.register_task_definition(family="demo-main", containerDefinitions=[container])
    wanted = Resource("task_definition", "main", {})
    said = refused(world, [wanted], "task_definition.main")
    assert "there is a task definition demo-main that is not of this stack" in said
    assert world.found() == []
    families = ecs.list_task_definitions()["taskDefinitionArns"]
    assert [arn.rpartition("/")[2] for arn in families] == ["demo-main:1"]


def test_scaling_in_a_cluster_of_others_is_theirs(aws: Front) -> None:
    """Policies and scheduled actions have no tags: they belong to their target's owner."""
    world = make(aws)
    world.client("ecs").create_cluster(clusterName="demo-main")
    world.client("ecs").register_task_definition(
        family="web", containerDefinitions=[{"name": "web", "image": "nginx", "memory": 64}]
    )
    world.client("ecs").create_service(
        cluster="demo-main", serviceName="web", taskDefinition="web", desiredCount=1
    )
    scaling = world.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/demo-main/web",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    scaling.put_scheduled_action(
        **target,
        ScheduledActionName="night",
        Schedule="cron(0 20 * * ? *)",
        ScalableTargetAction={"MinCapacity": 0},
    )
    scaling.put_scaling_policy(
        **target,
        PolicyName="calm-target",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
        },
    )
    world.kinds = {"scalable_target", "container_policy", "container_schedule"}
    assert world.found() == []


def test_a_table_without_the_stacks_tags_is_told_at_once(aws: Front) -> None:
    """CreateTable calls it in use, which is waited for where a table of the stack's is going."""
    world = make(aws)
    (wanted,) = table.resources(replace(STACK, table=Table()), world.facts)
    world.settle([wanted])
    dynamodb, name = world.client("dynamodb"), world.one("table.main").id
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["loadcore:stack", "loadcore:resource"])
    begin_s = world.account.time.now()
    said = refused(world, [wanted], "table.main")
    assert f"there is a table {name} that is not of this stack" in said
    assert world.account.time.now() == begin_s
    assert world.found() == []
