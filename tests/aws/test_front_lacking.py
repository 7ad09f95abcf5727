"""What the front answers where moto's server does not, held to AWS's API reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_front.account import REGION, Account, refusal

if TYPE_CHECKING:
    from aws_front.front import Front


@pytest.fixture
def account(aws: Front) -> Account:
    return Account(aws)


def test_a_client_token_makes_one_thing_only(account: Account) -> None:
    arguments = {"ImageId": account.image(), "MinCount": 1, "MaxCount": 1, "ClientToken": "once"}
    run = account.ec2.run_instances
    first = run(**arguments)["Instances"][0]["InstanceId"]
    assert run(**arguments)["Instances"][0]["InstanceId"] == first
    arguments["InstanceType"] = "t3.large"
    assert refusal(run, **arguments) == "IdempotentParameterMismatch"


def test_template_versions_can_be_deleted_but_for_the_default(account: Account) -> None:
    template = account.template(versions=3)
    gone = account.ec2.delete_launch_template_versions(
        LaunchTemplateId=template, Versions=["1", "2"]
    )
    deleted = gone["SuccessfullyDeletedLaunchTemplateVersions"]
    kept = gone["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert [each["VersionNumber"] for each in deleted] == [2]
    assert [each["VersionNumber"] for each in kept] == [1]
    left = account.ec2.describe_launch_template_versions(LaunchTemplateId=template)
    assert {v["VersionNumber"] for v in left["LaunchTemplateVersions"]} == {1, 3}


def test_an_image_has_one_name_and_tagged_snapshots(account: Account, aws: Front) -> None:
    ec2 = account.ec2
    run = ec2.run_instances(ImageId=account.image(), MinCount=1, MaxCount=1)
    instance = run["Instances"][0]["InstanceId"]
    tags = [{"Key": "stack", "Value": "x"}]
    image = ec2.create_image(
        InstanceId=instance,
        Name="baked",
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
    )["ImageId"]
    assert (
        refusal(ec2.create_image, InstanceId=instance, Name="baked") == "InvalidAMIName.Duplicate"
    )
    (found,) = ec2.describe_images(ImageIds=[image])["Images"]
    assert found["Tags"] == tags
    tagged = [{"Name": "tag:stack", "Values": ["x"]}]
    (snapshot,) = ec2.describe_snapshots(OwnerIds=["self"], Filters=tagged)["Snapshots"]
    assert aws.inventory()["ec2.snapshot"] == [snapshot["SnapshotId"]]
    ec2.deregister_image(ImageId=image)
    assert aws.inventory()["ec2.snapshot"] == [snapshot["SnapshotId"]]


def test_the_same_balancer_again_is_the_same(account: Account) -> None:
    elb, subnets = account.elbv2, account.subnets()

    def balancer(**more: Any) -> str:
        made = elb.create_load_balancer(Name="b", Subnets=subnets, **more)
        arn: str = made["LoadBalancers"][0]["LoadBalancerArn"]
        return arn

    def target(port: int) -> str:
        made = elb.create_target_group(Name="t", Protocol="HTTP", Port=port, VpcId=account.vpc())
        arn: str = made["TargetGroups"][0]["TargetGroupArn"]
        return arn

    assert balancer() == balancer()
    assert refusal(balancer, Scheme="internal") == "DuplicateLoadBalancerName"
    assert target(80) == target(80)
    assert refusal(target, port=81) == "DuplicateTargetGroupName"
    listener = {"LoadBalancerArn": balancer(), "Protocol": "HTTP", "Port": 80}
    forward = [{"Type": "forward", "TargetGroupArn": target(80)}]
    first = elb.create_listener(**listener, DefaultActions=forward)["Listeners"][0]
    again = elb.create_listener(**listener, DefaultActions=forward)["Listeners"][0]
    assert first["ListenerArn"] == again["ListenerArn"]
    other = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]
    assert refusal(elb.create_listener, **listener, DefaultActions=other) == "DuplicateListener"


def test_a_bucket_has_its_tags_from_the_beginning_and_a_second_creation_gives_none(
    account: Account,
) -> None:
    s3 = account.s3
    tags = [{"Key": "a&b", "Value": "<1>"}, {"Key": "c", "Value": "2 3"}]
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={**location, "Tags": tags})
    assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == tags
    east = boto3.client("s3", region_name="us-east-1", endpoint_url=account.front.url)
    east.create_bucket(Bucket="east")
    east.create_bucket(Bucket="east", CreateBucketConfiguration={"Tags": tags})
    assert refusal(east.get_bucket_tagging, Bucket="east") == "NoSuchTagSet"


def test_the_tags_of_another_accounts_bucket_are_not_told(account: Account) -> None:
    theirs, bucket = account.s3, {"Bucket": "bucket"}

    def elsewhere(params: dict[str, Any], **_: object) -> None:
        params["headers"]["x-moto-account-id"] = "999999999999"

    theirs.meta.events.register("before-call.s3", elsewhere)
    theirs.create_bucket(**bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    ours = {**bucket, "ExpectedBucketOwner": "123456789012"}
    assert refusal(account.s3.get_bucket_tagging, **ours) == "AccessDenied"
    theirs.delete_bucket(**bucket)
    assert refusal(account.s3.get_bucket_tagging, **ours) == "NoSuchBucket"


def test_a_rule_that_is_there_keeps_the_tags_it_has(account: Account) -> None:
    events, tags = account.events, [{"Key": "a", "Value": "1"}]
    every = {"Name": "rule", "ScheduleExpression": "rate(5 minutes)"}
    arn = events.put_rule(**every, Tags=tags)["RuleArn"]
    events.put_rule(**every, State="DISABLED", Tags=[{"Key": "a", "Value": "2"}])
    assert events.describe_rule(Name="rule")["State"] == "DISABLED"
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags


def test_a_bucket_policy_is_kept_and_not_enforced(account: Account) -> None:
    s3 = account.s3
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    assert refusal(s3.put_bucket_policy, Bucket="bucket", Policy=policy) == "NoSuchBucket"
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=location)
    assert refusal(s3.get_bucket_policy, Bucket="bucket") == "NoSuchBucketPolicy"
    s3.put_bucket_policy(Bucket="bucket", Policy=policy)
    assert s3.get_bucket_policy(Bucket="bucket")["Policy"] == policy
    s3.delete_bucket_policy(Bucket="bucket")
    assert refusal(s3.get_bucket_policy, Bucket="bucket") == "NoSuchBucketPolicy"


def test_profile_tags_are_listed(account: Account) -> None:
    tags = [{"Key": "stack", "Value": "x"}]
    iam = account.iam
    iam.create_instance_profile(InstanceProfileName="p", Tags=tags)
    assert iam.list_instance_profile_tags(InstanceProfileName="p")["Tags"] == tags
    assert refusal(iam.list_instance_profile_tags, InstanceProfileName="no") == "NoSuchEntity"


def test_percentiles_are_taken_from_all_samples_of_the_period(account: Account) -> None:
    cloudwatch, minute = account.cloudwatch, 1_700_000_040
    metric = {"MetricName": "latency", "Dimensions": [{"Name": "a", "Value": "b"}]}
    cloudwatch.put_metric_data(
        Namespace="loadcore",
        MetricData=[
            {**metric, "Timestamp": minute + n % 60, "Value": float(n)} for n in range(1, 101)
        ],
    )
    answer = cloudwatch.get_metric_data(
        StartTime=minute,
        EndTime=minute + 60,
        MetricDataQueries=[
            {
                "Id": name.lower(),
                "MetricStat": {
                    "Metric": {"Namespace": "loadcore", **metric},
                    "Period": 60,
                    "Stat": name,
                },
            }
            for name in ("p50", "Maximum", "p99")
        ],
    )
    told = {each["Id"]: each["Values"] for each in answer["MetricDataResults"]}
    assert told == {"p50": [50.0], "maximum": [100.0], "p99": [99.0]}
    (first, *_) = answer["MetricDataResults"]
    assert [at.timestamp() for at in first["Timestamps"]] == [minute]


def test_a_scalable_target_takes_its_policies_along(account: Account, aws: Front) -> None:
    scaling = account.application_autoscaling
    account.ecs.create_cluster(clusterName="c")
    account.ecs.register_task_definition(
        family="f", containerDefinitions=[{"name": "n", "image": "i", "memory": 128}]
    )
    account.ecs.create_service(
        cluster="c", serviceName="s", taskDefinition="f", desiredCount=1, launchType="FARGATE"
    )
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/c/s",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    arn = scaling.register_scalable_target(
        **target, MinCapacity=1, MaxCapacity=2, Tags={"stack": "x"}
    )["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"more": "y"})
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stack": "x", "more": "y"}
    scaling.untag_resource(ResourceARN=arn, TagKeys=["more"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stack": "x"}
    scaling.put_scaling_policy(
        **target,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
        },
    )
    assert aws.inventory()["application-autoscaling.policy"] == ["p"]
    scaling.deregister_scalable_target(**target)
    assert not [kind for kind in aws.inventory() if kind.startswith("application")]
    gone = refusal(scaling.list_tags_for_resource, ResourceARN=arn)
    assert gone == "ResourceNotFoundException"
