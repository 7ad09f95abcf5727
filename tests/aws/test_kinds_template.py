"""The launch template: what it says, and what becomes a new version of it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from instances_world import STACK, WHEEL, default_group, files, prepared, template, template_data
from services_world import World

from loadcore_aws.stack.design import instances, package
from loadcore_aws.stack.kinds import machine
from loadcore_aws.stack.names import tag_dict
from loadcore_aws.stack.spec import (
    Instances,
    Service,
)
from loadcore_aws.stack.userdata import BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    return prepared(aws, tmp_path)


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
