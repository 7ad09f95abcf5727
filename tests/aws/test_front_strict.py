"""The front's switches, and the inventory: what AWS would refuse, and what is there afterwards."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.account import REGION, client, refusal
from aws_front.inventory import KINDS
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from aws_front.front import Front

LOCATION = {"LocationConstraint": REGION}


class Network:
    """A VPC with a subnet, a gateway and two security groups, the second open to the first."""

    def __init__(self, ec2: Any) -> None:
        self.vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.20.1.0/24")
        self.subnet = made["Subnet"]["SubnetId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.front, self.back = (
            ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
            for name in ("front", "back")
        )
        from_front = {"UserIdGroupPairs": [{"GroupId": self.front}]}
        ec2.authorize_security_group_ingress(
            GroupId=self.back,
            IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, **from_front}],
        )


def test_what_is_in_use_is_not_deleted(aws: Front) -> None:
    aws.switches.strict_dependencies = True
    ec2 = client(aws, "ec2")
    network = Network(ec2)
    run = ec2.run_instances(
        ImageId="ami-12345678",
        MinCount=1,
        MaxCount=1,
        SubnetId=network.subnet,
        SecurityGroupIds=[network.back],
    )
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=network.subnet, AllocationId=address)
    nat_id = nat["NatGateway"]["NatGatewayId"]
    detach = {"InternetGatewayId": network.gateway, "VpcId": network.vpc}

    assert refusal(ec2.delete_security_group, GroupId=network.back) == "DependencyViolation"
    assert refusal(ec2.delete_security_group, GroupId=network.front) == "DependencyViolation"
    assert refusal(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    assert refusal(ec2.detach_internet_gateway, **detach) == "DependencyViolation"
    assert refusal(ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"

    ec2.terminate_instances(InstanceIds=[run["Instances"][0]["InstanceId"]])
    ec2.delete_security_group(GroupId=network.back)
    ec2.delete_security_group(GroupId=network.front)
    assert refusal(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=nat_id)
    ec2.delete_subnet(SubnetId=network.subnet)
    ec2.release_address(AllocationId=address)
    ec2.detach_internet_gateway(**detach)
    ec2.delete_internet_gateway(InternetGatewayId=network.gateway)
    ec2.delete_vpc(VpcId=network.vpc)
    assert aws.inventory() == {}


def test_without_the_switch_moto_deletes_what_is_in_use(aws: Front) -> None:
    ec2 = client(aws, "ec2")
    network = Network(ec2)
    ec2.delete_security_group(GroupId=network.front)
    left = {each["GroupId"] for each in ec2.describe_security_groups()["SecurityGroups"]}
    assert network.back in left
    assert network.front not in left


def test_containers_with_something_in_them_are_not_deleted(aws: Front) -> None:
    aws.switches.strict_dependencies = True
    ecs, rds = client(aws, "ecs"), client(aws, "rds")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(
        family="f", containerDefinitions=[{"name": "n", "image": "i", "memory": 128}]
    )
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="f", desiredCount=0)
    assert refusal(ecs.delete_cluster, cluster="c") == "ClusterContainsServicesException"
    ecs.delete_service(cluster="c", service="s")
    ecs.delete_cluster(cluster="c")

    subnets = [s["SubnetId"] for s in client(aws, "ec2").describe_subnets()["Subnets"]]
    group = {"DBSubnetGroupName": "d"}
    rds.create_db_subnet_group(**group, DBSubnetGroupDescription="d", SubnetIds=subnets)
    rds.create_db_instance(
        **group,
        DBInstanceIdentifier="db",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="loadcore",
        ManageMasterUserPassword=True,
    )
    assert refusal(rds.delete_db_subnet_group, **group) == "InvalidDBSubnetGroupStateFault"
    assert aws.inventory().keys() == {
        "ecs.task_definition",
        "rds.instance",
        "rds.subnet_group",
        "secretsmanager.secret",
    }
    rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
    rds.delete_db_subnet_group(**group)
    ecs.deregister_task_definition(taskDefinition="f:1")
    assert aws.inventory() == {}


def test_a_group_with_instances_goes_by_force_only(aws: Front) -> None:
    aws.switches.strict_dependencies = True
    scaling = client(aws, "autoscaling")
    grouped(aws, "seen")
    group = {"AutoScalingGroupName": "g"}
    assert refusal(scaling.delete_auto_scaling_group, **group) == "ResourceInUse"
    scaling.delete_auto_scaling_group(**group, ForceDelete=True)
    assert aws.inventory() == {"ec2.launch_template": ["template"]}


def grouped(aws: Front, profile: str) -> None:
    """A group of one instance, whose template names a profile."""
    ec2 = client(aws, "ec2")
    data = {"ImageId": "ami-12345678", "IamInstanceProfile": {"Name": profile}}
    with suppress(ClientError):  # there from an attempt before
        ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=data)
    client(aws, "autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        MinSize=1,
        MaxSize=1,
        LaunchTemplate={"LaunchTemplateName": "template", "Version": "1"},
        AvailabilityZones=[f"{REGION}a"],
    )


def test_a_new_instance_profile_is_seen_late(aws: Front) -> None:
    aws.switches.profile_invisible_for = 2
    client(aws, "iam").create_instance_profile(InstanceProfileName="fresh")
    run = {
        "ImageId": "ami-12345678",
        "MinCount": 1,
        "MaxCount": 1,
        "IamInstanceProfile": {"Name": "fresh"},
    }
    with pytest.raises(ClientError, match="Invalid IAM Instance Profile name") as caught:
        client(aws, "ec2").run_instances(**run)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    with pytest.raises(ClientError, match="Invalid IAM Instance Profile name") as caught:
        grouped(aws, "fresh")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    grouped(aws, "fresh")
    client(aws, "ec2").run_instances(**run)
    assert len(aws.inventory()["ec2.instance"]) == 2


def test_an_empty_account_has_nothing(aws: Front) -> None:
    assert aws.inventory() == {}


MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "ec2.volume": ("create_volume", {"AvailabilityZone": f"{REGION}a", "Size": 1}),
    "ec2.route_table": ("create_route_table", {"VpcId": "default"}),
    "ec2.vpc_endpoint": ("create_vpc_endpoint", {"VpcId": "default", "ServiceName": "s3"}),
    "ec2.key_pair": ("create_key_pair", {"KeyName": "k"}),
    "cloudwatch.dashboard": (
        "put_dashboard",
        {"DashboardName": "d", "DashboardBody": '{"widgets": []}'},
    ),
    "logs.group": ("create_log_group", {"logGroupName": "/x"}),
    "sns.topic": ("create_topic", {"Name": "t"}),
    "sqs.queue": ("create_queue", {"QueueName": "q"}),
    "s3.bucket": ("create_bucket", {"Bucket": "bucket", "CreateBucketConfiguration": LOCATION}),
    "iam.role": ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}),
    "iam.policy": (
        "create_policy",
        {
            "PolicyName": "p",
            "PolicyDocument": json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
                }
            ),
        },
    ),
    "ecr.repository": ("create_repository", {"repositoryName": "r-1"}),
    "ecs.cluster": ("create_cluster", {"clusterName": "c"}),
    "events.rule": ("put_rule", {"Name": "r", "ScheduleExpression": "rate(1 minute)"}),
    "scheduler.schedule": (
        "create_schedule",
        {
            "Name": "s",
            "ScheduleExpression": "rate(1 minute)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "arn:aws:sqs:eu-central-1:123456789012:q", "RoleArn": "arn:aws:r"},
        },
    ),
    "secretsmanager.secret": ("create_secret", {"Name": "s", "SecretString": "x"}),
    "dynamodb.table": (
        "create_table",
        {
            "TableName": "tab",
            "AttributeDefinitions": [{"AttributeName": "userId", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "userId", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    ),
}


def test_each_thing_made_is_counted_as_what_it_is(aws: Front) -> None:
    vpc = client(aws, "ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    for kind, (operation, arguments) in MADE.items():
        assert kind in KINDS
        given = {key: vpc if value == "default" else value for key, value in arguments.items()}
        getattr(client(aws, kind.partition(".")[0]), operation)(**given)
        assert len(aws.inventory()[kind]) == 1
    assert aws.inventory().keys() == MADE.keys()


def test_what_hangs_on_others_is_counted_too(aws: Front) -> None:
    scaling, events, s3 = (client(aws, name) for name in ("autoscaling", "events", "s3"))
    grouped(aws, "any")
    scaling.put_lifecycle_hook(
        AutoScalingGroupName="g",
        LifecycleHookName="h",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
    scaling.put_scheduled_update_group_action(
        AutoScalingGroupName="g", ScheduledActionName="n", Recurrence="0 8 * * *", MinSize=1
    )
    events.put_rule(Name="r", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": "arn:aws:lambda:x"}])
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=LOCATION)
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="bucket", Key="k", Body=b"")
    s3.delete_object(Bucket="bucket", Key="k")
    counted = aws.inventory()
    assert counted["autoscaling.hook"] == ["g/h"]
    assert counted["autoscaling.schedule"] == ["n"]
    assert counted["events.target"] == ["r/1"]
    assert counted["s3.object"] == ["bucket/k", "bucket/k"]
