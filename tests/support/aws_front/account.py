"""What tests do with an account behind the front."""

from __future__ import annotations

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


def client(front: Front, service: str) -> Any:
    """One that does not retry."""
    return boto3.client(service, region_name=REGION, endpoint_url=front.url, config=ONCE)


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code with which AWS refuses the call; fails where it does not."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    code: str = caught.value.response["Error"]["Code"]
    return code


class Account:
    """Clients by name, and the least of a group."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def __getattr__(self, service: str) -> Any:
        return client(self.front, service.replace("_", "-"))

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
