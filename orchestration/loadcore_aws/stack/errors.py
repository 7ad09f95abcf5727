"""What an error of AWS means for the step that met it."""

from __future__ import annotations

from enum import Enum

from botocore import exceptions as botocore_exceptions
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

import loadcore as lc
from loadcore_aws._plain import plain
from loadcore_aws.session import credentials_error, is_of_credentials


class Meaning(Enum):
    THROTTLED = "refused for now; nothing happened"
    UNKNOWN = "no answer: it may have happened or not"
    NOT_YET = "something just made is not visible everywhere yet"
    IN_USE = "something else still uses it"
    GONE = "it does not exist"
    REFUSED = "it will be refused again"


THROTTLED = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "RequestThrottledException", "RequestLimitExceeded", "TooManyRequestsException",
    "TooManyRequests", "SlowDown", "PriorRequestNotComplete", "BandwidthLimitExceeded",
    "ProvisionedThroughputExceededException", "TransactionInProgressException",
    "InstanceRefreshInProgress",
    "EC2ThrottledException", "Client.RequestLimitExceeded", "ResourceContention",
    "ScalingActivityInProgress", "OperationAborted", "OperationAbortedException",
    "ConcurrentAccess", "ConcurrentModification", "ConcurrentModificationException",
    "ConcurrentUpdateException", "ConflictException", "IncorrectState",
    "ResourceConflictException", "UpdateInProgressException",
    "ContinuousBackupsUnavailableException", "EntityTemporarilyUnmodifiable",
}  # fmt: skip
UNKNOWN = {
    "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError",
    "ServiceUnavailable", "ServiceUnavailableException", "Unavailable", "RequestTimeout",
    "RequestTimeoutException", "ServiceException", "ServerException",
}  # fmt: skip
IN_USE = {
    "DependencyViolation", "DeleteConflict", "ResourceInUse", "ResourceInUseException",
    "BucketNotEmpty", "InvalidIPAddress.InUse", "ClusterContainsServicesException",
    "ClusterContainsTasksException", "InvalidDBSubnetGroupStateFault", "InvalidDBInstanceState",
    "InvalidGroup.InUse", "InvalidSnapshot.InUse", "RepositoryNotEmptyException",
}  # fmt: skip
USED = ("pending delete", "since it has targets")  # of Auto Scaling groups, EventBridge's rules
INVALID = {
    "InvalidParameterValue", "InvalidParameterValueException", "InvalidParameterCombination",
    "InvalidParameterException", "InvalidParameter", "ValidationError", "ValidationException",
}  # fmt: skip
UNSEEN = (
    "instance profile",
    "iaminstanceprofile",
    "cannot be assumed",
    "unable to assume",
    "does not exist",
    "doesn't exist",
    "does not have an associated load balancer",
    "not found",
    "service linked role",
    "service-linked role",
)
# The last is what a proxy answers in the place of AWS.
LOST = (botocore_exceptions.ConnectionError, HTTPClientError, ResponseParserError)
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
UNKNOWN_CALLER = {
    "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "SignatureDoesNotMatch",
    "InvalidAccessKeyId", "IncompleteSignature",
}  # fmt: skip
DENIED = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError",
    "AuthorizationErrorException", "403",
}  # fmt: skip


def code_of(error: BaseException) -> str:
    """AWS's code, such as DependencyViolation; empty for what is no answer of AWS."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def message_of(error: BaseException) -> str:
    """As a terminal may have it: a message may quote what others wrote."""
    if isinstance(error, ClientError):
        return plain(str(error.response["Error"].get("Message", "") or code_of(error)))
    return plain(str(error))


def meaning(error: BaseException) -> Meaning:
    if isinstance(error, LOST):
        return Meaning.UNKNOWN
    if not isinstance(error, ClientError):
        return Meaning.REFUSED
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = message_of(error)
    if code in THROTTLED or status == 429 or "still draining" in message.lower():  # an ECS service
        return Meaning.THROTTLED
    if code in IN_USE or any(words in message for words in USED):
        return Meaning.IN_USE
    if code in UNKNOWN or status >= 500:
        return Meaning.UNKNOWN
    if _is_not_yet(code, message):
        return Meaning.NOT_YET
    if _is_gone(code):
        return Meaning.GONE
    return Meaning.REFUSED


def _is_not_yet(code: str, message: str) -> bool:
    """What was just made is not visible to every service at once ("Troubleshooting IAM", AWS IAM
    User Guide), and those that take it by name say so in words of their own."""
    if code not in INVALID:
        return False
    lowered = message.lower()
    return any(words in lowered for words in UNSEEN)


def _is_gone(code: str) -> bool:
    if code == "CertificateNotFound":
        return False  # the file names it, and no step makes it
    return (
        code.endswith(("NotFound", "NotFoundException", "NotFoundFault"))
        or code.startswith("NoSuch")
        or code in {"404", "InvalidID", "InvalidAMIID.Unavailable", "ServiceNotActiveException"}
    )


def explained(error: BaseException, doing: str) -> lc.LoadcoreError:
    """One sentence with the remedy, for an error that stays."""
    if isinstance(error, lc.LoadcoreError):
        return error
    code, message = code_of(error), " ".join(message_of(error).split())
    if is_of_credentials(error):
        return credentials_error(error, message)
    if code in EXPIRED:
        return lc.RunError("the AWS credentials have expired; sign in again and repeat the command")
    if code in UNKNOWN_CALLER:
        return lc.RunError(f"AWS does not know these credentials ({code}); check AWS_PROFILE, "
                           "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")  # fmt: skip
    if code in DENIED:
        return lc.RunError(f"{doing}: not allowed for these credentials: {message}; ask for that "
                           "permission and repeat the command")  # fmt: skip
    if _is_quota(code):
        return lc.RunError(f"{doing}: a quota of the account is reached ({code}): {message}; raise "
                           "it in Service Quotas or remove what is not needed, then repeat the "
                           "command")  # fmt: skip
    if _is_taken(code):
        return lc.RunError(f"{doing}: the name is taken by something that is not of this stack "
                           f"({code}): {message}; give the stack another name")  # fmt: skip
    if isinstance(error, LOST):
        return lc.RunError(f"{doing}: AWS does not answer: {message}; check the network and the "
                           "region, then repeat the command")  # fmt: skip
    if isinstance(error, (ClientError, BotoCoreError)):
        return lc.RunError(f"{doing}: AWS refused it ({code or type(error).__name__}): {message}")
    return lc.RunError(f"{doing}: {type(error).__name__}: {message}")


def _is_quota(code: str) -> bool:
    if code in THROTTLED:
        return False
    return code.endswith(("LimitExceeded", "QuotaExceeded", "LimitExceededException",
                          "QuotaExceededException", "QuotaExceededFault")) or code in {
        "TooManyLoadBalancers", "TooManyTargetGroups", "TooManyBuckets",
        "InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded",
    }  # fmt: skip


def _is_taken(code: str) -> bool:
    return "AlreadyExist" in code or code in {
        "BucketAlreadyOwnedByYou", "DuplicateLoadBalancerName", "DuplicateTargetGroupName",
        "InvalidGroup.Duplicate", "EntityAlreadyExists",
    }  # fmt: skip
