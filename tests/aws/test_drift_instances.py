"""What somebody has altered in the account: a plan shows just that, and an apply sets it right."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import group_world
import pytest
from group_world import SMALL, changes, settled
from instances_world import STACK, prepared, template, template_data

from loadcore_aws.stack.design import identity
from loadcore_aws.stack.spec import Instances, Mixed

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front
    from services_world import World


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    return prepared(aws, tmp_path)


@pytest.fixture
def grouped(aws: Front) -> group_world.World:
    return group_world.make(aws)


# --- the group


def test_suspended_processes_are_told_with_the_reason_and_resumed(
    grouped: group_world.World,
) -> None:
    """No policy does anything while its alarms' notifications are."""
    settled(grouped, SMALL)
    scaling, group = grouped.client("autoscaling"), {"AutoScalingGroupName": "demo-main"}
    scaling.suspend_processes(**group, ScalingProcesses=["Launch", "AlarmNotification"])
    assert changes(grouped, SMALL) == {"auto_scaling_group.main": ("update", {"suspended"})}
    told = str(grouped.plan(SMALL))
    assert re.search(r"suspended\.AlarmNotification: User suspended at 20\S+ → none", told)
    settled(grouped, SMALL)
    assert (
        scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["SuspendedProcesses"] == []
    )

    scaling.suspend_processes(**group)
    settled(grouped, SMALL)


def test_suspended_launches_keep_no_new_version_back(
    grouped: group_world.World, aws: Front
) -> None:
    settled(grouped, SMALL)
    grouped.client("autoscaling").suspend_processes(
        AutoScalingGroupName="demo-main", ScalingProcesses=["Launch"]
    )
    grouped.release("new")
    settled(grouped, SMALL)
    made = [call.action for call in aws.calls]
    assert made.index("ResumeProcesses") < made.index("StartInstanceRefresh")


def test_on_demand_instances_of_another_order_are_drift(grouped: group_world.World) -> None:
    mixed = Mixed(("t3.small", "t3a.small"), 1, 0)
    stack = replace(SMALL, instances=Instances(mixed=mixed))
    settled(grouped, stack)
    scaling = grouped.client("autoscaling")
    (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    policy = group["MixedInstancesPolicy"]
    # one of the two names it; the answer has both
    del policy["LaunchTemplate"]["LaunchTemplateSpecification"]["LaunchTemplateName"]
    policy["InstancesDistribution"]["OnDemandAllocationStrategy"] = "lowest-price"
    scaling.update_auto_scaling_group(AutoScalingGroupName="demo-main", MixedInstancesPolicy=policy)
    assert changes(grouped, stack) == {"auto_scaling_group.main": ("update", {"mixed"})}
    assert "on_demand_strategy: lowest-price → prioritized" in str(grouped.plan(stack))
    settled(grouped, stack)


# --- the balancer


def test_a_balancer_that_answers_other_addresses_is_drift(grouped: group_world.World) -> None:
    settled(grouped, SMALL)
    grouped.client("elbv2").set_ip_address_type(
        LoadBalancerArn=grouped.one("load_balancer.main").id, IpAddressType="dualstack"
    )
    assert changes(grouped, SMALL) == {"load_balancer.main": ("update", {"ip_address_type"})}
    settled(grouped, SMALL)


def test_rules_before_what_a_listener_does_are_drift(grouped: group_world.World) -> None:
    settled(grouped, SMALL)
    elb, listener = grouped.client("elbv2"), grouped.one("listener.main").id
    closed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    for priority, path in ((10, "/v1/*"), (20, "/metrics")):
        elb.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[closed],
        )
    assert changes(grouped, SMALL) == {"listener.main": ("update", {"rules"})}
    assert "rules.10: path-pattern → fixed-response → none" in str(grouped.plan(SMALL))
    settled(grouped, SMALL)
    (left,) = elb.describe_rules(ListenerArn=listener)["Rules"]
    assert left["IsDefault"]


# --- the launch template


MORE: list[tuple[str, dict[str, Any], str]] = [
    ("MetadataOptions", {"HttpEndpoint": "disabled"}, "MetadataOptions.HttpEndpoint: disabled"),
    ("MetadataOptions", {"HttpProtocolIpv6": "enabled"}, "HttpProtocolIpv6: enabled"),
    ("BlockDeviceMappings", {"Iops": 16000}, "BlockDeviceMappings.Ebs.Iops: 16000"),
    ("BlockDeviceMappings", {"Throughput": 900}, "BlockDeviceMappings.Ebs.Throughput: 900"),
    ("Placement", {"Tenancy": "dedicated"}, "Placement"),
]


@pytest.mark.parametrize(("part", "more", "told"), MORE, ids=lambda each: str(each)[:40])
def test_whatever_else_a_template_says_is_drift(
    world: World, part: str, more: dict[str, Any], told: str
) -> None:
    resources = template(world)
    world.settle(resources)
    data = template_data(world)
    if part == "BlockDeviceMappings":
        data[part][0]["Ebs"].update(more)
    else:
        data[part] = {**data.get(part, {}), **more}
    ec2, number = world.client("ec2"), world.one("launch_template.instances").id
    ec2.create_launch_template_version(LaunchTemplateId=number, LaunchTemplateData=data)
    ec2.modify_launch_template(LaunchTemplateId=number, DefaultVersion="2")
    assert world.changes(resources) == {"launch_template.instances": ("update", {"others"})}
    assert told in str(world.plan(resources))
    world.settle(resources)


# --- the role


def test_a_managed_policy_on_a_role_is_taken_off_again(world: World) -> None:
    resources = identity.resources(STACK, world.facts)
    world.settle(resources)
    iam, role = world.client("iam"), world.one("role.instances").id
    anything = json.dumps(identity.document([identity.allow("All", ("*",), "*")]))
    policy = iam.create_policy(PolicyName="by-hand", PolicyDocument=anything)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    assert world.changes(resources) == {"role.instances": ("update", {"attached"})}
    assert policy in str(world.plan(resources))
    world.settle(resources)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
