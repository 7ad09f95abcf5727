"""What the front answers for Auto Scaling groups where moto's server does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_front.account import Account, refusal

if TYPE_CHECKING:
    from aws_front.front import Front


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


def test_a_groups_schedules_go_with_it(account: Account, aws: Front) -> None:
    account.template()
    account.group(1)
    account.autoscaling.put_scheduled_update_group_action(
        AutoScalingGroupName="g", ScheduledActionName="morning", Recurrence="0 8 * * *", MinSize=1
    )
    assert aws.inventory()["autoscaling.schedule"] == ["morning"]
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


def test_group_metrics_are_enabled_and_disabled(account: Account) -> None:
    account.template()
    account.group(1)
    group = {"AutoScalingGroupName": "g"}

    def enabled() -> set[str]:
        return {metric["Metric"] for metric in account.described()["EnabledMetrics"]}

    scaling = account.autoscaling
    for metric in ("GroupMinSize", "GroupMaxSize"):
        scaling.enable_metrics_collection(**group, Granularity="1Minute", Metrics=[metric])
    assert enabled() == {"GroupMinSize", "GroupMaxSize"}
    scaling.disable_metrics_collection(**group, Metrics=["GroupMinSize"])
    assert enabled() == {"GroupMaxSize"}
    scaling.enable_metrics_collection(**group, Granularity="1Minute")
    assert len(enabled()) == 13
    scaling.disable_metrics_collection(**group)
    assert enabled() == set()


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


def test_another_setting_leaves_a_mixed_group_mixed(account: Account) -> None:
    template = account.template(versions=1)
    scaling = account.autoscaling
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="g",
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=account.subnets()[0],
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
                "Overrides": [{"InstanceType": "t3.small"}, {"InstanceType": "t3a.small"}],
            },
            "InstancesDistribution": {"OnDemandBaseCapacity": 1},
        },
    )
    before = account.described()["MixedInstancesPolicy"]
    scaling.update_auto_scaling_group(AutoScalingGroupName="g", MaxSize=2)
    assert account.described()["MixedInstancesPolicy"] == before
    assert account.described()["MaxSize"] == 2


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


def test_a_refresh_stands_still_while_its_instances_come(account: Account, aws: Front) -> None:
    passed_s = 0.0
    aws.switches.clock = lambda: passed_s
    aws.switches.refresh_batch_s = 100
    account.template(versions=2)
    account.group(2)
    account.autoscaling.start_instance_refresh(
        AutoScalingGroupName="g", DesiredConfiguration=wanted("2")
    )
    seen = []
    for passed_s in (0.0, 99.0, 100.0, 199.0, 200.0):  # noqa: B007
        seen.append(account.refresh()["PercentageComplete"])
    assert seen == [0, 0, 50, 50, 100]
    assert account.versions() == ["2", "2"]


def test_a_suspended_process_has_its_reason(account: Account) -> None:
    account.template()
    account.group(1)
    scaling, group = account.autoscaling, {"AutoScalingGroupName": "g"}
    scaling.suspend_processes(**group, ScalingProcesses=["Launch"])
    (process,) = account.described()["SuspendedProcesses"]
    assert process["ProcessName"] == "Launch"
    assert process["SuspensionReason"].startswith("User suspended at 20")
    scaling.resume_processes(**group)
    assert account.described()["SuspendedProcesses"] == []
