"""Faults by rule: which calls are hit, and what AWS would say there, in the service's own words.

Codes are those of each service's API reference ("Common errors" and the action's own); EC2's are in
"Error codes for the Amazon EC2 API".
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aws_front.answers import Answer, error

if TYPE_CHECKING:
    from aws_front.actions import Request

Kind: TypeAlias = Literal[
    "throttle",  # refused before anything happened, and worth another try
    "timeout_after_success",  # carried out, and then the connection ends without an answer
    "denied",  # the caller's policies do not allow it
    "dependency",  # something else still uses it
    "not_yet",  # what was made a moment ago is not visible yet
    "server_error",  # 500, nothing happened
    "error",  # the rule's own code, message and status
]
KINDS: tuple[Kind, ...] = (
    "throttle",
    "timeout_after_success",
    "denied",
    "dependency",
    "not_yet",
    "server_error",
)

Said: TypeAlias = "tuple[str, int]"
"""Error code and HTTP status."""

THROTTLE: dict[str, Said] = {
    "ec2": ("RequestLimitExceeded", 503),
    "s3": ("SlowDown", 503),
    "lambda": ("TooManyRequestsException", 429),
    "scheduler": ("ThrottlingException", 429),
    "query": ("Throttling", 400),
    "": ("ThrottlingException", 400),
}
DENIED: dict[str, Said] = {
    "ec2": ("UnauthorizedOperation", 403),
    "sns": ("AuthorizationError", 403),
    "s3": ("AccessDenied", 403),
    "query": ("AccessDenied", 403),
    "lambda": ("AccessDeniedException", 403),
    "scheduler": ("AccessDeniedException", 403),
    "": ("AccessDeniedException", 400),
}
SERVER_ERROR: dict[str, Said] = {
    "ec2": ("InternalError", 500),
    "s3": ("InternalError", 500),
    "dynamodb": ("InternalServerError", 500),
    "lambda": ("ServiceException", 500),
    "rds": ("InternalFailure", 500),
    "iam": ("ServiceFailure", 500),
    "sns": ("InternalError", 500),
    "query": ("InternalFailure", 500),
    "ecs": ("ServerException", 500),
    "ecr": ("ServerException", 500),
    "ssm": ("InternalServerError", 500),
    "secretsmanager": ("InternalServiceError", 500),
    "application-autoscaling": ("InternalServiceException", 500),
    "events": ("InternalException", 500),
    "logs": ("ServiceUnavailableException", 500),
    "": ("InternalFailure", 500),
}
DEPENDENCY: dict[str, Said] = {
    "ec2": ("DependencyViolation", 400),
    "iam": ("DeleteConflict", 409),
    "autoscaling": ("ResourceInUse", 400),
    "elbv2": ("ResourceInUse", 400),
    "rds.DeleteDBSubnetGroup": ("InvalidDBSubnetGroupStateFault", 400),
    "rds": ("InvalidDBInstanceState", 400),
    "s3.DeleteBucket": ("BucketNotEmpty", 409),
    "s3": ("OperationAborted", 409),
    "dynamodb": ("ResourceInUseException", 400),
    "ecs.DeleteCluster": ("ClusterContainsServicesException", 400),
    "ecs": ("UpdateInProgressException", 400),
    "ecr": ("RepositoryNotEmptyException", 400),
    "lambda": ("ResourceConflictException", 409),
    "logs": ("OperationAbortedException", 400),
    "sns": ("ConcurrentAccess", 400),
    "events": ("ConcurrentModificationException", 400),
    "scheduler": ("ConflictException", 409),
    "secretsmanager": ("InvalidRequestException", 400),
    "application-autoscaling": ("ConcurrentUpdateException", 500),
    "": ("ResourceInUseException", 400),
}
NOT_YET: dict[str, Said] = {
    "iam": ("NoSuchEntity", 404),
    "autoscaling": ("ValidationError", 400),
    "rds.CreateDBInstance": ("DBSubnetGroupNotFoundFault", 404),
    "rds": ("DBInstanceNotFound", 404),
    "s3": ("NoSuchBucket", 404),
    "sns": ("NotFound", 404),
    "sqs": ("AWS.SimpleQueueService.NonExistentQueue", 400),
    "ssm": ("ParameterNotFound", 400),
    "cloudwatch": ("ResourceNotFound", 404),
    "ecs.CreateService": ("InvalidParameterException", 400),
    "ecs": ("ClusterNotFoundException", 400),
    "ecr": ("RepositoryNotFoundException", 400),
    "application-autoscaling": ("ObjectNotFoundException", 400),
    "lambda.CreateFunction": ("InvalidParameterValueException", 400),
    "lambda": ("ResourceNotFoundException", 404),
    "scheduler": ("ResourceNotFoundException", 404),
    "": ("ResourceNotFoundException", 400),
}
# EC2 and load balancing name the kind of thing that is missing: the parameter tells which it is.
NOT_YET_BY_PARAMETER = {
    "ec2": {
        "NatGatewayId": "NatGatewayNotFound",
        "AllocationId": "InvalidAllocationID.NotFound",
        "InternetGatewayId": "InvalidInternetGatewayID.NotFound",
        "RouteTableId": "InvalidRouteTableID.NotFound",
        "SubnetId": "InvalidSubnetID.NotFound",
        "GroupId": "InvalidGroup.NotFound",
        "LaunchTemplateId": "InvalidLaunchTemplateId.NotFound",
        "LaunchTemplateName": "InvalidLaunchTemplateName.NotFoundException",
        "InstanceId": "InvalidInstanceID.NotFound",
        "ImageId": "InvalidAMIID.NotFound",
        "SnapshotId": "InvalidSnapshot.NotFound",
        "VpcId": "InvalidVpcID.NotFound",
        "ResourceId": "InvalidID",
    },
    "elbv2": {
        "TargetGroupArn": "TargetGroupNotFound",
        "ListenerArn": "ListenerNotFound",
        "LoadBalancerArn": "LoadBalancerNotFound",
        "Subnets": "SubnetNotFound",
    },
}
PROFILE_UNSEEN = "Value ({name}) for parameter iamInstanceProfile.name is invalid. "
PROFILE_UNSEEN += "Invalid IAM Instance Profile name"
# Codes that say many things: only the message tells that waiting helps.
NOT_YET_MESSAGES = {
    "RunInstances": PROFILE_UNSEEN.format(name="of the call"),
    "CreateLaunchTemplate": PROFILE_UNSEEN.format(name="of the template"),
    "CreateAutoScalingGroup": "You must use a valid fully-formed launch template. "
    + PROFILE_UNSEEN.format(name="of the template"),
    "CreateFunction": "The role defined for the function cannot be assumed by Lambda.",
    "CreateService": "Unable to assume the role and validate the specified target group.",
}

MESSAGES = {
    "throttle": "Rate exceeded",
    "denied": "is not authorized to perform: {service}:{action}",
    "dependency": "has a dependent object and cannot be changed or deleted",
    "not_yet": "does not exist",
    "server_error": "An internal error has occurred. Retry your request.",
}


_TOKEN = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
READS = ("Describe", "List", "Get", "Head", "Lookup", "Filter")


@dataclass(frozen=True)
class Rule:
    """Hits calls of `service` and `action` (empty: of any). `nth` counts those calls from 1, from
    when the rule was made; 0 hits every one. `times` limits how often it hits; 0 does not. With
    `each` it hits the first of all calls that are alike, and with `writes` only those that change
    something."""

    kind: Kind
    service: str = ""
    action: str = ""
    nth: int = 0
    times: int = 0
    code: str = ""
    message: str = ""
    status: int = 400
    each: bool = False
    writes: bool = False

    def matches(self, request: Request) -> bool:
        if self.writes and request.action.startswith(READS):
            return False
        return self.service in ("", request.service) and self.action in ("", request.action)

    def answer(self, request: Request) -> Answer | None:
        """None where the call is carried out and left unanswered."""
        if self.kind == "timeout_after_success":
            return None
        if self.kind == "error":
            return error(request, self.code, self.message, self.status)
        code, status = said(self.kind, request)
        message = MESSAGES[self.kind].format(service=request.service, action=request.action)
        if self.kind == "not_yet":
            message = NOT_YET_MESSAGES.get(request.action, message)
        return error(request, code, message, status)


def said(kind: Kind, request: Request) -> Said:
    table = {
        "throttle": THROTTLE,
        "denied": DENIED,
        "dependency": DEPENDENCY,
        "not_yet": NOT_YET,
        "server_error": SERVER_ERROR,
    }[kind]
    if kind == "not_yet" and request.service in NOT_YET_BY_PARAMETER:
        return _not_yet_by_parameter(request)
    for key in (f"{request.service}.{request.action}", request.service, request.protocol):
        if key in table:
            return table[key]
    return table[""]


def _not_yet_by_parameter(request: Request) -> Said:
    if request.action in ("RunInstances", "CreateLaunchTemplate"):
        return ("InvalidParameterValue", 400)
    for parameter, code in NOT_YET_BY_PARAMETER[request.service].items():
        if any(key == parameter or key.startswith(parameter + ".") for key in request.parameters):
            return (code, 400)
    return ("InvalidID" if request.service == "ec2" else "TargetGroupNotFound", 400)


def likeness(request: Request) -> tuple[str, ...]:
    """The same for calls that ask for the same; idempotency tokens do not count, wherever they are
    written."""
    path = request.target.partition("?")[0]
    asked = _TOKEN.sub("", repr(sorted(request.parameters.items())))
    return (request.service, request.action, request.method, path, asked)


class Rules:
    """The rules in force; several threads may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._seen: list[int] = []
        self._hits: list[int] = []
        self._alike: set[tuple[str, ...]] = set()

    def add(self, rule: Rule) -> None:
        with self._lock:
            self._rules.append(rule)
            self._seen.append(0)
            self._hits.append(0)

    def clear(self) -> None:
        with self._lock:
            self._rules, self._seen, self._hits = [], [], []
            self._alike = set()

    @property
    def hits(self) -> int:
        """How many calls have been hit."""
        with self._lock:
            return sum(self._hits)

    def take(self, request: Request) -> Rule | None:
        """The first rule that hits this call; every rule that it matches counts it."""
        with self._lock:
            taken = None
            for index, rule in enumerate(self._rules):
                if not rule.matches(request):
                    continue
                self._seen[index] += 1
                due = rule.nth in (0, self._seen[index])
                spent = rule.times and self._hits[index] >= rule.times
                if rule.each:
                    alike = likeness(request)
                    due = alike not in self._alike
                    self._alike.add(alike)
                if taken is None and due and not spent:
                    self._hits[index] += 1
                    taken = rule
            return taken
