"""IAM policies, action by action against the calls that are made: the operator's in
orchestration/examples, and those of the roles that a stack makes, read back from the account."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.inventory import client
from botocore import xform_name
from iam_actions import actions, allows, named, resource, statements
from imds_server import imds_server
from instance_world import Clock, Systemctl
from stack_world import EXAMPLES, account, publish, sample

from loadcore_aws import stack
from loadcore_aws.autoscaling.control import aws_lambda, config
from loadcore_aws.instance import drain
from loadcore_aws.instance.batches import Batch
from loadcore_aws.instance.imds import Imds
from loadcore_aws.instance.journal import Entry
from loadcore_aws.instance.settings import Settings
from loadcore_aws.instance.ship_logs import Stream
from loadcore_aws.stack import converge, status, sweep
from loadcore_aws.stack.design.identity import TABLE_ACTIONS
from loadcore_aws.stack.logs_follow import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_front.front import Call, Front

SAMPLES = ("small", "full", "postgres", "containers")
POLICIES = ("operator-policy.json", "operator-policy-services.json")
POLICY_CHARACTERS_MAX = 6144
"""of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS quotas")"""


IN_PLACE = frozenset(
    (
        "application-autoscaling:DeleteScheduledAction",
        "application-autoscaling:PutScheduledAction",
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:CancelInstanceRefresh",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "autoscaling:DisableMetricsCollection",
        "autoscaling:ResumeProcesses",
        "dynamodb:UpdateTable",
        "ec2:DeleteRoute",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "ecs:UntagResource",
        "ecs:UpdateCluster",
        "elasticloadbalancing:DeleteRule",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:SetIpAddressType",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
        "iam:DetachRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "rds:ModifyDBInstance",
        "rds:ModifyDBSubnetGroup",
    )
)
"""changes in place that no sample's life makes: by hand, or of rarer settings"""

NAME_TAKEN = frozenset(("s3:ListAllMyBuckets",))
"""asked where the name of a stack's bucket is another account's, which no sample's is"""

