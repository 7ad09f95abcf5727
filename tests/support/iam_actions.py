"""Which IAM actions a call takes, and what a policy document allows.

Sources: Service Authorization Reference, "Actions, resources, and condition keys" of each service;
IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_front.front import Call

Documents = Iterable[Mapping[str, Any]]

PREFIXES = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}
"""where IAM's is not boto3's name of the service"""

OTHER_NAMES = {
    "s3.ListBuckets": {"s3:ListAllMyBuckets"},
    "s3.ListObjectsV2": {"s3:ListBucket"},
    "s3.ListObjectVersions": {"s3:ListBucketVersions"},
    "s3.HeadObject": {"s3:GetObject"},
    # Of versions; which ones is in the body.
    "s3.DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3.GetBucketEncryption": {"s3:GetEncryptionConfiguration"},
    "s3.PutBucketEncryption": {"s3:PutEncryptionConfiguration"},
    "s3.GetBucketLifecycleConfiguration": {"s3:GetLifecycleConfiguration"},
    "s3.PutBucketLifecycleConfiguration": {"s3:PutLifecycleConfiguration"},
    "s3.GetPublicAccessBlock": {"s3:GetBucketPublicAccessBlock"},
    "s3.PutPublicAccessBlock": {"s3:PutBucketPublicAccessBlock"},
    "sts.GetCallerIdentity": set(),  # always allowed (AWS STS API Reference)
}

PASS_ROLE = "iam:PassRole"
SERVICE_ROLE = "iam:CreateServiceLinkedRole"
_LAUNCH = {PASS_ROLE, "ec2:RunInstances", "ec2:CreateTags"}

FURTHER = {
    # "Amazon EC2 Auto Scaling API permissions", Amazon EC2 Auto Scaling User Guide
    "autoscaling.CreateAutoScalingGroup": {
        *_LAUNCH,
        SERVICE_ROLE,
        "autoscaling:CreateOrUpdateTags",
    },
    "autoscaling.UpdateAutoScalingGroup": _LAUNCH,
    "autoscaling.StartInstanceRefresh": _LAUNCH,
    "ec2.RunInstances": {PASS_ROLE},
    # CreateBucket with tags (Amazon S3 API Reference)
    "s3.CreateBucket": {"s3:TagResource"},
    # "Elastic Load Balancing API permissions", Elastic Load Balancing User Guide
    "elbv2.CreateLoadBalancer": {
        SERVICE_ROLE,
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    },
    "elbv2.CreateTargetGroup": {"ec2:DescribeInternetGateways", "ec2:DescribeVpcs"},
    "elbv2.SetSubnets": {"ec2:DescribeSubnets"},
    "iam.AddRoleToInstanceProfile": {PASS_ROLE},
    "lambda.CreateFunction": {PASS_ROLE, "lambda:TagResource"},
    # For tagged functions ("Using tags on Lambda functions", AWS Lambda Developer Guide)
    "lambda.GetFunction": {"lambda:ListTags"},
    "ecs.RegisterTaskDefinition": {PASS_ROLE},
    "ecs.CreateCluster": {SERVICE_ROLE},
    "ecs.CreateService": {SERVICE_ROLE},
    # "IAM permissions required for Amazon ECS service auto scaling", Amazon ECS Developer Guide
    "application-autoscaling.RegisterScalableTarget": {
        SERVICE_ROLE,
        "ecs:DescribeServices",
        "ecs:UpdateService",
    },
    "application-autoscaling.PutScalingPolicy": {
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricAlarm",
    },
    "application-autoscaling.DeleteScalingPolicy": {"cloudwatch:DeleteAlarms"},
    # "Password management with Amazon RDS and AWS Secrets Manager", Amazon RDS User Guide
    "rds.CreateDBInstance": {
        SERVICE_ROLE,
        "kms:DescribeKey",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    },
}

TAG_ACTIONS = {
    "application-autoscaling": "application-autoscaling:TagResource",
    "cloudwatch": "cloudwatch:TagResource",
    "dynamodb": "dynamodb:TagResource",
    "ec2": "ec2:CreateTags",
    "ecr": "ecr:TagResource",
    "ecs": "ecs:TagResource",
    "elbv2": "elasticloadbalancing:AddTags",
    "events": "events:TagResource",
    "lambda": "lambda:TagResource",
    "logs": "logs:TagResource",
    "rds": "rds:AddTagsToResource",
    "sns": "sns:TagResource",
}
"""to tag in the call that makes"""

MAKERS = ("Allocate", "Create", "Put", "Register", "Run")
IAM_TAGS = {"CreateRole": "iam:TagRole", "CreateInstanceProfile": "iam:TagInstanceProfile"}


def actions(call: Call) -> set[str]:
    """All that IAM asks for when the call is made."""
    prefix = PREFIXES.get(call.service, call.service)
    needed = set(OTHER_NAMES.get(call.name, {f"{prefix}:{call.action}"}))
    if call.name == "s3.DeleteObject" and "versionId" in call.parameters:
        needed = {"s3:DeleteObjectVersion"}
    needed |= FURTHER.get(call.name, set())
    if call.service == "iam" and call.action in IAM_TAGS:
        needed.add(IAM_TAGS[call.action])
    if call.action.startswith(MAKERS) and _tagged(call.parameters):
        needed |= {TAG_ACTIONS[call.service]} if call.service in TAG_ACTIONS else set()
    return needed


def _tagged(parameters: Mapping[str, Any]) -> bool:
    """Lists of the query protocols are flat, as in `TagSpecification.1.Tag.1.Key`."""
    return any(
        re.match(r"(tags?|TagSpecification)(\.|$)", key, re.IGNORECASE) for key in parameters
    )


def statements(documents: Documents) -> list[Mapping[str, Any]]:
    return [statement for document in documents for statement in document["Statement"]]


def named(statement: Mapping[str, Any], element: str) -> list[str]:
    """The texts of an element that may hold one or a list of them."""
    value = statement[element]
    return [value] if isinstance(value, str) else list(value)


def allows(
    documents: Documents,
    action: str,
    resource: str | None = None,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Whether the documents together allow it: a denial outweighs everything. `context` are the
    condition keys of the request; without one nothing is asked of conditions, and without a
    resource nothing of resources."""
    effects = {
        statement["Effect"]
        for statement in statements(documents)
        if any(_like(action, each, fold=True) for each in named(statement, "Action"))
        and (
            resource is None or any(_like(resource, each) for each in named(statement, "Resource"))
        )
        and (context is None or _met(statement.get("Condition", {}), context))
    }
    return effects == {"Allow"}


