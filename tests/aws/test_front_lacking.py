"""What the front answers where moto's server does not, held to AWS's API reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_front.front import Front

REGION = "eu-central-1"
ONCE = Config(retries={"total_max_attempts": 1})
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    code: str = caught.value.response["Error"]["Code"]
    return code


class Account:
    """Clients by name, and the least of a group."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def __getattr__(self, service: str) -> Any:
        name = service.replace("_", "-")
        return boto3.client(name, region_name=REGION, endpoint_url=self.front.url, config=ONCE)

    def image(self) -> str:
        found: str = self.ssm.get_parameter(Name=IMAGE)["Parameter"]["Value"]
        return found

    def subnets(self) -> list[str]:
        return [subnet["SubnetId"] for subnet in self.ec2.describe_subnets()["Subnets"]][:2]

    def vpc(self) -> str:
        found: str = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        return found

    def template(self, versions: int = 1, **data: Any) -> str:
        data = {"ImageId": self.image(), "InstanceType": "t3.small", **data}
        made = self.ec2.create_launch_template(
            LaunchTemplateName="template", LaunchTemplateData=data
        )
        for number in range(1, versions):
            data["InstanceType"] = ("t3.medium", "t3.large")[number - 1]
            self.ec2.create_launch_template_version(
                LaunchTemplateName="template", LaunchTemplateData=data
            )
        found: str = made["LaunchTemplate"]["LaunchTemplateId"]
        return found

    def group(self, size: int, **settings: Any) -> None:
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="g",
            MinSize=size,
            MaxSize=size + 2,
            LaunchTemplate={"LaunchTemplateName": "template", "Version": "1"},
            VPCZoneIdentifier=self.subnets()[0],
            **settings,
        )

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.autoscaling.describe_auto_scaling_groups(
            AutoScalingGroupNames=["g"]
        )["AutoScalingGroups"][0]
        return found

    def versions(self) -> list[str]:
        return sorted(i["LaunchTemplate"]["Version"] for i in self.described()["Instances"])

    def refresh(self) -> dict[str, Any]:
        found: dict[str, Any] = self.autoscaling.describe_instance_refreshes(
            AutoScalingGroupName="g"
        )["InstanceRefreshes"][0]
        return found


@pytest.fixture
def account(aws: Front) -> Account:
    return Account(aws)


def test_a_group_keeps_what_moto_ignores(account: Account) -> None:
    account.template()
    hook = {
        "LifecycleHookName": "drain",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "HeartbeatTimeout": 60,
        "DefaultResult": "CONTINUE",
    }
    account.group(
        1,
        DefaultInstanceWarmup=45,
        InstanceMaintenancePolicy={"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120},
        LifecycleHookSpecificationList=[hook],
    )
    scaling = account.autoscaling
    group = account.described()
    assert group["DefaultInstanceWarmup"] == 45
    assert group["InstanceMaintenancePolicy"] == {
        "MinHealthyPercentage": 90,
        "MaxHealthyPercentage": 120,
    }
    hooks = scaling.describe_lifecycle_hooks(AutoScalingGroupName="g")["LifecycleHooks"]
    assert hook.items() <= hooks[0].items()

    scaling.update_auto_scaling_group(
        AutoScalingGroupName="g", DefaultInstanceWarmup=-1, CapacityRebalance=True
    )
    group = account.described()
    assert "DefaultInstanceWarmup" not in group
    assert group["CapacityRebalance"]
    assert refusal(account.group, size=1) == "AlreadyExists"


def test_capacity_stays_within_the_group(account: Account) -> None:
    account.template()
    account.group(1)
    resize = account.autoscaling.set_desired_capacity
    assert refusal(resize, AutoScalingGroupName="g", DesiredCapacity=9) == "ValidationError"
    assert refusal(resize, AutoScalingGroupName="g", DesiredCapacity=0) == "ValidationError"
    resize(AutoScalingGroupName="g", DesiredCapacity=2)
    assert len(account.described()["Instances"]) == 2


def test_a_policy_has_an_arn_and_its_alarms_go_with_it(account: Account, aws: Front) -> None:
    account.template()
    account.group(1)
    tracking = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    }
    put = account.autoscaling.put_scaling_policy
    for name in ("one", "two"):
        made = put(
            AutoScalingGroupName="g",
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration=tracking,
        )
        assert made["PolicyARN"].endswith(f"policyName/{name}")
        assert len(made["Alarms"]) == 2
    assert len(aws.inventory()["cloudwatch.alarm"]) == 4
    account.autoscaling.delete_policy(AutoScalingGroupName="g", PolicyName="one")
    assert len(aws.inventory()["cloudwatch.alarm"]) == 2
    account.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    assert aws.inventory() == {"ec2.launch_template": ["template"]}


def test_scaling_activities_tell_what_came_and_went(account: Account) -> None:
    account.template()
    account.group(1)
    scaling = account.autoscaling
    (first,) = scaling.describe_scaling_activities(AutoScalingGroupName="g")["Activities"]
    assert first["Description"].startswith("Launching a new EC2 instance: i-")
    scaling.terminate_instance_in_auto_scaling_group(
        InstanceId=account.described()["Instances"][0]["InstanceId"],
        ShouldDecrementDesiredCapacity=False,
    )
    told = scaling.describe_scaling_activities(AutoScalingGroupName="g")["Activities"]
    words = [activity["Description"].split()[0] for activity in told]
    assert words == ["Launching", "Terminating", "Launching"]


