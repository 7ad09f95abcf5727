"""What exists in moto, counted with plain boto3 and past the front: independent of what is tested.

Left out is what moto has from the start (the default VPC with its subnets and groups, AWS's own
images with their snapshots) and what AWS keeps listing for a while after it is gone (terminated
instances, deleted NAT gateways, inactive clusters, services and task definitions). Network
interfaces are not counted: moto leaves them behind where AWS removes them with their owner.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeAlias

import boto3
from botocore.config import Config

_CONFIG = Config(retries={"total_max_attempts": 3}, connect_timeout=5, read_timeout=60)
Clients: TypeAlias = Callable[[str], Any]


@cache
def client(url: str, service: str, region: str) -> Any:
    return boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=_CONFIG,
    )


def reset(url: str) -> None:
    """Empties moto's server."""
    request = urllib.request.Request(f"{url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def inventory(url: str, region: str) -> dict[str, list[str]]:
    """Names or ids of what exists, by kind such as `ec2.instance`; kinds with nothing are left
    out, so an empty account is {}."""

    def clients(service: str) -> Any:
        return client(url, service, region)

    def count(names: Callable[[Clients], Any]) -> list[str]:
        return sorted(names(clients))

    for service in {kind.partition(".")[0] for kind in KINDS}:
        clients(service)  # made one by one: boto3's sessions are for one thread at a time
    clients("ec2").describe_vpcs()  # moto makes a region when first asked, and not in two threads
    clients("ec2").describe_key_pairs()  # the first such call changes how moto writes all answers
    with ThreadPoolExecutor(4) as pool:
        counted = dict(zip(KINDS, pool.map(count, KINDS.values()), strict=True))
    return {kind: names for kind, names in counted.items() if names}


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page.get(key) or []
    else:
        yield from getattr(client, operation)(**arguments).get(key) or []


def _all(service: str, operation: str, key: str, name: str, **arguments: Any) -> Any:
    """A counter of a plain listing; `name` is the field to show, empty where items are names."""

    def names(clients: Clients) -> list[str]:
        items = _pages(clients(service), operation, key, **arguments)
        return [item[name] if name else item for item in items]

    return names


def _instances(clients: Clients) -> list[str]:
    return [
        instance["InstanceId"]
        for reservation in _pages(clients("ec2"), "describe_instances", "Reservations")
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in ("terminated", "shutting-down")
    ]


def _volumes(clients: Clients) -> list[str]:
    """Those that belong to no instance: an instance's own go with it."""
    volumes = _pages(clients("ec2"), "describe_volumes", "Volumes")
    return [volume["VolumeId"] for volume in volumes if not volume["Attachments"]]


def _vpcs(clients: Clients) -> list[str]:
    vpcs = _pages(clients("ec2"), "describe_vpcs", "Vpcs")
    return [vpc["VpcId"] for vpc in vpcs if not vpc["IsDefault"]]


def _subnets(clients: Clients) -> list[str]:
    subnets = _pages(clients("ec2"), "describe_subnets", "Subnets")
    return [subnet["SubnetId"] for subnet in subnets if not subnet["DefaultForAz"]]


def _security_groups(clients: Clients) -> list[str]:
    groups = _pages(clients("ec2"), "describe_security_groups", "SecurityGroups")
    return [group["GroupId"] for group in groups if group["GroupName"] != "default"]


def _route_tables(clients: Clients) -> list[str]:
    """Without the main ones: they come and go with their VPC."""
    tables = _pages(clients("ec2"), "describe_route_tables", "RouteTables")
    return [
        table["RouteTableId"]
        for table in tables
        if not any(association["Main"] for association in table["Associations"])
    ]


def _nat_gateways(clients: Clients) -> list[str]:
    gateways = _pages(clients("ec2"), "describe_nat_gateways", "NatGateways")
    return [g["NatGatewayId"] for g in gateways if g["State"] not in ("deleted", "deleting")]


def _internet_gateways(clients: Clients) -> list[str]:
    default = {
        vpc["VpcId"] for vpc in _pages(clients("ec2"), "describe_vpcs", "Vpcs") if vpc["IsDefault"]
    }
    return [
        gateway["InternetGatewayId"]
        for gateway in _pages(clients("ec2"), "describe_internet_gateways", "InternetGateways")
        if not any(attachment["VpcId"] in default for attachment in gateway["Attachments"])
    ]


@cache
def _images_of_moto(url: str, region: str) -> frozenset[str]:
    """The images that others own are the same in every life of moto's server."""
    found = client(url, "ec2", region).describe_images(Owners=["amazon", "099720109477"])
    return frozenset(image["ImageId"] for image in found["Images"])


def _snapshots(clients: Clients) -> list[str]:
    """moto says that its images' snapshots are ours; their descriptions name the image."""
    ec2 = clients("ec2")
    known = _images_of_moto(ec2.meta.endpoint_url, ec2.meta.region_name)
    return [
        snapshot["SnapshotId"]
        for snapshot in _pages(ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"])
        if snapshot.get("Description", "").rpartition(" ")[2] not in known
    ]


def _roles(clients: Clients) -> list[str]:
    """Without service-linked ones, which AWS makes for the account and which stay."""
    roles = _pages(clients("iam"), "list_roles", "Roles")
    return [r["RoleName"] for r in roles if not r["Path"].startswith("/aws-service-role/")]


def _listeners(clients: Clients) -> Iterator[str]:
    elb = clients("elbv2")
    for balancer in _pages(elb, "describe_load_balancers", "LoadBalancers"):
        arn = balancer["LoadBalancerArn"]
        for listener in _pages(elb, "describe_listeners", "Listeners", LoadBalancerArn=arn):
            yield listener["ListenerArn"]


def _in_each_group(operation: str, key: str, name: str) -> Any:
    def names(clients: Clients) -> Iterator[str]:
        scaling = clients("autoscaling")
        for group in _pages(scaling, "describe_auto_scaling_groups", "AutoScalingGroups"):
            called = group["AutoScalingGroupName"]
            for item in _pages(scaling, operation, key, AutoScalingGroupName=called):
                yield f"{called}/{item[name]}"

    return names


def _scalable(operation: str, key: str, name: str) -> Any:
    return _all("application-autoscaling", operation, key, name, ServiceNamespace="ecs")


def _objects(clients: Clients) -> Iterator[str]:
    """Versions and delete markers: they keep a bucket from being deleted, and cost."""
    s3 = clients("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for key in ("Versions", "DeleteMarkers"):
            for item in _pages(s3, "list_object_versions", key, Bucket=name):
                yield f"{name}/{item['Key']}"


def _clusters(clients: Clients) -> list[str]:
    ecs = clients("ecs")
    arns = list(_pages(ecs, "list_clusters", "clusterArns"))
    if not arns:
        return []
    clusters = ecs.describe_clusters(clusters=arns)["clusters"]
    return [c["clusterName"] for c in clusters if c["status"] == "ACTIVE"]


def _services(clients: Clients) -> Iterator[str]:
    ecs = clients("ecs")
    for cluster in _clusters(clients):
        arns = list(_pages(ecs, "list_services", "serviceArns", cluster=cluster))
        if arns:
            found = ecs.describe_services(cluster=cluster, services=arns)["services"]
            yield from (s["serviceName"] for s in found if s["status"] == "ACTIVE")


def _targets_of_rules(clients: Clients) -> Iterator[str]:
    events = clients("events")
    for rule in _pages(events, "list_rules", "Rules"):
        name = rule["Name"]
        for target in _pages(events, "list_targets_by_rule", "Targets", Rule=name):
            yield f"{name}/{target['Id']}"


def _schedules(clients: Clients) -> list[str]:
    return [item["Name"] for item in _pages(clients("scheduler"), "list_schedules", "Schedules")]


def _database_snapshots(clients: Clients) -> list[str]:
    """Those that somebody asked for: the automatic ones go with their instance."""
    snapshots = _pages(clients("rds"), "describe_db_snapshots", "DBSnapshots")
    return [s["DBSnapshotIdentifier"] for s in snapshots if s["SnapshotType"] == "manual"]


KINDS: dict[str, Callable[[Clients], Any]] = {
    "ec2.instance": _instances,
    "ec2.volume": _volumes,
    "ec2.vpc": _vpcs,
    "ec2.subnet": _subnets,
    "ec2.security_group": _security_groups,
    "ec2.route_table": _route_tables,
    "ec2.internet_gateway": _internet_gateways,
    "ec2.nat_gateway": _nat_gateways,
    "ec2.elastic_ip": _all("ec2", "describe_addresses", "Addresses", "AllocationId"),
    "ec2.vpc_endpoint": _all("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "ec2.launch_template": _all(
        "ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName"
    ),
    "ec2.image": _all("ec2", "describe_images", "Images", "ImageId", Owners=["self"]),
    "ec2.snapshot": _snapshots,
    "ec2.key_pair": _all("ec2", "describe_key_pairs", "KeyPairs", "KeyName"),
    "autoscaling.group": _all(
        "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"
    ),
    "autoscaling.policy": _all("autoscaling", "describe_policies", "ScalingPolicies", "PolicyName"),
    "autoscaling.hook": _in_each_group(
        "describe_lifecycle_hooks", "LifecycleHooks", "LifecycleHookName"
    ),
    "autoscaling.schedule": _all(
        "autoscaling",
        "describe_scheduled_actions",
        "ScheduledUpdateGroupActions",
        "ScheduledActionName",
    ),
    "elbv2.load_balancer": _all(
        "elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"
    ),
    "elbv2.target_group": _all(
        "elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"
    ),
    "elbv2.listener": _listeners,
    "cloudwatch.alarm": _all("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "cloudwatch.dashboard": _all(
        "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"
    ),
    "logs.group": _all("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "sns.topic": _all("sns", "list_topics", "Topics", "TopicArn"),
    "sns.subscription": _all("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    "sqs.queue": _all("sqs", "list_queues", "QueueUrls", ""),
    "dynamodb.table": _all("dynamodb", "list_tables", "TableNames", ""),
    "rds.instance": _all("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    "rds.subnet_group": _all(
        "rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"
    ),
    "rds.snapshot": _database_snapshots,
    "secretsmanager.secret": _all("secretsmanager", "list_secrets", "SecretList", "Name"),
    "s3.bucket": _all("s3", "list_buckets", "Buckets", "Name"),
    "s3.object": _objects,
    "iam.role": _roles,
    "iam.instance_profile": _all(
        "iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"
    ),
    "iam.policy": _all("iam", "list_policies", "Policies", "PolicyName", Scope="Local"),
    "ecr.repository": _all("ecr", "describe_repositories", "repositories", "repositoryName"),
    "ecs.cluster": _clusters,
    "ecs.service": _services,
    "ecs.task_definition": _all("ecs", "list_task_definitions", "taskDefinitionArns", ""),
    "application-autoscaling.target": _scalable(
        "describe_scalable_targets", "ScalableTargets", "ResourceId"
    ),
    "application-autoscaling.policy": _scalable(
        "describe_scaling_policies", "ScalingPolicies", "PolicyName"
    ),
    "application-autoscaling.schedule": _scalable(
        "describe_scheduled_actions", "ScheduledActions", "ScheduledActionName"
    ),
    "lambda.function": _all("lambda", "list_functions", "Functions", "FunctionName"),
    "events.rule": _all("events", "list_rules", "Rules", "Name"),
    "events.target": _targets_of_rules,
    "scheduler.schedule": _schedules,
}