def _like(text: str, pattern: str, *, fold: bool = False) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.IGNORECASE if fold else 0) is not None


def _met(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    for operator, keys in conditions.items():
        if operator not in ("StringEquals", "StringLike"):
            raise NotImplementedError(operator)  # so that no condition is passed over
        for key, wanted in keys.items():
            values = [wanted] if isinstance(wanted, str) else wanted
            given = context.get(key)
            equal = operator == "StringEquals"
            if given is None or not any(
                given == each if equal else _like(given, each) for each in values
            ):
                return False
    return True


def resource(call: Call, account: str) -> str:
    """The ARN that the calls of instances and controllers are checked against; "*" for actions that
    know no resources."""
    here, told = f"{call.region}:{account}", call.parameters
    if call.service == "autoscaling" and not call.action.startswith("Describe"):
        name = told.get("AutoScalingGroupName") or told["Tags.member.1.ResourceId"]
        return f"arn:aws:autoscaling:{here}:autoScalingGroup:id:autoScalingGroupName/{name}"
    if call.service == "logs":
        group, stream = told["logGroupName"], told["logStreamName"]
        return f"arn:aws:logs:{here}:log-group:{group}:log-stream:{stream}"
    if call.service == "s3":
        return f"arn:aws:s3:::{told['Bucket']}/{told['Key']}"
    if call.service == "sqs":
        name = told.get("QueueName") or told["QueueUrl"].rpartition("/")[2]
        return f"arn:aws:sqs:{here}:{name}"
    return "*"
