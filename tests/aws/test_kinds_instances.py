"""What instances need: security groups, package bucket, role. What is designed is made, a second
plan is empty, changes and drift are mended, nothing is left."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from instances_world import (
    SECRET_ARN,
    STACK,
    TABLE_ARN,
    WHEEL,
    designed,
    files,
    group_rules,
    in_region,
    prepared,
)
from services_world import World

from loadcore_aws.stack.design import identity, instances, package, security
from loadcore_aws.stack.kinds import machine
from loadcore_aws.stack.resource import Ref
from loadcore_aws.stack.spec import (
    Access,
    Balancer,
    Database,
    Instances,
    Service,
    Stack,
    Table,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front


UNSORTED = {"B": "1", "A": "'b\""}


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    return prepared(aws, tmp_path)


# --- all of it


@pytest.mark.parametrize(
    "stack",
    [
        STACK,
        replace(
            STACK,
            tags={"team": "likes", "cost center": "7"},
            access=Access(("10.0.0.0/8", "2001:db8::/32"), ("192.0.2.7/32",)),
            service=Service(22, "memory", 3, ("--workers", "two words")),
            instances=Instances("t3.micro", disk_gb=20, key_name="mine", environment=UNSORTED),
        ),
    ],
    ids=["small", "full"],
)
def test_what_is_designed_is_made_and_leaves_nothing(
    world: World, aws: Front, stack: Stack
) -> None:
    world.settle(designed(world, stack))
    assert world.destroy().left == ()
    assert aws.inventory() == {}


def test_other_tags_reach_all_that_has_tags(world: World) -> None:
    resources = designed(world)
    world.settle(resources)
    world.tags = {"team": "others"}
    changed = world.changes(resources)
    assert set(changed) == {each.address for each in resources if each.kind != "package"}
    assert all(change == ("update", {"tags"}) for change in changed.values())
    world.settle(resources)
    (bucket,) = world.client("s3").list_buckets()["Buckets"]
    tags = world.client("s3").get_bucket_tagging(Bucket=bucket["Name"])["TagSet"]
    assert {"Key": "team", "Value": "others"} in tags


def test_a_stack_does_not_see_another_of_a_longer_name(world: World) -> None:
    longer = replace(world, owner=replace(world.owner, stack="demo-2"))
    longer.settle(designed(world, replace(STACK, name="demo-2")))
    world.settle(designed(world))
    assert world.destroy().complete
    assert longer.changes(designed(world, replace(STACK, name="demo-2"))) == {}


# --- security groups


def test_groups_open_only_what_is_asked_for(world: World) -> None:
    stack = replace(
        STACK,
        access=Access(("198.51.100.0/24",), ("192.0.2.7/32",), ("192.0.2.8/32", "10.0.0.0/8")),
        database=Database("mysql"),
    )
    world.settle(security.resources(stack, world.facts))
    balancer, instances_ = (world.one(f"security_group.{n}").id for n in ("balancer", "instances"))
    assert group_rules(world, "balancer") == {(80, "198.51.100.0/24")}
    assert group_rules(world, "balancer", "egress") == {(8080, "0.0.0.0/0")}
    assert group_rules(world, "instances") == {
        (8080, balancer), (22, "192.0.2.7/32"), (8081, "192.0.2.8/32"), (8081, "10.0.0.0/8"),
    }  # fmt: skip
    assert group_rules(world, "database") == {(3306, instances_)}
    assert group_rules(world, "database", "egress") == set()


def test_rules_are_changed_in_place_and_drift_is_mended(world: World) -> None:
    before = replace(STACK, access=Access(("198.51.100.0/24", "2001:db8::/32")))
    world.settle(security.resources(before, world.facts))
    group = world.one("security_group.balancer").id
    after = replace(STACK, balancer=Balancer(port=443), access=Access(("203.0.113.0/24",)))
    world.settle(security.resources(after, world.facts))
    assert world.one("security_group.balancer").id == group
    assert group_rules(world, "balancer") == {(443, "203.0.113.0/24")}

    by_hand = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    world.client("ec2").authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**by_hand, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    resources = security.resources(after, world.facts)
    assert world.changes(resources) == {"security_group.balancer": ("update", {"ingress"})}
    world.settle(resources)
    assert group_rules(world, "balancer") == {(443, "203.0.113.0/24")}


# --- the package


def uploaded_sums(world: World) -> set[str]:
    """The SHA-256 of each upload from now on, as S3 is asked to check it."""
    sums: set[str] = set()

    def note(params: dict[str, Any], **_: Any) -> None:
        sums.add(base64.b64decode(params["headers"]["x-amz-checksum-sha256"]).hex())

    world.client("s3").meta.events.register("before-call.s3.PutObject", note)
    return sums


def test_the_bucket_is_private_encrypted_versioned_and_takes_tls_alone(world: World) -> None:
    world.settle(package.resources(STACK, world.facts))
    s3 = world.client("s3")
    name = world.one("bucket.packages").id
    assert name == f"demo-packages-{world.owner.account}-eu-central-1"
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def test_what_was_loosened_by_hand_is_tightened_again(world: World) -> None:
    resources = package.resources(STACK, world.facts)
    world.settle(resources)
    s3, name = world.client("s3"), world.one("bucket.packages").id
    s3.delete_public_access_block(Bucket=name)
    s3.delete_bucket_policy(Bucket=name)
    s3.delete_bucket_lifecycle(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    loose = {"private", "policy", "old_versions_days", "versioned"}
    assert world.changes(resources) == {"bucket.packages": ("update", loose)}
    world.settle(resources)


EXPIRE = {"Days": 1}
LOOSER: list[dict[str, Any]] = [
    {"Expiration": EXPIRE},  # of the packages themselves
    {"Filter": {"Prefix": "packages/main/"}},
    {"Filter": {"And": {"Prefix": "", "ObjectSizeGreaterThan": 1}}},
    {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    {"NoncurrentVersionExpiration": {"NoncurrentDays": 5}},
    {"Status": "Disabled"},
]


@pytest.mark.parametrize("other", LOOSER, ids=lambda other: next(iter(other)))
def test_any_other_rule_for_old_versions_is_drift(world: World, other: dict[str, Any]) -> None:
    wanted = [each for each in package.resources(STACK, world.facts) if each.kind == "bucket"]
    world.settle(wanted)
    s3, name = world.client("s3"), world.one("bucket.packages").id
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [{**rule, **other}]}
    )
    assert world.changes(wanted) == {"bucket.packages": ("update", {"old_versions_days"})}
    world.settle(wanted)


def test_a_second_lifecycle_rule_is_drift(world: World) -> None:
    wanted = [each for each in package.resources(STACK, world.facts) if each.kind == "bucket"]
    world.settle(wanted)
    s3, name = world.client("s3"), world.one("bucket.packages").id
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    more = {"ID": "m", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": EXPIRE}
    s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [rule, more]}
    )
    assert world.changes(wanted) == {"bucket.packages": ("update", {"old_versions_days"})}
    world.settle(wanted)


def test_a_package_is_found_by_its_content(world: World, tmp_path: Path) -> None:
    sums = uploaded_sums(world)
    world.settle(package.resources(STACK, world.facts))
    assert sums == {file.sha256 for file in world.facts.packages}
    s3, bucket = world.client("s3"), world.one("bucket.packages").id
    first = world.one("package.main").id
    assert first.startswith("packages/main/")
    assert first.endswith(f"/{WHEEL}")
    assert s3.get_object(Bucket=bucket, Key=first)["Body"].read() == b"one"
    tags = s3.get_object_tagging(Bucket=bucket, Key=first)["TagSet"]
    assert {"Key": "loadcore:resource", "Value": "package.main"} in tags

    newer = files(tmp_path, {WHEEL: b"newer"})
    facts = replace(world.facts, packages=(*newer, world.facts.packages[1]))
    resources = package.resources(STACK, facts)
    assert world.changes(resources) == {"package.main": ("replace", {"key", "size_bytes"})}
    world.settle(resources)
    assert world.one("package.main").id != first


def test_a_package_that_was_overwritten_is_replaced(world: World) -> None:
    resources = package.resources(STACK, world.facts)
    world.settle(resources)
    bucket, key = world.one("bucket.packages").id, world.one("package.main").id
    world.client("s3").put_object(Bucket=bucket, Key=key, Body=b"something else")
    assert world.changes(resources) == {"package.main": ("replace", {"size_bytes"})}


def test_a_package_that_went_since_the_plan_is_told(world: World, tmp_path: Path) -> None:
    (tmp_path / WHEEL).unlink()
    outcome = world.apply(package.resources(STACK, world.facts))
    ((address, error),) = outcome.failed
    assert address == "package.main"
    assert f"{tmp_path / WHEEL} could not be read: No such file" in str(error)


def test_the_bucket_goes_with_all_versions_of_all_there_is_in_it(world: World, aws: Front) -> None:
    world.settle(package.resources(STACK, world.facts))
    s3, bucket = world.client("s3"), world.one("bucket.packages").id
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="by/hand", Body=body)
    s3.delete_object(Bucket=bucket, Key="by/hand")
    assert world.destroy().complete
    assert aws.inventory() == {}


def test_two_wheels_of_a_project_have_different_names(world: World, tmp_path: Path) -> None:
    names = (WHEEL, "Foo.Bar-1-cp310-x.whl", "foo_bar-1-cp311-x.whl", "foo-1-py3-none-any.whl")
    facts = replace(world.facts, packages=files(tmp_path, {name: name.encode() for name in names}))
    assert [name for name, _ in package.named(facts)] == [
        "main", "wheel-foo-bar", "wheel-foo-bar-2", "wheel-foo"
    ]  # fmt: skip


# --- what runs on them


def test_instances_know_how_long_the_balancer_waits_for_them(world: World) -> None:
    stack = replace(STACK, balancer=Balancer(deregistration_delay_s=300))
    plan = instances.instance_plan(stack, world.facts)
    plan |= {"bucket": "demo-packages", "log_group": "/loadcore/demo"}
    assert '"deregistration_delay_s": 300,\n' in machine.user_data(plan).decode()


@pytest.mark.parametrize(
    ("environment", "region"),
    [({}, "eu-central-1"), ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1")],
)
def test_the_migration_can_ask_for_the_password(
    world: World, tmp_path: Path, environment: dict[str, str], region: str
) -> None:
    """boto3 makes no client without a region, and an instance of EC2 has none set."""
    program = (
        "import boto3, os; print(os.environ['LOADCORE_DATABASE_SECRET'], "
        "boto3.client('secretsmanager').meta.region_name)"
    )
    migration = f'{sys.executable} -c "{program}" >{tmp_path}/ran'
    stack = replace(
        STACK,
        database=Database(),
        instances=Instances(bake=True, migration=migration, environment=environment),
    )
    told = {"host": "db.local", "port": "5432", "secret": SECRET_ARN}
    plan = instances.instance_plan(stack, world.facts)
    plan |= {"bucket": "demo-packages", "log_group": "/loadcore/demo"}
    plan["environment"] = {
        name: told[value.attribute] if isinstance(value, Ref) else value
        for name, value in plan["environment"].items()
    }
    head, _, _ = machine.user_data(plan).decode().rpartition("\nmain ")
    done = subprocess.run(
        ["bash", "-c", f"{head}\nSTATE_DIR={tmp_path}; migrate"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ran").read_text().split() == [SECRET_ARN, region]


# --- identity


def test_instances_may_do_what_they_must_and_no_more(world: World) -> None:
    world.settle(identity.resources(STACK, world.facts))
    (statements,) = (
        each["Statement"] for each in world.one("role.instances").settings["policies"].values()
    )
    number = world.owner.account
    assert {action: each["Resource"] for each in statements for action in each["Action"]} == {
        "s3:GetObject": [f"arn:aws:s3:::demo-packages-{number}-eu-central-1/packages/*"],
        "logs:CreateLogStream": [f"arn:aws:logs:eu-central-1:{number}:log-group:/loadcore/demo:*"],
        "logs:PutLogEvents": [f"arn:aws:logs:eu-central-1:{number}:log-group:/loadcore/demo:*"],
        **{
            f"autoscaling:{action}": [
                f"arn:aws:autoscaling:eu-central-1:{number}:autoScalingGroup:*:"
                "autoScalingGroupName/demo-main"
            ]
            for action in ("CompleteLifecycleAction", "RecordLifecycleActionHeartbeat")
        },
    }


def test_table_and_password_only_where_there_are_any(world: World) -> None:
    world.know("table", "main", "demo-main-1", arn=TABLE_ARN)
    world.know("database", "main", "demo-main-1", secret=SECRET_ARN)
    stack = replace(STACK, table=Table(), database=Database())
    world.settle(identity.resources(stack, world.facts))
    policy = world.one("role.instances").settings["policies"]["instances"]
    opened = {tuple(each["Resource"]) for each in policy["Statement"]}
    assert {(TABLE_ARN,), (SECRET_ARN,)} <= opened
    world.settle(identity.resources(STACK, world.facts))
    policy = world.one("role.instances").settings["policies"]["instances"]
    assert "dynamodb" not in json.dumps(policy)


def test_a_role_widened_by_hand_is_narrowed_again(world: World) -> None:
    resources = identity.resources(STACK, world.facts)
    world.settle(resources)
    role, profile = world.one("role.instances").id, world.one("instance_profile.instances").id
    iam = world.client("iam")
    anything = identity.document([identity.allow("All", ("*",), "*")])
    iam.put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=json.dumps(anything))
    others = json.dumps(identity.trust("lambda.amazonaws.com"))
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=others)
    iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role)
    assert world.changes(resources) == {
        "role.instances": ("update", {"policies", "trust"}),
        "instance_profile.instances": ("update", {"roles"}),
    }
    world.settle(resources)


def test_a_role_goes_although_a_managed_policy_was_attached(world: World, aws: Front) -> None:
    world.settle(identity.resources(STACK, world.facts))
    iam = world.client("iam")
    anything = json.dumps(identity.document([identity.allow("All", ("s3:*",), "*")]))
    policy = iam.create_policy(PolicyName="by-hand", PolicyDocument=anything)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=world.one("role.instances").id, PolicyArn=policy)
    assert world.destroy().complete
    iam.delete_policy(PolicyArn=policy)
    assert aws.inventory() == {}


def test_stacks_of_one_name_in_two_regions_have_two_roles(world: World, aws: Front) -> None:
    world.settle(identity.resources(STACK, world.facts))
    elsewhere = in_region(world, aws, "us-east-1")
    elsewhere.settle(identity.resources(STACK, elsewhere.facts))
    assert elsewhere.destroy().complete
    assert world.changes(identity.resources(STACK, world.facts)) == {}
