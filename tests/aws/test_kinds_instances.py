"""What instances are made of: security groups, package bucket, role, launch template, baked image.
What is designed is made, a second plan is empty, changes and drift are mended, nothing is left."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from services_world import FastTime, World, make

from loadcore_aws.stack.account import Account
from loadcore_aws.stack.design import identity, instances, logs, package, security
from loadcore_aws.stack.design.facts import File
from loadcore_aws.stack.kinds import image as image_kind
from loadcore_aws.stack.kinds import machine
from loadcore_aws.stack.names import Owner, tag_dict
from loadcore_aws.stack.resource import Resource
from loadcore_aws.stack.spec import (
    Access,
    Balancer,
    Database,
    Instances,
    Package,
    Service,
    Stack,
    Table,
)
from loadcore_aws.stack.userdata import BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

STACK = Stack("demo", "eu-central-1", Package("loadcore.whl"))
PARTS = (security, package, identity, logs, instances)
PROFILE = "made-by-the-test"
TABLE_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/demo-main"
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-abc"
WHEEL = "loadcore-0.1.0-cp311-cp311-linux_x86_64.whl"


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    made = make(aws)
    images = made.client("ec2").describe_images(Owners=["amazon"])["Images"]
    facts = replace(
        made.facts,
        image=min(image["ImageId"] for image in images),
        root_device="/dev/xvda",
        packages=files(tmp_path, {WHEEL: b"one", "boto3-1.0-py3-none-any.whl": b"two"}),
    )
    return replace(made, facts=facts)


def files(folder: Path, contents: dict[str, bytes]) -> tuple[File, ...]:
    made = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        made.append(File(str(folder / name), name, digest, len(content)))
    return tuple(made)


def designed(world: World, stack: Stack = STACK) -> list[Resource]:
    return [each for part in PARTS for each in part.resources(stack, world.facts)]


def group_rules(world: World, name: str, side: str = "ingress") -> set[tuple[int, str]]:
    found = world.one(f"security_group.{name}").settings[side]
    return {(rule["from"], rule["source"]) for rule in found}


def template_data(world: World) -> dict[str, Any]:
    (version,) = world.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=world.one("launch_template.instances").id, Versions=["$Default"]
    )["LaunchTemplateVersions"]
    data: dict[str, Any] = version["LaunchTemplateData"]
    return data


def default_group(world: World) -> str:
    filters = [
        {"Name": "vpc-id", "Values": [world.facts.default_vpc]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    (group,) = world.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    return str(group["GroupId"])


def template(world: World, stack: Stack = STACK) -> list[Resource]:
    """The launch template alone, with all that it refers to standing ready."""
    world.know("security_group", "instances", default_group(world))
    world.know("bucket", "packages", "demo-packages")
    world.know("log_group", "service", "/loadcore/demo")
    world.know("instance_profile", "instances", PROFILE)
    for name, _ in package.named(world.facts):
        world.know("package", name, name)
    return instances.resources(stack, world.facts)


def in_region(world: World, aws: Front, region: str) -> World:
    account = Account(region, endpoint_url=aws.url, time=FastTime().time())
    number = account.identify()
    facts = replace(world.facts, region=region)
    return World(account, Owner("demo", region, number), facts)


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
            instances=Instances("t3.micro", disk_gb=20, key_name="mine", environment={"A": "'b\""}),
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
        STACK, access=Access(("198.51.100.0/24",), ("192.0.2.7/32",)), database=Database("mysql")
    )
    world.settle(security.resources(stack, world.facts))
    balancer, instances_ = (world.one(f"security_group.{n}").id for n in ("balancer", "instances"))
    assert group_rules(world, "balancer") == {(80, "198.51.100.0/24")}
    assert group_rules(world, "balancer", "egress") == {(8080, "0.0.0.0/0")}
    assert group_rules(world, "instances") == {(8080, balancer), (22, "192.0.2.7/32")}
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


# --- the launch template


def test_the_template_says_what_instances_are(world: World) -> None:
    stack = replace(STACK, tags={"team": "likes"}, instances=Instances("t3.micro", disk_gb=12))
    world.settle(template(world, stack))
    data = template_data(world)
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert data["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    assert data["BlockDeviceMappings"][0]["Ebs"] == {
        "VolumeSize": 12, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True
    }  # fmt: skip
    assert data["SecurityGroupIds"] == [default_group(world)]
    tags = {each["ResourceType"]: tag_dict(each["Tags"]) for each in data["TagSpecifications"]}
    assert tags["instance"] == tags["volume"]
    assert tags["instance"] == {
        "loadcore:resource": "instance.main",
        "loadcore:stack": "demo",
        "team": "likes",
    }
    script = base64.b64decode(data["UserData"]).decode()
    assert f"PACKAGE_KEY={package.key_of('main', world.facts.packages[0])}" in script
    assert "BUCKET=demo-packages" in script
    assert script.startswith("#!/bin/bash\n")


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"instances": Instances("t3.large")}, {"type"}),
        ({"instances": Instances(disk_gb=9)}, {"disk"}),
        ({"instances": Instances(key_name="k")}, {"key_name"}),
        ({"instances": Instances(environment={"A": "1"})}, {"plan"}),
        ({"service": Service(durability="os")}, {"plan"}),
        ({"tags": {"cost center": "7"}}, {"instance_tags", "metadata"}),
    ],
    ids=["type", "disk", "key", "environment", "durability", "tags"],
)
def test_a_change_is_a_new_version(
    world: World, settings: dict[str, Any], changed: set[str]
) -> None:
    world.settle(template(world))
    found = world.one("launch_template.instances")
    resources = template(world, replace(STACK, **settings))
    assert world.changes(resources)[found.address] == ("update", changed)
    world.settle(resources)
    now = world.one("launch_template.instances")
    assert (now.id, now.attributes["version"]) == (found.id, "2")


def test_user_data_changed_by_hand_is_set_right(world: World) -> None:
    resources = template(world)
    world.settle(resources)
    found, data = world.one("launch_template.instances"), template_data(world)
    script = base64.b64decode(data["UserData"]).decode().replace("set -uo pipefail", "set +u")
    data["UserData"] = base64.b64encode(script.encode()).decode()
    world.client("ec2").create_launch_template_version(
        LaunchTemplateId=found.id, LaunchTemplateData=data
    )
    assert world.changes(resources) == {found.address: ("update", {"plan", "default_is_latest"})}
    world.settle(resources)
    assert world.one("launch_template.instances").attributes["version"] == "3"


def test_more_than_we_wrote_is_noticed(world: World) -> None:
    resources = template(world)
    world.settle(resources)
    data = {**template_data(world), "EbsOptimized": True}
    world.client("ec2").create_launch_template_version(
        LaunchTemplateId=world.one("launch_template.instances").id, LaunchTemplateData=data
    )
    (change,) = world.changes(resources).values()
    assert "others" in change[1]
    world.settle(resources)


def test_a_default_that_was_never_set_is_set_by_the_next_apply(world: World, aws: Front) -> None:
    world.settle(template(world))
    resources = template(world, replace(STACK, instances=Instances("t3.large")))
    aws.inject("denied", "ec2", "ModifyLaunchTemplate")
    assert not world.apply(resources).complete
    aws.clear_faults()
    assert world.changes(resources) == {
        "launch_template.instances": ("update", {"default_is_latest"})
    }
    world.settle(resources)
    assert world.one("launch_template.instances").attributes["version"] == "2"


def test_user_data_that_is_too_long_is_packed_and_read_back(world: World, tmp_path: Path) -> None:
    many = {f"project{n}-1.0-py3-none-any.whl": bytes([n]) for n in range(40)}
    facts = replace(world.facts, packages=files(tmp_path, {WHEEL: b"one", **many}))
    plan = instances.instance_plan(STACK, facts)
    plan.update(bucket="demo-packages", log_group="/loadcore/demo")
    data = machine.user_data(plan)
    assert data.startswith(b"\x1f\x8b")
    assert len(data) < BYTES_MAX
    assert machine.plan_of(data) == plan


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\necho\n", b"\x1f\x8b", b"\xff", b"\n# plan: []\n"]
)
def test_user_data_of_others_is_no_plan(data: bytes) -> None:
    assert machine.plan_of(data) == machine.EDITED


# --- the baked image

BAKED = replace(STACK, instances=Instances(bake=True, migration="echo once"))


def baked(world: World, stack: Stack = BAKED) -> list[Resource]:
    """Image and template alone, with all that they refer to standing ready."""
    iam = world.client("iam")
    if not iam.list_instance_profiles()["InstanceProfiles"]:
        iam.create_instance_profile(InstanceProfileName=PROFILE)
    return template(world, stack)


def play_machine(world: World, says: str = "") -> list[bytes]:
    """Whenever somebody sleeps, a template instance stops, as its script would have it do, or says
    something on its console. The answer is the user data of each that stopped."""
    ec2, time, stopped = world.client("ec2"), world.account.time, list[bytes]()

    def stop(number: str) -> None:
        data = ec2.describe_instance_attribute(InstanceId=number, Attribute="userData")
        stopped.append(base64.b64decode(data["UserData"]["Value"]))
        ec2.stop_instances(InstanceIds=[number])

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        running = [{"Name": "instance-state-name", "Values": ["running"]}]
        for reservation in ec2.describe_instances(Filters=running)["Reservations"]:
            for instance in reservation["Instances"]:
                stop(instance["InstanceId"])

    def console(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Output"] = says

    if says:
        ec2.meta.events.register_last("after-call.ec2.GetConsoleOutput", console)
    else:
        world.account.time = replace(time, sleep=sleep)
    return stopped


def count(aws: Front) -> dict[str, int]:
    """Of what an image is made of."""
    kinds = ("ec2.image", "ec2.instance", "ec2.snapshot", "ec2.volume")
    return {kind: len(found) for kind, found in aws.inventory().items() if kind in kinds}


def test_an_image_is_baked_of_a_template_instance_that_goes(world: World, aws: Front) -> None:
    stopped = play_machine(world)
    world.settle(baked(world))
    (data,) = stopped
    script = data.decode()
    assert "MIGRATION='echo once'" in script
    assert script.endswith(image_kind.STOP)
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}
    (made,) = world.client("ec2").describe_images(Owners=["self"])["Images"]
    assert template_data(world)["ImageId"] == made["ImageId"]
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags["loadcore:resource"] == "image.baked"
    assert world.destroy().left == ()
    assert count(aws) == {}


def test_it_is_baked_again_only_when_something_in_it_changed(world: World, aws: Front) -> None:
    stopped = play_machine(world)
    world.settle(baked(world))
    first = world.one("image.baked")
    bigger = replace(BAKED, instances=replace(BAKED.instances, type="t3.large"))
    world.settle(baked(world, bigger))
    assert world.one("image.baked").id == first.id
    assert len(stopped) == 1

    other = replace(bigger, service=Service(threads=2))
    assert world.changes(baked(world, other))["image.baked"] == ("replace", {"digest"})
    world.settle(baked(world, other))
    assert world.one("image.baked").id != first.id
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}


def test_a_template_instance_that_fails_says_why_and_goes(world: World, aws: Front) -> None:
    play_machine(world, says="[ 7.1] cloud-init: loadcore user data: FAILED: no room\r\nmore")
    outcome = world.apply(baked(world))
    ((address, error),) = outcome.failed
    assert address == "image.baked"
    assert "could not be set up and is being terminated: no room; mend that" in str(error)
    assert count(aws) == {}


def test_a_template_instance_that_never_ends_is_told_and_kept(world: World, aws: Front) -> None:
    """The next apply goes on waiting for the same one."""
    ((_, error),) = world.apply(baked(world)).failed
    assert "image.baked is not ready: the template instance sets itself up" in str(error)
    play_machine(world)
    world.settle(baked(world))
    assert sum(call.action == "RunInstances" for call in aws.calls) == 1


@pytest.mark.parametrize("action", ["RunInstances", "CreateImage", "TerminateInstances"])
def test_baking_goes_on_where_an_answer_was_lost(world: World, aws: Front, action: str) -> None:
    play_machine(world)
    aws.inject("timeout_after_success", "ec2", action, nth=1)
    world.settle(baked(world))
    assert aws.hits == 1
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}


def test_snapshots_of_a_removal_that_was_cut_off_are_found(world: World, aws: Front) -> None:
    play_machine(world)
    world.settle(baked(world))
    (made,) = world.client("ec2").describe_images(Owners=["self"])["Images"]
    world.client("ec2").deregister_image(ImageId=made["ImageId"])
    assert world.changes(baked(world))["image.baked"] == ("update", {"next_step"})
    world.settle(baked(world))
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}
    (made,) = world.client("ec2").describe_images(Owners=["self"])["Images"]
    world.client("ec2").deregister_image(ImageId=made["ImageId"])
    assert world.destroy().left == ()
    assert count(aws) == {}
