"""What AWS refuses and moto does not, by the front's switches: deleting what is in use, and using
an instance profile that is too new to be visible.

Sources: Amazon EC2 API Reference, "Error codes for the Amazon EC2 API"; IAM User Guide, "Changes
that I make are not always immediately visible"; the Delete... actions of each API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aws_front.answers import error
from aws_front.faults import PROFILE_UNSEEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_front.actions import Request
    from aws_front.answers import Answer
    from aws_front.front import Moto

_TEMPLATE_HOLDERS = (
    "LaunchTemplate.",
    "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.",
    "DesiredConfiguration.LaunchTemplate.",
)


def notice(request: Request, answer: Answer, moto: Moto) -> None:
    """Remembers that an instance profile was made."""
    unseen = moto.switches.profile_invisible_for
    if request.action == "CreateInstanceProfile" and answer.good and unseen:
        with moto.lock:
            moto.state.unseen_profiles[request.text("InstanceProfileName")] = unseen


def refused(request: Request, moto: Moto) -> Answer | None:
    if moto.state.unseen_profiles and request.action in _PROFILE_USERS:
        with moto.lock:
            if answer := _unseen(request, moto):
                return answer
    check = _CHECKS.get(f"{request.service}.{request.action}")
    if check is None or not moto.switches.strict_dependencies:
        return None
    try:
        said = check(request, moto)
    except ClientError:
        return None  # moto says best what is wrong with the call
    return error(request, *said) if said else None


# A launch template's own creation does not check the profile it names.
_PROFILE_USERS = ("RunInstances", "CreateAutoScalingGroup", "StartInstanceRefresh")


def _unseen(request: Request, moto: Moto) -> Answer | None:
    profile = _profile(request, moto)
    left = moto.state.unseen_profiles.get(profile, 0)
    if not left:
        return None
    moto.state.unseen_profiles[profile] = left - 1
    message = PROFILE_UNSEEN.format(name=profile)
    if request.service == "ec2":
        return error(request, "InvalidParameterValue", message)
    message = f"You must use a valid fully-formed launch template. {message}"
    return error(request, "ValidationError", message)


def _profile(request: Request, moto: Moto) -> str:
    """The name of the profile that the call uses, in itself or through its launch template."""
    data: dict[str, Any] = {
        "Name": request.text("IamInstanceProfile.Name"),
        "Arn": request.text("IamInstanceProfile.Arn"),
    }
    for holder in _TEMPLATE_HOLDERS:
        for key in ("LaunchTemplateId", "LaunchTemplateName"):
            if named := request.text(holder + key):
                version = request.text(f"{holder}Version") or "$Default"
                found = moto.client("ec2", request.region).describe_launch_template_versions(
                    **{key: named}, Versions=[version]
                )["LaunchTemplateVersions"][0]
                data = found["LaunchTemplateData"].get("IamInstanceProfile", {})
    return str(data.get("Name") or data.get("Arn", "").rpartition("/")[2])


Refusal = tuple[str, str, int]


def _instances(moto: Moto, region: str) -> list[dict[str, Any]]:
    pages = moto.client("ec2", region).get_paginator("describe_instances").paginate()
    return [
        instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in ("terminated", "shutting-down")
    ]


def _balancers(moto: Moto, region: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = moto.client("elbv2", region).describe_load_balancers()[
        "LoadBalancers"
    ]
    return found


def _nat_gateways(moto: Moto, region: str) -> list[dict[str, Any]]:
    found = moto.client("ec2", region).describe_nat_gateways()["NatGateways"]
    return [gateway for gateway in found if gateway["State"] not in ("deleted", "failed")]


def _security_group(request: Request, moto: Moto) -> Refusal | None:
    group, region = request.text("GroupId"), request.region
    users = [i for i in _instances(moto, region) if group in _group_ids(i["SecurityGroups"])]
    users += [b for b in _balancers(moto, region) if group in b.get("SecurityGroups", [])]
    databases = moto.client("rds", region).describe_db_instances()["DBInstances"]
    users += [
        database
        for database in databases
        if group in {each["VpcSecurityGroupId"] for each in database["VpcSecurityGroups"]}
    ]
    for other in moto.client("ec2", region).describe_security_groups()["SecurityGroups"]:
        rules = other["IpPermissions"] + other["IpPermissionsEgress"]
        pairs = [pair for rule in rules for pair in rule["UserIdGroupPairs"]]
        if other["GroupId"] != group and group in _group_ids(pairs):
            users.append(other)
    if not users:
        return None
    return ("DependencyViolation", f"resource {group} has a dependent object", 400)


def _group_ids(holders: list[dict[str, Any]]) -> set[str]:
    return {holder.get("GroupId", "") for holder in holders}


def _subnet(request: Request, moto: Moto) -> Refusal | None:
    subnet, region = request.text("SubnetId"), request.region
    used = {instance.get("SubnetId") for instance in _instances(moto, region)}
    used |= {gateway["SubnetId"] for gateway in _nat_gateways(moto, region)}
    for balancer in _balancers(moto, region):
        used |= {zone["SubnetId"] for zone in balancer["AvailabilityZones"]}
    if subnet not in used:
        return None
    message = f"The subnet '{subnet}' has dependencies and cannot be deleted."
    return ("DependencyViolation", message, 400)


def _internet_gateway(request: Request, moto: Moto) -> Refusal | None:
    vpc, region = request.text("VpcId"), request.region
    used = {gateway["VpcId"] for gateway in _nat_gateways(moto, region)}
    used |= {b["VpcId"] for b in _balancers(moto, region) if b.get("Scheme") != "internal"}
    used |= {i["VpcId"] for i in _instances(moto, region) if i.get("PublicIpAddress")}
    if vpc not in used:
        return None
    message = f"Network {vpc} has some mapped public address(es). Please unmap those public "
    return ("DependencyViolation", message + "address(es) before detaching the gateway.", 400)


def _address(request: Request, moto: Moto) -> Refusal | None:
    used = {
        address.get("AllocationId")
        for gateway in _nat_gateways(moto, request.region)
        for address in gateway["NatGatewayAddresses"]
    }
    allocation = request.text("AllocationId")
    if allocation not in used:
        return None
    return ("InvalidIPAddress.InUse", f"The address {allocation} is in use by a NAT gateway.", 400)


def _scaling_group(request: Request, moto: Moto) -> Refusal | None:
    if request.text("ForceDelete") == "true":
        return None
    name = request.text("AutoScalingGroupName")
    groups = moto.client("autoscaling", request.region).describe_auto_scaling_groups(
        AutoScalingGroupNames=[name]
    )["AutoScalingGroups"]
    if not groups or not groups[0]["Instances"]:
        return None
    message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
    return ("ResourceInUse", message + "instance request(s) still in the group.", 400)


def _cluster(request: Request, moto: Moto) -> Refusal | None:
    ecs = moto.client("ecs", request.region)
    name = request.text("cluster")
    arns = ecs.list_services(cluster=name)["serviceArns"]
    services = ecs.describe_services(cluster=name, services=arns)["services"] if arns else []
    if not any(service["status"] == "ACTIVE" for service in services):
        return None
    message = "The Cluster cannot be deleted while Services are active."
    return ("ClusterContainsServicesException", message, 400)


def _database_subnets(request: Request, moto: Moto) -> Refusal | None:
    name = request.text("DBSubnetGroupName")
    databases = moto.client("rds", request.region).describe_db_instances()["DBInstances"]
    if not any(d.get("DBSubnetGroup", {}).get("DBSubnetGroupName") == name for d in databases):
        return None
    message = f"Cannot delete the subnet group '{name}' because at least one database instance "
    return ("InvalidDBSubnetGroupStateFault", message + "is still using it.", 400)


def _repository(request: Request, moto: Moto) -> Refusal | None:
    name = request.text("repositoryName")
    images = moto.client("ecr", request.region).list_images(repositoryName=name)["imageIds"]
    if request.parameters.get("force") or not images:
        return None
    message = f"The repository with name '{name}' cannot be deleted because it still contains "
    return ("RepositoryNotEmptyException", message + "images", 400)


_CHECKS: dict[str, Callable[[Request, Moto], Refusal | None]] = {
    "ec2.DeleteSecurityGroup": _security_group,
    "ec2.DeleteSubnet": _subnet,
    "ec2.DetachInternetGateway": _internet_gateway,
    "ec2.ReleaseAddress": _address,
    "autoscaling.DeleteAutoScalingGroup": _scaling_group,
    "ecs.DeleteCluster": _cluster,
    "rds.DeleteDBSubnetGroup": _database_subnets,
    "ecr.DeleteRepository": _repository,
}
