"""The front before moto's server: what it records, injects, answers in moto's place and counts."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from aws_front.account import ONCE, REGION, client, refusal
from aws_front.faults import KINDS
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

if TYPE_CHECKING:
    from aws_front.faults import Kind
    from aws_front.front import Front


def cbor_client(aws: Front) -> Any:
    """CloudWatch as boto3 would speak to it if it preferred CBOR."""
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    model = json.loads(json.dumps(loader.load_service_model("cloudwatch", "service-2")))
    model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
    plain = loader.load_service_model
    loader.load_service_model = lambda name, kind, api_version=None: (
        model if (name, kind) == ("cloudwatch", "service-2") else plain(name, kind, api_version)
    )
    return session.create_client(
        "cloudwatch", region_name=REGION, endpoint_url=aws.url, config=ONCE
    )


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "ec2.DeleteSubnet": ("delete_subnet", {"SubnetId": "subnet-1"}),
    "autoscaling.DeleteAutoScalingGroup": (
        "delete_auto_scaling_group",
        {"AutoScalingGroupName": "no"},
    ),
    "elbv2.DeleteTargetGroup": ("delete_target_group", {"TargetGroupArn": "arn:no"}),
    "iam.DeleteRole": ("delete_role", {"RoleName": "no"}),
    "rds.DeleteDBInstance": ("delete_db_instance", {"DBInstanceIdentifier": "no"}),
    "sns.DeleteTopic": ("delete_topic", {"TopicArn": "arn:no"}),
    "sts.GetCallerIdentity": ("get_caller_identity", {}),
    "s3.DeleteBucket": ("delete_bucket", {"Bucket": "none-of-it"}),
    "lambda.DeleteFunction": ("delete_function", {"FunctionName": "no"}),
    "scheduler.DeleteSchedule": ("delete_schedule", {"Name": "no"}),
    "dynamodb.DeleteTable": ("delete_table", {"TableName": "none"}),
    "sqs.DeleteQueue": ("delete_queue", {"QueueUrl": "http://127.0.0.1/1/q"}),
    "cloudwatch.DeleteAlarms": ("delete_alarms", {"AlarmNames": ["no"]}),
    "logs.DeleteLogGroup": ("delete_log_group", {"logGroupName": "no"}),
    "ssm.GetParameter": ("get_parameter", {"Name": "no"}),
    "ecr.DeleteRepository": ("delete_repository", {"repositoryName": "no"}),
    "ecs.DeleteCluster": ("delete_cluster", {"cluster": "no"}),
    "events.DeleteRule": ("delete_rule", {"Name": "no"}),
    "secretsmanager.DeleteSecret": ("delete_secret", {"SecretId": "no"}),
    "application-autoscaling.DescribeScalableTargets": (
        "describe_scalable_targets",
        {"ServiceNamespace": "ecs"},
    ),
    "resourcegroupstaggingapi.GetResources": ("get_resources", {}),
}

# What AWS says, by kind: the services differ, and so do the codes that callers must know.
SAID: dict[str, dict[str, str]] = {
    "ec2.DeleteSubnet": {
        "throttle": "RequestLimitExceeded",
        "denied": "UnauthorizedOperation",
        "dependency": "DependencyViolation",
        "not_yet": "InvalidSubnetID.NotFound",
        "server_error": "InternalError",
    },
    "autoscaling.DeleteAutoScalingGroup": {
        "throttle": "Throttling",
        "denied": "AccessDenied",
        "dependency": "ResourceInUse",
        "not_yet": "ValidationError",
        "server_error": "InternalFailure",
    },
    "elbv2.DeleteTargetGroup": {
        "throttle": "Throttling",
        "denied": "AccessDenied",
        "dependency": "ResourceInUse",
        "not_yet": "TargetGroupNotFound",
    },
    "iam.DeleteRole": {"dependency": "DeleteConflict", "not_yet": "NoSuchEntity"},
    "rds.DeleteDBInstance": {
        "dependency": "InvalidDBInstanceState",
        "not_yet": "DBInstanceNotFound",
    },
    "s3.DeleteBucket": {
        "throttle": "SlowDown",
        "denied": "AccessDenied",
        "dependency": "BucketNotEmpty",
        "not_yet": "NoSuchBucket",
        "server_error": "InternalError",
    },
    "lambda.DeleteFunction": {
        "throttle": "TooManyRequestsException",
        "denied": "AccessDeniedException",
        "dependency": "ResourceConflictException",
        "not_yet": "ResourceNotFoundException",
        "server_error": "ServiceException",
    },
    "dynamodb.DeleteTable": {
        "throttle": "ThrottlingException",
        "denied": "AccessDeniedException",
        "dependency": "ResourceInUseException",
        "not_yet": "ResourceNotFoundException",
        "server_error": "InternalServerError",
    },
    "sqs.DeleteQueue": {"not_yet": "AWS.SimpleQueueService.NonExistentQueue"},
    "ecs.DeleteCluster": {
        "dependency": "ClusterContainsServicesException",
        "not_yet": "ClusterNotFoundException",
    },
    "ecr.DeleteRepository": {"dependency": "RepositoryNotEmptyException"},
}


@pytest.mark.parametrize("name", CALLS)
def test_service_and_action_of_every_protocol_are_known(aws: Front, name: str) -> None:
    service = name.partition(".")[0]
    operation, arguments = CALLS[name]
    aws.inject("error", code="NotNow", message="not now")
    assert refusal(getattr(client(aws, service), operation), **arguments) == "NotNow"
    (call,) = aws.calls
    assert (call.name, call.region, call.status, call.fault) == (name, REGION, 400, "error")


@pytest.mark.parametrize("name", SAID)
def test_a_fault_is_told_in_the_words_of_its_service(aws: Front, name: str) -> None:
    service = name.partition(".")[0]
    operation, arguments = CALLS[name]
    call = getattr(client(aws, service), operation)
    for kind, code in SAID[name].items():
        aws.clear_faults()
        aws.inject(kind, service)  # type: ignore[arg-type]
        assert refusal(call, **arguments) == code, kind


def test_a_modelled_fault_is_the_exception_of_that_name(aws: Front) -> None:
    dynamodb, ecs = client(aws, "dynamodb"), client(aws, "ecs")
    aws.inject("dependency")
    with pytest.raises(dynamodb.exceptions.ResourceInUseException):
        dynamodb.delete_table(TableName="none")
    with pytest.raises(ecs.exceptions.ClusterContainsServicesException):
        ecs.delete_cluster(cluster="none")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "timeout_after_success"])
def test_cbor_is_understood_and_answered(aws: Front, kind: Kind) -> None:
    cloudwatch = cbor_client(aws)
    aws.inject(kind)
    assert refusal(cloudwatch.delete_alarms, AlarmNames=["none"])
    (call,) = aws.calls
    assert (call.name, call.fault) == ("cloudwatch.DeleteAlarms", kind)
    assert call.parameters == {"AlarmNames": ["none"]}


def test_what_may_be_visible_soon_says_so(aws: Front) -> None:
    aws.inject("not_yet")
    scaling = client(aws, "autoscaling")
    with pytest.raises(ClientError, match="Invalid IAM Instance Profile name"):
        scaling.create_auto_scaling_group(AutoScalingGroupName="g", MinSize=0, MaxSize=0)
    with pytest.raises(ClientError, match="Invalid IAM Instance Profile name"):
        client(aws, "ec2").run_instances(MinCount=1, MaxCount=1)


def test_head_has_no_words_for_a_fault(aws: Front) -> None:
    aws.inject("denied")
    assert refusal(client(aws, "s3").head_bucket, Bucket="none") == "403"


def test_every_kind_is_worth_an_error_everywhere(aws: Front) -> None:
    """No pair of service and kind that the tables forget."""
    for name, (operation, arguments) in CALLS.items():
        service = name.partition(".")[0]
        for kind in KINDS:
            if kind != "timeout_after_success":
                aws.clear_faults()
                aws.inject(kind)
                assert refusal(getattr(client(aws, service), operation), **arguments)


def test_rest_actions_that_share_a_path_are_told_apart(aws: Front) -> None:
    s3 = client(aws, "s3")
    s3.create_bucket(Bucket="b-1", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="b-1", Key="some/key", Body=b"x" * 100)
    s3.copy_object(Bucket="b-1", Key="copy", CopySource="b-1/some/key")
    s3.put_bucket_lifecycle_configuration(
        Bucket="b-1",
        LifecycleConfiguration={
            "Rules": [
                {"ID": "a", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}},
            ]
        },
    )
    s3.get_bucket_lifecycle_configuration(Bucket="b-1")
    s3.list_objects_v2(Bucket="b-1")
    s3.list_object_versions(Bucket="b-1")
    upload = s3.create_multipart_upload(Bucket="b-1", Key="big")["UploadId"]
    s3.upload_part(Bucket="b-1", Key="big", UploadId=upload, PartNumber=1, Body=b"y")
    s3.head_object(Bucket="b-1", Key="some/key")
    assert [call.action for call in aws.calls] == [
        "CreateBucket",
        "PutObject",
        "CopyObject",
        "PutBucketLifecycleConfiguration",
        "GetBucketLifecycleConfiguration",
        "ListObjectsV2",
        "ListObjectVersions",
        "CreateMultipartUpload",
        "UploadPart",
        "HeadObject",
    ]
    assert aws.calls[1].parameters == {"Bucket": "b-1", "Key": "some/key"}


def test_a_call_that_times_out_was_carried_out(aws: Front) -> None:
    sns = client(aws, "sns")
    aws.inject("timeout_after_success", "sns", "CreateTopic")
    with pytest.raises(ConnectionClosedError):
        sns.create_topic(Name="made")
    assert aws.calls[0].status == 0
    assert aws.inventory() == {"sns.topic": [f"arn:aws:sns:{REGION}:123456789012:made"]}


def test_a_refused_call_changes_nothing(aws: Front) -> None:
    aws.inject("throttle", "sns")
    assert refusal(client(aws, "sns").create_topic, Name="made") == "Throttling"
    assert aws.inventory() == {}


def test_the_nth_call_of_an_action_is_hit_and_no_other(aws: Front) -> None:
    ec2, sns = client(aws, "ec2"), client(aws, "sns")
    aws.inject("denied", "ec2", "DescribeVpcs", nth=2)
    sns.list_topics()
    ec2.describe_subnets()
    ec2.describe_vpcs()
    assert refusal(ec2.describe_vpcs) == "UnauthorizedOperation"
    ec2.describe_vpcs()
    assert [call.fault for call in aws.calls] == ["", "", "", "denied", ""]
    assert aws.hits == 1


def test_the_nth_call_of_all_is_hit(aws: Front) -> None:
    aws.inject("server_error", nth=2)
    client(aws, "ec2").describe_vpcs()
    assert refusal(client(aws, "sns").list_topics) == "InternalError"
    client(aws, "sns").list_topics()


def test_a_rule_hits_as_often_as_it_says(aws: Front) -> None:
    sns = client(aws, "sns")
    aws.inject("throttle", "sns", times=2)
    assert [refusal(sns.list_topics) for _ in range(2)] == ["Throttling"] * 2
    sns.list_topics()


def test_botocore_retries_what_aws_says_is_worth_it(aws: Front) -> None:
    patient = boto3.client(
        "ec2",
        region_name=REGION,
        endpoint_url=aws.url,
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
    )
    aws.inject("throttle", times=1)
    patient.describe_vpcs()
    assert [call.status for call in aws.calls] == [503, 200]


def test_threads_may_call_at_once(aws: Front) -> None:
    sns = client(aws, "sns")
    aws.inject("denied", "sns", nth=7)

    def make(number: int) -> bool:
        try:
            sns.create_topic(Name=f"topic-{number}")
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(40)))
    assert sum(made) == 39
    assert len(aws.calls) == 40
    assert len(aws.inventory()["sns.topic"]) == 39


def test_reset_leaves_nothing(aws: Front) -> None:
    sns = client(aws, "sns")
    sns.create_topic(Name="one")
    aws.inject("denied")
    aws.switches.strict_dependencies = True
    aws.reset()
    assert not aws.switches.strict_dependencies
    assert aws.inventory() == {}
    assert aws.calls == []
    sns.list_topics()
