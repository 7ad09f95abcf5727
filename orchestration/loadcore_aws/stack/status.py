"""How a stack stands: what there is of it, its instances, targets, alarms and last activities.

Sources: DescribeAutoScalingGroups and DescribeScalingActivities (Amazon EC2 Auto Scaling API
Reference), DescribeTargetHealth (Elastic Load Balancing API Reference), DescribeAlarms (Amazon
CloudWatch API Reference), DescribeServices (Amazon ECS API Reference).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack import find
from loadcore_aws.stack.names import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Found

ACTIVITIES_MAX = 5
TRACKING_PREFIX = "TargetTracking-"
"""of the alarms that target tracking makes; the group's name follows, or service/CLUSTER/NAME"""


@dataclass(frozen=True)
class Size:
    """Of a group or a container service; `running` are in service."""

    min: int
    desired: int
    max: int
    running: int


@dataclass(frozen=True)
class Instance:
    """Of the group. `lifecycle` is a state of the "Amazon EC2 Auto Scaling instance lifecycle",
    such as InService or Terminating:Wait; `health` is Healthy or Unhealthy."""

    id: str
    type: str
    zone: str
    lifecycle: str
    health: str
    version: str
    """of the launch template; empty where AWS does not say"""


@dataclass(frozen=True)
class Target:
    """What the balancer sends requests to. `id` is an instance's, or a task's address; `state` is
    TargetHealth's, such as healthy or draining; `reason` a sentence of AWS's, empty while it is
    healthy."""

    id: str
    port: int
    state: str
    reason: str


@dataclass(frozen=True)
class AlarmState:
    """`state` is OK, ALARM or INSUFFICIENT_DATA, `reason` a sentence of AWS's; `since` is when it
    last changed, in UTC as 2026-01-31T08:00:00Z, empty where AWS does not say."""

    name: str
    state: str
    reason: str
    since: str


@dataclass(frozen=True)
class Activity:
    """One scaling activity. `began` is a time in UTC as 2026-01-31T08:00:00Z, `status` as AWS names
    it, such as Successful; `description` and `cause` are sentences of AWS's."""

    began: str
    status: str
    description: str
    cause: str


@dataclass(frozen=True)
class ResourceState:
    """One of the stack's resources. `state` is what AWS says of it, empty where it has none."""

    address: str
    id: str
    state: str


@dataclass(frozen=True)
class Status:
    """`url` is empty where there is no balancer yet; `expires` is a time in UTC, empty where the
    stack has no end."""

    stack: str
    region: str
    account: str
    url: str
    expires: str
    size: Size | None
    instances: tuple[Instance, ...]
    targets: tuple[Target, ...]
    alarms: tuple[AlarmState, ...]
    activities: tuple[Activity, ...]
    resources: tuple[ResourceState, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"schema": "loadcore.stack.status/1", **dataclasses.asdict(self)}


def look(account: Account, owner: Owner) -> Status:
    """Asks, and changes nothing.

    Raises loadcore.RunError or botocore's errors where AWS will not tell.
    """
    found = find.everything(account, owner)
    expires = find.latest_expiry(found)
    by_kind: dict[str, list[Found]] = {}
    for each in found:
        by_kind.setdefault(each.kind, []).append(each)
    groups = _groups(account, [each.id for each in by_kind.get("auto_scaling_group", ())])
    services = by_kind.get("container_service", ())
    scaled = [str(each["AutoScalingGroupName"]) for each in groups]
    scaled += [each.attributes["resource"] for each in services]
    return Status(
        owner.stack,
        owner.region,
        owner.account,
        url_of(found),
        "" if expires is None else format_time(expires),
        _size_of_group(groups) if groups else _size_of_service(account, services),
        tuple(_instance(each) for group in groups for each in group["Instances"]),
        tuple(_targets(account, by_kind.get("target_group", ()))),
        tuple(_alarms(account, by_kind.get("alarm", ()), scaled)),
        tuple(_activities(account, groups)),
        tuple(ResourceState(each.address, each.id, each.state) for each in found),
    )


