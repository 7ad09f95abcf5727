"""An Auto Scaling group on an AWS of our own, for a controller to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws import Session

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "eu-central-1"
GROUP = "workers"


class ScaledGroup:
    """Of 1 to 6 instances, tagged as the one of the stack `likes`."""

    def __init__(self, url: str, *, desired: int = 2) -> None:
        self.url = url
        self.client: Callable[[str], Any] = Session(region=REGION, endpoint_url=url).client
        self._groups = self.client("autoscaling")
        machines = self.client("ec2")
        image = machines.describe_images()["Images"][0]["ImageId"]
        machines.create_launch_template(
            LaunchTemplateName=GROUP,
            LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"},
        )
        self._groups.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            MinSize=1,
            MaxSize=6,
            DesiredCapacity=desired,
            LaunchTemplate={"LaunchTemplateName": GROUP, "Version": "$Latest"},
            AvailabilityZones=[f"{REGION}a"],
            Tags=[{"Key": "loadcore:stack", "Value": "likes", "PropagateAtLaunch": True}],
        )

    @property
    def desired(self) -> int:
        return int(self.described()["DesiredCapacity"])

    @property
    def tags(self) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.described()["Tags"]}

    def described(self) -> dict[str, Any]:
        (group,) = self._groups.describe_auto_scaling_groups()["AutoScalingGroups"]
        return dict(group)

    def tag(self, key: str, value: str) -> None:
        tag = {"ResourceId": GROUP, "ResourceType": "auto-scaling-group", "Key": key,
               "Value": value, "PropagateAtLaunch": False}  # fmt: skip
        self._groups.create_or_update_tags(Tags=[tag])

    def queue(self, messages: int) -> str:
        """The URL of a new queue with so many messages."""
        queues = self.client("sqs")
        url = queues.create_queue(QueueName="jobs")["QueueUrl"]
        self.add(messages)
        return str(url)

    def add(self, messages: int) -> None:
        queues = self.client("sqs")
        url = queues.get_queue_url(QueueName="jobs")["QueueUrl"]
        for begin in range(0, messages, 10):
            entries = [
                {"Id": str(each), "MessageBody": "job"}
                for each in range(begin, min(begin + 10, messages))
            ]
            queues.send_message_batch(QueueUrl=url, Entries=entries)

    def empty(self) -> None:
        queues = self.client("sqs")
        queues.purge_queue(QueueUrl=queues.get_queue_url(QueueName="jobs")["QueueUrl"])