PUSH = frozenset(
    (
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:GetAuthorizationToken",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    )
)
"""what a container engine does with its token ("IAM permissions for pushing an image", Amazon ECR
User Guide), and the token"""


def changed(wanted: stack.Stack) -> stack.Stack:
    """What most often changes in a file, and the parts that may go without losing data."""
    return replace(
        wanted,
        tags={**wanted.tags, "changed": "yes"},
        access=replace(wanted.access, clients=("10.0.0.0/8",)),
        balancer=replace(
            wanted.balancer,
            idle_timeout_s=61,
            health=replace(wanted.balancer.health, interval_s=11),
        ),
        # moto forgets a group's mixed instances when its size is updated.
        group=replace(wanted.group, max=wanted.group.max + (wanted.instances.mixed is None)),
        logs=replace(wanted.logs, retention_days=7),
        policy=(),
        alarm=(),
        schedule=(),
        topic=None,
        controller=None,
    )


def live(name: str, front: Front, folder: Path) -> list[Call]:
    """The calls of every command, for one sample."""
    wanted = sample(name, folder)
    here = account(front, wanted.region)
    front.reset()
    outcome = stack.apply(stack.make_plan(wanted, here), here)
    if wanted.containers is not None:
        publish(wanted, front)
        outcome = stack.apply(stack.make_plan(wanted, here), here)
    assert outcome.complete, outcome.failed
    (standing,) = sweep.standing(here)
    status.look(here, standing.owner)
    list(LogReader(here, standing.owner).since(timedelta(minutes=1)))
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    again = stack.apply(stack.make_plan(changed(wanted), here, expires=past), here)
    assert again.complete, again.failed
    (outlived,) = sweep.standing(here)
    assert outlived.outlived(datetime.now(timezone.utc))
    gone = converge.destroy(outlived.owner, here)
    assert gone.complete, (gone.failed, gone.left)
    return front.calls


@pytest.fixture(scope="module")
def lives(
    front_before_moto: Front, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[Call]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        folder = tmp_path_factory.mktemp("packages")
        yield {name: live(name, front_before_moto, folder) for name in SAMPLES}


def needed(lives: dict[str, list[Call]]) -> set[str]:
    return {action for calls in lives.values() for call in calls for action in actions(call)}


def operator_documents() -> list[dict[str, Any]]:
    return [json.loads((EXAMPLES / name).read_text()) for name in POLICIES]


def test_the_operator_may_make_every_call(lives: dict[str, list[Call]]) -> None:
    documents = operator_documents()
    assert {each for each in needed(lives) if not allows(documents, each)} == set()


def test_the_operator_may_do_nothing_else(lives: dict[str, list[Call]]) -> None:
    allowed = {each for one in statements(operator_documents()) for each in named(one, "Action")}
    assert allowed - needed(lives) == IN_PLACE | NAME_TAKEN | PUSH
    source = "".join(path.read_text() for path in Path(stack.__file__).parent.rglob("*.py"))
    called = {each for each in IN_PLACE if xform_name(each.partition(":")[2]) in source}
    assert called == IN_PLACE


def test_the_operator_passes_and_changes_roles_of_stacks_alone() -> None:
    documents = operator_documents()
    ours = "arn:aws:iam::123456789012:role/loadcore/eu-central-1/likes/likes-instances"
    other = "arn:aws:iam::123456789012:role/admin"
    to_ec2 = {"iam:PassedToService": "ec2.amazonaws.com"}
    assert allows(documents, "iam:PassRole", ours, to_ec2)
    assert not allows(documents, "iam:PassRole", other, to_ec2)
    assert not allows(documents, "iam:PassRole", ours, {"iam:PassedToService": "x.amazonaws.com"})
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRole"):
        assert allows(documents, action, ours, {})
        assert not allows(documents, action, other, {})


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_no_longer_than_iam_takes(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert len("".join(text.split())) <= POLICY_CHARACTERS_MAX


# --- the roles that a stack makes

OWNER = "123456789012"
OF_THE_SERVICE = frozenset(TABLE_ACTIONS)
"""what the deployed service itself may do with its table"""


def role_documents(front: Front, region: str, name: str) -> list[dict[str, Any]]:
    iam = client(front.moto_url, "iam", region)
    (role,) = [each for each in iam.list_roles()["Roles"] if name in each["RoleName"]]
    policies = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    return [
        iam.get_role_policy(RoleName=role["RoleName"], PolicyName=each)["PolicyDocument"]
        for each in policies
    ]


def assert_just_enough(documents: list[dict[str, Any]], calls: list[Call]) -> None:
    """Everything was allowed, where it was made and nowhere else; and nothing more is."""
    taken: set[str] = set()
    for call in calls:
        where = resource(call, OWNER)
        for action in actions(call):
            taken.add(action)
            assert allows(documents, action, where), (action, where)
            if where != "*":
                for other in (where.replace("likes-", "other-"), f"{where.partition('/')[0]}/x"):
                    assert not allows(documents, action, other), (action, other)
    allowed = {each for one in statements(documents) for each in named(one, "Action")}
    assert allowed - OF_THE_SERVICE == taken


def test_an_instance_may_do_what_it_does(aws: Front, tmp_path: Path) -> None:
    wanted = sample("full", tmp_path)
    here = account(aws, wanted.region)
    assert stack.apply(stack.make_plan(wanted, here), here).complete
    documents = role_documents(aws, wanted.region, "instances")
    (standing,) = sweep.standing(here)
    group = standing.owner.physical("main")
    (hook,) = here.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=group)[
        "LifecycleHooks"
    ]
    s3 = client(aws.moto_url, "s3", wanted.region)
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    key = s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"]
    aws.forget_calls()

    with imds_server() as imds:
        clock = Clock()
        imds.categories["autoscaling/target-lifecycle-state"] = "Terminated"
        told = Settings(
            wanted.name, wanted.region, group=group, hook=hook["LifecycleHookName"], drain_s=60
        )
        around = drain.Surroundings(
            Imds(imds.url, clock=clock),
            here.client("autoscaling"),
            lambda _: None,
            clock,
            clock.sleep,
            Systemctl(clock).start,
        )
        drain.watch(told, around)
    lines = Batch()
    lines.take(Entry(int(time.time() * 1000), "a line", "c"))
    name = f"/loadcore/{wanted.name}"
    Stream(here.client("logs"), name, "i-1", lambda _: None, lambda _: None).put(lines)
    here.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert_just_enough(documents, aws.calls)


def test_the_controller_may_do_what_it_does(
    aws: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its handler here, with the file that the stack packs into it."""
    wanted = sample("full", tmp_path)
    here = account(aws, wanted.region)
    assert stack.apply(stack.make_plan(wanted, here), here).complete
    assert wanted.controller is not None
    control = config.read(Path(wanted.controller.file))
    assert isinstance(control.figure, config.Queue)
    queues = client(aws.moto_url, "sqs", wanted.region)
    url = queues.create_queue(QueueName=control.figure.queue)["QueueUrl"]
    for _ in range(2):
        queues.send_message(QueueUrl=url, MessageBody="job")
    raised = replace(
        control,
        scale_out=replace(control.scale_out, above=0.5, for_times=1),
        scale_in=replace(control.scale_in, below=0.1),
    )
    monkeypatch.setattr(config, "read", lambda _: raised)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    aws.forget_calls()
    report = aws_lambda.handler({}, SimpleNamespace(function_name="likes-full-controller"))
    assert report["action"] == "out"
    calls = aws.calls
    documents = role_documents(aws, wanted.region, "controller")
    # Lambda's own runtime writes the log.
    own = [each for each in statements(documents) if each["Sid"] != "Log"]
    assert_just_enough([{"Statement": own}], calls)
