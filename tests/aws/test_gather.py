"""What a plan looks up before it is made, what it says where that is missing, and that the design
made of it holds together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fast_time import FastTime

import loadcore as lc
from loadcore_aws.stack import design
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.design.gather import gather
from loadcore_aws.stack.names import RESOURCE, STACK
from loadcore_aws.stack.plan import in_order
from loadcore_aws.stack.resource import refs_in
from loadcore_aws.stack.spec import (
    Containers,
    Controller,
    Database,
    Instances,
    Mixed,
    Network,
    Package,
    Stack,
    Table,
    Topic,
)

if TYPE_CHECKING:
    from aws_front.front import Front

WHEEL = "loadcore-0.1.0-cp311-cp311-linux_x86_64.whl"
INSTANCES = Instances(disk_gb=20)


@pytest.fixture
def account(aws: Front) -> Account:
    return Account("eu-central-1", endpoint_url=aws.url, time=FastTime().time())


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    (tmp_path / "wheels").mkdir()
    for name in (WHEEL, f"wheels/{WHEEL}", "wheels/b-1-py3-none-any.whl", "wheels/a.txt"):
        (tmp_path / name).write_bytes(b"abc")
    package = Package(str(tmp_path / WHEEL), str(tmp_path / "wheels"))
    return Stack("demo", "eu-central-1", package, instances=INSTANCES)


def refusal(account: Account, stack: Stack) -> str:
    with pytest.raises(lc.PlanError) as caught:
        gather(account, stack)
    return str(caught.value)


def test_what_there_is_is_looked_up(account: Account, stack: Stack) -> None:
    facts = gather(account, stack)
    assert (facts.account, facts.partition, facts.region) == (
        "123456789012", "aws", "eu-central-1"
    )  # fmt: skip
    assert facts.zones == ("eu-central-1a", "eu-central-1b")
    assert facts.default_vpc.startswith("vpc-")
    assert len(facts.default_subnets) >= 2
    assert list(facts.default_subnets) == sorted(facts.default_subnets)
    assert facts.image.startswith("ami-")
    assert facts.root_device == "/dev/xvda"
    assert [file.name for file in facts.packages] == [WHEEL, "b-1-py3-none-any.whl"]
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert {(file.sha256, file.size_bytes) for file in facts.packages} == {(abc, 3)}


def test_a_lost_answer_is_asked_for_again(aws: Front, account: Account, stack: Stack) -> None:
    for action in ("DescribeImages", "DescribeVpcs", "DescribeInstanceTypeOfferings"):
        aws.inject("throttle", "ec2", action, nth=1)
    aws.inject("server_error", "ssm", "GetParameter", nth=1)
    aws.inject("timeout_after_success", "sts", "GetCallerIdentity", nth=1)
    assert gather(account, stack).image.startswith("ami-")
    assert aws.hits == 5


def test_missing_files_are_named_with_the_remedy(
    account: Account, stack: Stack, tmp_path: Path
) -> None:
    missing = replace(stack, package=Package(str(tmp_path / "dist" / "x.whl")))
    said = refusal(account, missing)
    assert said.startswith(f"package.file: {tmp_path}/dist/x.whl does not exist; run  pip wheel")
    (tmp_path / "none").mkdir()
    empty = replace(stack, package=Package(str(tmp_path / WHEEL), str(tmp_path / "none")))
    assert refusal(account, empty).startswith(f"package.wheels: {tmp_path}/none holds no wheels;")
    controller = replace(stack, controller=Controller(str(tmp_path / "c.toml")))
    said = refusal(account, controller)
    assert said.startswith(f"controller.file: {tmp_path}/c.toml could not be read: No such file")


@pytest.mark.parametrize(
    ("instances", "sentence"),
    [
        (
            Instances("t9.huge", disk_gb=20),
            "instances.type: t9.huge is not offered in eu-central-1",
        ),
        (
            replace(INSTANCES, mixed=Mixed(("t3.small", "t9.huge"))),
            "instances.mixed.types: t9.huge is not offered in eu-central-1; choose another type",
        ),
        (replace(INSTANCES, image="ami-12345678"), "instances.image: ami-12345678 does not exist"),
        (
            replace(INSTANCES, image="ssm:/aws/none"),
            "instances.image: ssm:/aws/none does not exist",
        ),
        (
            Instances(disk_gb=2),
            r"instances.disk_gb: is 2, and ami-\w+ needs \d+; give that or more",
        ),
        (
            Instances("t4g.small", disk_gb=20),
            "instances.type: t4g.small runs arm64, and ssm:.* is x8",
        ),
    ],
    ids=["type", "mixed", "image", "parameter", "disk", "machine"],
)
def test_what_is_not_there_or_does_not_fit_is_said(
    account: Account, stack: Stack, instances: Instances, sentence: str
) -> None:
    assert re.match(sentence, refusal(account, replace(stack, instances=instances)))


def test_a_package_for_another_machine_is_refused(
    account: Account, stack: Stack, tmp_path: Path
) -> None:
    other = tmp_path / "loadcore-0.1.0-cp311-cp311-manylinux_2_28_aarch64.whl"
    other.write_bytes(b"abc")
    said = refusal(account, replace(stack, package=Package(str(other))))
    assert re.match(rf"package.file: {other.name} is for aarch64, and ami-\w+ is x86_64; b", said)


@pytest.mark.parametrize(
    ("image", "system"),
    [
        (Instances().image, "Debian"),
        ("ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/x", "Ubuntu"),
    ],
)
def test_an_rpm_for_an_image_without_dnf_is_refused(
    aws: Front, account: Account, stack: Stack, tmp_path: Path, image: str, system: str
) -> None:
    rpm = tmp_path / "loadcore-0.1.0-1.x86_64.rpm"
    rpm.write_bytes(b"abc")
    instances = replace(INSTANCES, image=image)
    said = refusal(account, replace(stack, package=Package(str(rpm)), instances=instances))
    assert said.startswith(f"package.file: {rpm} is an RPM, and instances.image, {image}, is ")
    assert said.endswith(f"is {system}; give a wheel, or an image of Amazon Linux 2023")
    assert aws.calls == [], "the files alone say so"


def test_an_rpm_for_an_image_with_dnf_is_taken(
    account: Account, stack: Stack, tmp_path: Path
) -> None:
    rpm = tmp_path / "loadcore-0.1.0-1.x86_64.rpm"
    rpm.write_bytes(b"abc")
    image = gather(account, stack).image
    other = replace(INSTANCES, image=image)
    facts = gather(account, replace(stack, package=Package(str(rpm)), instances=other))
    assert [file.name for file in facts.packages] == [rpm.name]


def test_an_account_without_a_default_network_is_told(account: Account, stack: Stack) -> None:
    ec2 = account.client("ec2")
    vpc = gather(account, stack).default_vpc
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    assert "fewer than two of" in refusal(account, stack)
    ec2.delete_vpc(VpcId=vpc)
    assert 'take kind = "own", or run  aws ec2 create-default-vpc' in refusal(account, stack)


def test_a_network_of_its_own_stays_in_its_zones(account: Account, stack: Stack) -> None:
    own = replace(stack, network=Network("own"))
    assert gather(account, own).zones == ("eu-central-1a", "eu-central-1b")
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    tags = [{"Key": STACK, "Value": "demo"}, {"Key": RESOURCE, "Value": "subnet.public-b"}]
    ec2.create_subnet(
        VpcId=vpc,
        CidrBlock="10.20.0.0/24",
        AvailabilityZone="eu-central-1c",
        TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}],
    )
    facts = gather(account, own)
    assert facts.zones == ("eu-central-1a", "eu-central-1c")
    assert (facts.default_vpc, facts.default_subnets) == ("", ())


def test_containers_need_neither_image_nor_package(
    aws: Front, account: Account, stack: Stack
) -> None:
    containers = replace(stack, package=None, instances=Instances(), containers=Containers())
    facts = gather(account, containers)
    assert (facts.image, facts.packages) == ("", ())
    assert not any(call.service == "ssm" for call in aws.calls)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"network": Network("own", nat=True), "instances": replace(INSTANCES, bake=True)},
        {"table": Table(), "database": Database(), "topic": Topic(("a@example.org",))},
        {"package": None, "instances": Instances(), "containers": Containers(), "table": Table()},
    ],
    ids=["small", "network and image", "data", "containers"],
)
def test_each_reference_of_the_design_leads_somewhere(
    account: Account, stack: Stack, settings: dict[str, Any]
) -> None:
    stack = replace(stack, **settings)
    made = design.resources(stack, gather(account, stack))
    addresses = [resource.address for resource in made]
    assert len(set(addresses)) == len(addresses)
    for resource in made:
        assert {ref.address for ref in refs_in(resource.settings)} <= set(addresses)
        assert set(resource.after) <= set(addresses)
    assert len(in_order(made)) == len(made)