def url_of(found: Iterable[Found]) -> str:
    """Where the stack's service answers, without a slash at its end; empty where nowhere yet."""
    by_kind = {each.kind: each for each in found}
    balancer, listener = by_kind.get("load_balancer"), by_kind.get("listener")
    if balancer is None or listener is None:
        return ""
    protocol, port = str(listener.settings["protocol"]).lower(), listener.settings["port"]
    usual = {"http": 80, "https": 443}[protocol]
    return f"{protocol}://{balancer.attribute('dns_name')}{'' if port == usual else f':{port}'}"


def _groups(account: Account, names: Sequence[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    return account.pages(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        AutoScalingGroupNames=list(names),
    )


def _size_of_group(groups: Sequence[Mapping[str, Any]]) -> Size:
    group = groups[0]
    running = sum(each["LifecycleState"] == "InService" for each in group["Instances"])
    return Size(group["MinSize"], group["DesiredCapacity"], group["MaxSize"], running)


def _size_of_service(account: Account, services: Sequence[Found]) -> Size | None:
    """A container service has no limits of its own: these are the scalable target's."""
    if not services:
        return None
    arn = services[0].id
    cluster = arn.split(":service/")[-1].split("/")[0]
    answer = account.client("ecs").describe_services(cluster=cluster, services=[arn])
    if not answer["services"]:
        return None
    service = answer["services"][0]
    targets = account.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[f"service/{cluster}/{service['serviceName']}"]
    )["ScalableTargets"]
    desired = service["desiredCount"]
    low = targets[0]["MinCapacity"] if targets else desired
    high = targets[0]["MaxCapacity"] if targets else desired
    return Size(low, desired, high, service["runningCount"])


def _instance(each: Mapping[str, Any]) -> Instance:
    return Instance(
        each["InstanceId"],
        each.get("InstanceType", ""),
        each["AvailabilityZone"],
        each["LifecycleState"],
        each["HealthStatus"],
        str((each.get("LaunchTemplate") or {}).get("Version", "")),
    )


def _targets(account: Account, groups: Iterable[Found]) -> Iterable[Target]:
    for group in groups:
        answer = account.client("elbv2").describe_target_health(TargetGroupArn=group.id)
        for each in answer["TargetHealthDescriptions"]:
            health = each["TargetHealth"]
            yield Target(
                each["Target"]["Id"],
                each["Target"].get("Port", 0),
                health["State"],
                health.get("Description", ""),
            )


def _alarms(account: Account, ours: Sequence[Found], scaled: Sequence[str]) -> Iterable[AlarmState]:
    """The file's, and those that target tracking has made for the group or the service."""
    prefixes = [f"{TRACKING_PREFIX}{name}-" for name in scaled]
    described = []
    if ours:
        names = [each.id for each in ours]
        described = account.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=names)
    for prefix in prefixes:
        described += account.pages(
            "cloudwatch", "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix
        )
    for alarm in sorted(described, key=lambda each: str(each["AlarmName"])):
        yield AlarmState(
            alarm["AlarmName"],
            alarm["StateValue"],
            alarm.get("StateReason", ""),
            # The other one moves with what else CloudWatch notes of an alarm.
            _time(alarm.get("StateTransitionedTimestamp", alarm.get("StateUpdatedTimestamp"))),
        )


def _activities(account: Account, groups: Sequence[Mapping[str, Any]]) -> Iterable[Activity]:
    """The newest first, as AWS lists them."""
    for group in groups:
        answer = account.client("autoscaling").describe_scaling_activities(
            AutoScalingGroupName=group["AutoScalingGroupName"], MaxRecords=ACTIVITIES_MAX
        )
        for each in answer["Activities"][:ACTIVITIES_MAX]:
            yield Activity(
                _time(each.get("StartTime")),
                each["StatusCode"],
                each.get("Description", ""),
                each.get("Cause", ""),
            )


def _time(value: datetime | None) -> str:
    return "" if value is None else format_time(value)
