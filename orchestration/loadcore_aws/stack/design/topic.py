"""Who is told of alarms and scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.topic is None:
        return []
    topic = Resource("topic", "main", {"policy": _policy(stack, facts), "key": ""})
    return [
        topic,
        *(
            Resource("subscription", email, {"topic": Ref(topic.address), "email": email})
            for email in sorted(set(stack.topic.emails))
        ),
    ]


def _policy(stack: Stack, facts: Facts) -> dict[str, Any]:
    """Alarms of this account and region may publish ("Access policy language", CloudWatch alarms
    and SNS: a service needs a statement of its own, kept to its account against being used by
    another's alarms). Auto Scaling publishes with its service-linked role, which the account's own
    rights are enough for.
    """
    owner = Owner(stack.name, facts.region, facts.account)
    here = f"{facts.region}:{facts.account}"
    alarms = f"arn:{facts.partition}:cloudwatch:{here}:alarm:*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Alarms",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": f"arn:{facts.partition}:sns:{here}:{owner.physical('main')}",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": facts.account},
                    "ArnLike": {"aws:SourceArn": alarms},
                },
            }
        ],
    }