def test_lifecycle_actions_need_a_hook(account: Account) -> None:
    account.template()
    account.group(1)
    scaling = account.autoscaling
    action = {"AutoScalingGroupName": "g", "LifecycleHookName": "drain", "InstanceId": "i-1"}
    complete = {**action, "LifecycleActionResult": "CONTINUE"}
    assert refusal(scaling.complete_lifecycle_action, **complete) == "ValidationError"
    scaling.put_lifecycle_hook(
        AutoScalingGroupName="g",
        LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
    scaling.record_lifecycle_action_heartbeat(**action)
    scaling.complete_lifecycle_action(**complete)


def test_notifications_are_kept(account: Account) -> None:
    account.template()
    account.group(1)
    scaling = account.autoscaling
    kinds = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]
    topic = {"AutoScalingGroupName": "g", "TopicARN": "arn:t"}
    scaling.put_notification_configuration(**topic, NotificationTypes=kinds)
    listed = scaling.describe_notification_configurations(AutoScalingGroupNames=["g"])
    configurations = listed["NotificationConfigurations"]
    assert [each["NotificationType"] for each in configurations] == kinds
    scaling.delete_notification_configuration(**topic)
    listed = scaling.describe_notification_configurations(AutoScalingGroupNames=["g"])
    assert listed["NotificationConfigurations"] == []


def wanted(version: str) -> dict[str, Any]:
    return {"LaunchTemplate": {"LaunchTemplateName": "template", "Version": version}}


def test_a_refresh_replaces_the_instances_step_by_step(account: Account) -> None:
    account.template(versions=2)
    account.group(4)
    start = account.autoscaling.start_instance_refresh
    preferences = {"SkipMatching": True, "MinHealthyPercentage": 50}
    start(AutoScalingGroupName="g", DesiredConfiguration=wanted("2"), Preferences=preferences)
    assert refusal(start, AutoScalingGroupName="g") == "InstanceRefreshInProgress"
    assert account.versions() == ["1", "1", "1", "1"]

    refresh = account.refresh()
    assert (refresh["Status"], refresh["PercentageComplete"]) == ("InProgress", 50)
    assert account.versions() == ["1", "1", "2", "2"]
    assert account.described()["LaunchTemplate"]["Version"] == "1"

    assert account.refresh()["Status"] == "Successful"
    assert account.versions() == ["2", "2", "2", "2"]
    assert account.described()["LaunchTemplate"]["Version"] == "2"

    start(AutoScalingGroupName="g", DesiredConfiguration=wanted("2"), Preferences=preferences)
    before = account.described()["Instances"]
    assert account.refresh()["Status"] == "Successful"
    assert account.described()["Instances"] == before


def test_a_refresh_that_fails_rolls_back(account: Account, aws: Front) -> None:
    account.template(versions=2)
    account.group(2)
    start = account.autoscaling.start_instance_refresh
    automatic = {"AutoRollback": True}
    assert refusal(start, AutoScalingGroupName="g", Preferences=automatic) == "ValidationError"
    aws.switches.refresh_fails = True
    start(AutoScalingGroupName="g", DesiredConfiguration=wanted("2"), Preferences=automatic)
    assert account.refresh()["Status"] == "RollbackInProgress"
    assert account.versions() == ["1", "2"]
    refresh = account.refresh()
    assert refresh["Status"] == "RollbackSuccessful"
    assert "health" in refresh["StatusReason"]
    assert account.versions() == ["1", "1"]
    assert account.described()["LaunchTemplate"]["Version"] == "1"

    start(AutoScalingGroupName="g", DesiredConfiguration=wanted("2"))
    assert account.refresh()["Status"] == "Failed"
    assert account.described()["LaunchTemplate"]["Version"] == "1"


def test_a_refresh_can_be_cancelled_and_rolled_back(account: Account) -> None:
    account.template(versions=2)
    account.group(2)
    scaling, group = account.autoscaling, {"AutoScalingGroupName": "g"}
    assert refusal(scaling.cancel_instance_refresh, **group) == "ActiveInstanceRefreshNotFound"
    scaling.start_instance_refresh(**group, DesiredConfiguration=wanted("2"))
    scaling.cancel_instance_refresh(**group)
    assert account.refresh()["Status"] == "Cancelled"

    scaling.start_instance_refresh(**group)
    assert refusal(scaling.rollback_instance_refresh, **group) == "IrreversibleInstanceRefresh"
    scaling.cancel_instance_refresh(**group)
    account.refresh()

    scaling.start_instance_refresh(**group, DesiredConfiguration=wanted("2"))
    account.refresh()
    scaling.rollback_instance_refresh(**group)
    assert account.refresh()["Status"] == "RollbackSuccessful"
    assert account.versions() == ["1", "1"]


def test_a_mixed_group_is_refreshed_too(account: Account) -> None:
    template = account.template(versions=2)
    mixed = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
            "Overrides": [{"InstanceType": "t3.small"}, {"InstanceType": "t3a.small"}],
        }
    }
    scaling = account.autoscaling
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="g",
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=account.subnets()[0],
        MixedInstancesPolicy=mixed,
    )
    mixed["LaunchTemplate"]["LaunchTemplateSpecification"] = {
        "LaunchTemplateId": template,
        "Version": "2",
    }
    scaling.start_instance_refresh(
        AutoScalingGroupName="g", DesiredConfiguration={"MixedInstancesPolicy": mixed}
    )
    assert account.refresh()["Status"] == "Successful"
    assert account.versions() == ["2"]


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
