"""An account in which what instances are made of is applied by the stack's own engine."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fast_time import FastTime
from services_world import World, make

from loadcore_aws.stack.account import Account
from loadcore_aws.stack.design import identity, instances, logs, package, security
from loadcore_aws.stack.design.facts import File
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.resource import Resource
from loadcore_aws.stack.spec import (
    Package,
    Stack,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

STACK = Stack("demo", "eu-central-1", Package("loadcore.whl"))
PARTS = (security, package, identity, logs, instances)
PROFILE = "made-by-the-test"
TABLE_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/demo-main"
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-abc"
WHEEL = "loadcore-0.1.0-cp311-cp311-linux_x86_64.whl"


def prepared(aws: Front, folder: Path) -> World:
    made = make(aws)
    images = made.client("ec2").describe_images(Owners=["amazon"])["Images"]
    facts = replace(
        made.facts,
        image=min(image["ImageId"] for image in images),
        root_device="/dev/xvda",
        packages=files(folder, {WHEEL: b"one", "boto3-1.0-py3-none-any.whl": b"two"}),
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
