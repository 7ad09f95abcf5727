"""The design of a whole stack: every Ref leads somewhere, no address is there twice, and the
controller may do what its file needs and no more."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from services_world import REGION, World, make

import loadcore as lc
from loadcore_aws.autoscaling.spec import (
    Alarm,
    Group,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)
from loadcore_aws.stack import design
from loadcore_aws.stack.design import controller
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.plan import in_order
from loadcore_aws.stack.resource import Resource, refs_in
from loadcore_aws.stack.spec import (
    Containers,
    Controller,
    Database,
    Network,
    Package,
    Stack,
    Table,
    Topic,
)

if TYPE_CHECKING:
    from aws_front.front import Front

CONTROL = """
stack = "demo"
[figure]
kind = "queue"
queue = "work"
[scale_out]
above = 100
[scale_in]
below = 10
[lease]
table = "leases"
"""
WHEEL = "loadcore-1-cp311-cp311-linux_x86_64.whl"
FACTS = Facts(
    "123456789012", "aws", REGION, (f"{REGION}a", f"{REGION}b"), "vpc-1", ("subnet-1", "subnet-2"),
    "ami-1", "/dev/xvda", (File(WHEEL, WHEEL, "0" * 64, 10),), CONTROL,
)  # fmt: skip
FULL = Stack(
    "demo",
    REGION,
    Package("a.whl"),
    network=Network("own", nat=True),
    group=Group(2, 4),
    policy=(Simple("in", -1), StepPolicy("out", (Step(1, 0),)), TargetTracking("calm", 50)),
    alarm=(
        Alarm("busy", "requests", 200, actions=("out", "topic")),
        Alarm("idle", "cpu", 10, "<", actions=("in",)),
    ),
    schedule=(Schedule("morning", cron="0 8 * * 1-5", min=3),),
    topic=Topic(("a@example.org",)),
    table=Table(),
    database=Database(),
    controller=Controller("control.toml"),
)
CONTAINERS = replace(
    FULL,
    package=None,
    containers=Containers(),
    controller=None,
    policy=FULL.policy[1:],
    alarm=FULL.alarm[:1],
)


@pytest.mark.parametrize(
    "stack",
    [FULL, replace(FULL, network=Network()), CONTAINERS, Stack("demo", REGION, Package("a.whl"))],
    ids=["full", "default network", "containers", "small"],
)
def test_every_ref_leads_to_something_of_a_known_kind(stack: Stack) -> None:
    made = design.resources(stack, FACTS)
    addresses = [each.address for each in made]
    assert len(set(addresses)) == len(addresses)
    assert {each.kind for each in made} <= BY_NAME.keys()
    needed = {address for each in made for address in each.needs()}
    assert needed <= set(addresses)
    assert len(in_order(made)) == len(made)  # no circles


def test_containers_have_nothing_of_instances() -> None:
    kinds = {each.kind for each in design.resources(CONTAINERS, FACTS)}
    assert not kinds & {
        "auto_scaling_group", "launch_template", "instance_profile", "bucket", "package",
        "scaling_policy", "scheduled_action", "lifecycle_hook", "group_notification",
    }  # fmt: skip


def designed(text: str = CONTROL) -> dict[str, Resource]:
    facts = replace(FACTS, controller=text)
    return {each.address: each for each in controller.resources(FULL, facts)}


def test_a_controller_may_do_what_its_file_needs_and_no_more() -> None:
    statements = designed()["role.controller"].settings["policies"]["controller"]["Statement"]
    allowed: dict[str, Any] = {
        action: each["Resource"] for each in statements for action in each["Action"]
    }
    group = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*:autoScalingGroupName"
    queue = "arn:aws:sqs:eu-central-1:123456789012:work"
    log = allowed.pop("logs:PutLogEvents")
    assert allowed.pop("logs:CreateLogStream") == log
    assert [ref.address for ref in refs_in(log)] == ["log_group.controller"]
    assert allowed == {
        "autoscaling:DescribeAutoScalingGroups": ["*"],
        "autoscaling:SetDesiredCapacity": [f"{group}/demo-main"],
        "autoscaling:CreateOrUpdateTags": [f"{group}/demo-main"],
        "sqs:GetQueueAttributes": [queue],
        "sqs:GetQueueUrl": [queue],
        "dynamodb:PutItem": ["arn:aws:dynamodb:eu-central-1:123456789012:table/leases"],
    }


def test_the_same_file_makes_the_same_code() -> None:
    first, again = designed()["function.controller"], designed()["function.controller"]
    other = designed(CONTROL.replace("100", "200"))["function.controller"]
    assert first.settings == again.settings
    assert first.settings["code_sha256"] != other.settings["code_sha256"]
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(first.settings["code"])))
    module = first.settings["handler"].rpartition(".")[0].replace(".", "/")
    assert f"{module}.py" in archive.namelist()
    (control,) = (name for name in archive.namelist() if name.endswith("/control.toml"))
    assert archive.read(control).decode() == CONTROL


def test_a_controllers_file_that_no_function_can_carry_out_is_refused() -> None:
    with pytest.raises(lc.PlanError, match="command"):
        designed(CONTROL.replace('"queue"\nqueue = "work"', '"command"\ncommand = ["backlog"]'))


def reading_page_at(host: str) -> str:
    metrics = f'"metrics"\nurl = "http://{host}:8081/metrics"\nmetric = "up"'
    return CONTROL.replace('"queue"\nqueue = "work"', metrics)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("{address}", "the instances' own addresses, which no function reaches; take a queue"),
        ("127.0.0.1", "127.0.0.1, on one machine or in a private network, where no function"),
        ("[::1]", "::1, on"),
        ("0.0.0.0", "0.0.0.0, on"),
        ("10.1.2.3", "10.1.2.3, on"),
        ("169.254.169.254", "169.254.169.254, on"),
        ("Localhost", "localhost, on"),
        ("likes.localhost.", "likes.localhost., on"),
    ],
)
def test_a_page_that_no_function_reaches_is_refused(host: str, told: str) -> None:
    with pytest.raises(lc.PlanError) as caught:
        designed(reading_page_at(host))
    assert str(caught.value).startswith(f"controller.file: reads {told}")


@pytest.mark.parametrize("host", ["likes.example.org", "192.88.99.1", "localhost.example.org"])
def test_a_page_on_the_internet_is_read(host: str) -> None:
    assert "function.controller" in designed(reading_page_at(host))


def test_a_designed_controller_is_made_and_leaves_nothing(aws: Front) -> None:
    world: World = make(aws)
    world.facts = replace(world.facts, controller=CONTROL)
    world.know("auto_scaling_group", "main", "demo-main")
    wanted = controller.resources(FULL, world.facts)
    world.settle(wanted)
    function = world.client("lambda").get_function(FunctionName="demo-controller")
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 1
    assert world.one("log_group.controller").id == "/aws/lambda/demo-controller"
    outcome = world.destroy()
    assert outcome.complete, [str(error) for _, error in outcome.failed]
    assert aws.inventory() == {}
