"""What instances may do: fetch their package, write their log, and end their own lifecycle hook;
the table and the database's password only where there are such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.design import package
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

POLICY_VERSION = "2012-10-17"
"""of the policy language (IAM JSON policy elements: Version, IAM User Guide)"""

EC2 = "ec2.amazonaws.com"
EC2_IN_CHINA = "ec2.amazonaws.com.cn"
"""IAM refuses the other one there, which it does not for most services."""

TABLE_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.containers is not None:
        return []
    service = EC2_IN_CHINA if facts.partition == "aws-cn" else EC2
    profile = {"roles": [Ref("role.instances")]}
    return [
        role("instances", service, {"instances": document(_statements(stack, facts))}),
        Resource("instance_profile", "instances", profile),
    ]


def role(name: str, service: str, policies: dict[str, Any]) -> Resource:
    """In which that service may act, with these policies and no others."""
    settings = {"trust": trust(service), "policies": policies, "attached": []}
    return Resource("role", name, settings)


def trust(service: str) -> dict[str, Any]:
    """The policy document with which that service may act in a role."""
    return document(
        [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]
    )


def document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": POLICY_VERSION, "Statement": statements}


def allow(name: str, actions: tuple[str, ...], *resources: str | Ref) -> dict[str, Any]:
    return {
        "Sid": name,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": list(resources),
    }


def data_statements(stack: Stack) -> list[dict[str, Any]]:
    """For whatever runs the service, instances and containers alike."""
    statements = []
    if stack.table is not None:
        statements.append(allow("Table", TABLE_ACTIONS, Ref("table.main", "arn")))
    if stack.database is not None:
        action = ("secretsmanager:GetSecretValue",)
        statements.append(allow("DatabasePassword", action, Ref("database.main", "secret")))
    return statements


def _statements(stack: Stack, facts: Facts) -> list[dict[str, Any]]:
    """ARNs are written out where names are known before the thing is made: the role must not wait
    for the group, which needs it."""
    owner = Owner(stack.name, facts.region, facts.account)
    here = f"{facts.region}:{facts.account}"
    group = f"arn:{facts.partition}:autoscaling:{here}:autoScalingGroup:*"
    log = f"arn:{facts.partition}:logs:{here}:log-group:/loadcore/{stack.name}"
    return [
        allow("Package", ("s3:GetObject",), package.objects_arn(stack, facts)),
        allow("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), f"{log}:*"),
        allow(
            "Drain",
            ("autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"),
            f"{group}:autoScalingGroupName/{owner.physical('main')}",
        ),
        *data_statements(stack),
    ]
