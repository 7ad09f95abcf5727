"""The stacks of stack_world, changed as their owners may change them while they stand.

What a change of a file can lead to is in these four together; CALLS names it. No file leads to

- SetSubnets, SetSecurityGroups, SetIpAddressType: the balancer has the subnets of its network and
  one group of its own, which stay as long as the stack does; so does its kind of addresses;
- AttachLoadBalancerTargetGroups, DetachLoadBalancerTargetGroups: another target group would be for
  another port, network or kind of targets, which a plan refuses while the stack stands;
- UpdateFunctionConfiguration, ModifyDBSubnetGroup, ResumeProcesses, DeleteRule and so on: what they
  set is the same in all stacks, or for as long as one stands.

These put right what somebody changed by hand, or what AWS has given otherwise; the tests of each
kind have them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loadcore_aws import stack

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS = {"team": "likes", "stage": "changed"}
HEALTH = stack.Health(path="/v1/liveness", interval_s=15, timeout_s=6, healthy=3)


def changed(name: str, before: stack.Stack, folder: Path) -> stack.Stack:
    """What stack_world.sample(name, folder) gave, changed."""
    return CHANGES[name](before, folder)


def between(before: stack.Stack) -> stack.Stack:
    """Instances of another type than before and after."""
    return replace(before, instances=replace(before.instances, type="t3.medium"))


def _newer(package: stack.Package | None, folder: Path) -> stack.Package:
    """The same files with something else in them, which is another object, and one wheel fewer."""
    assert package is not None
    newer = folder / "newer"
    newer.mkdir(exist_ok=True)
    file = newer / Path(package.file).name
    file.write_bytes(b"a newer wheel")
    return stack.Package(str(file))


def _small(before: stack.Stack, folder: Path) -> stack.Stack:
    """Another package on larger instances, another port, other clients."""
    return replace(
        before,
        package=_newer(before.package, folder),
        instances=replace(before.instances, type="t3.large", environment={"LEVEL": "debug"}),
        access=stack.Access(clients=("198.51.100.0/24",), ssh=("203.0.113.0/24",)),
        balancer=replace(
            before.balancer,
            port=8000,
            algorithm="least_outstanding_requests",
            idle_timeout_s=90,
            health=HEALTH,
        ),
        group=replace(before.group, max=6, drain_s=0),
        policy=(stack.TargetTracking("cpu", 40.0),),
        logs=stack.Logs(retention_days=30),
        tags=TAGS,
    )


def _full(before: stack.Stack, folder: Path) -> stack.Stack:
    """Another image, instances that are public and need no NAT gateway, other thresholds, times and
    mail addresses, another controller."""
    out, _ = before.policy
    slow, quiet, _ = before.alarm
    morning, _ = before.schedule
    assert isinstance(out, stack.StepPolicy)
    assert before.instances.mixed is not None
    assert before.controller is not None
    controller = folder / "controller.toml"
    text = Path(before.controller.file).read_text()
    controller.write_text(text.replace("likes-jobs", "likes-work"))
    mixed = replace(before.instances.mixed, types=("m5.large", "m6i.large"), on_demand_percent=20)
    return replace(
        before,
        package=_newer(before.package, folder),
        instances=replace(before.instances, mixed=mixed),
        network=replace(before.network, nat=False),
        group=replace(before.group, cooldown_s=240, warmup_s=90, drain_s=90),
        policy=(replace(out, steps=(stack.Step(30, lower=0.0),)), stack.Simple("in", -2)),
        alarm=(replace(slow, threshold=0.08), quiet),
        schedule=(replace(morning, min=3),),
        topic=stack.Topic(emails=("others-on-call@example.com",)),
        table=stack.Table(point_in_time_recovery=False),
        controller=stack.Controller(str(controller), every_minutes=2),
        tags=TAGS,
    )


def _postgres(before: stack.Stack, folder: Path) -> stack.Stack:
    """A larger database that stands in two zones; steps in the place of target tracking."""
    assert before.database is not None
    return replace(
        before,
        database=replace(
            before.database, type="db.t4g.small", disk_gb=40, multi_zone=True, backup_days=3
        ),
        policy=(stack.StepPolicy("busy", (stack.Step(1, lower=0.0),)),),
        alarm=(stack.Alarm("busy", "cpu", 70.0, actions=("busy",)),),
        group=replace(before.group, max=3),
        tags=TAGS,
    )


def _containers(before: stack.Stack, folder: Path) -> stack.Stack:
    """Another image in larger tasks, more of them, at fixed times, too."""
    assert before.containers is not None
    return replace(
        before,
        containers=stack.Containers(image_tag="0.2.0", cpu=1024, memory_mb=2048),
        access=stack.Access(clients=("198.51.100.0/24",)),
        balancer=replace(before.balancer, deregistration_delay_s=20, health=HEALTH),
        group=replace(before.group, min=1, max=8, health_check_grace_s=90),
        policy=(stack.TargetTracking("load", 60.0),),
        schedule=(stack.Schedule("morning", cron="0 7 * * 1-5", min=2),),
        logs=stack.Logs(retention_days=7),
        tags=TAGS,
    )


CHANGES: dict[str, Callable[[stack.Stack, Path], stack.Stack]] = {
    "small": _small,
    "full": _full,
    "postgres": _postgres,
    "containers": _containers,
}

TAGGED = {"autoscaling.CreateOrUpdateTags", "s3.PutBucketTagging", "iam.TagInstanceProfile"}
TAGGED |= {"ec2.CreateTags", "elbv2.AddTags", "iam.TagRole", "logs.TagResource"}
REFRESHED = {"ec2.CreateLaunchTemplateVersion", "ec2.ModifyLaunchTemplate"}
REFRESHED |= {"autoscaling.CancelInstanceRefresh", "autoscaling.StartInstanceRefresh"}
CALLS: dict[str, set[str]] = {
    "small": TAGGED
    | REFRESHED
    | {
        "autoscaling.UpdateAutoScalingGroup",
        "autoscaling.DeleteLifecycleHook",
        "autoscaling.PutScalingPolicy",
        "ec2.AuthorizeSecurityGroupIngress",
        "ec2.RevokeSecurityGroupIngress",
        "elbv2.ModifyListener",
        "elbv2.ModifyLoadBalancerAttributes",
        "elbv2.ModifyTargetGroup",
        "elbv2.ModifyTargetGroupAttributes",
        "logs.PutRetentionPolicy",
        "s3.DeleteObject",
        "s3.PutObject",
    },
    "full": TAGGED
    | REFRESHED
    | {
        "autoscaling.DeleteScheduledAction",
        "autoscaling.PutLifecycleHook",
        "autoscaling.PutScalingPolicy",
        "autoscaling.PutScheduledUpdateGroupAction",
        "autoscaling.UpdateAutoScalingGroup",
        "cloudwatch.DeleteAlarms",
        "cloudwatch.PutMetricAlarm",
        "cloudwatch.TagResource",
        "dynamodb.TagResource",
        "dynamodb.UpdateContinuousBackups",
        "ec2.CreateImage",
        "ec2.DeleteNatGateway",
        "ec2.DeleteRoute",
        "ec2.DeleteSnapshot",
        "ec2.DeregisterImage",
        "ec2.ReleaseAddress",
        "ec2.RunInstances",
        "ec2.TerminateInstances",
        "events.PutRule",
        "events.TagResource",
        "iam.PutRolePolicy",
        "lambda.TagResource",
        "lambda.UpdateFunctionCode",
        "s3.DeleteObject",
        "s3.PutObject",
        "sns.Subscribe",
        "sns.TagResource",
        "sns.Unsubscribe",
        "sns.UntagResource",
    },
    "postgres": TAGGED
    | REFRESHED
    | {
        "autoscaling.DeletePolicy",
        "cloudwatch.PutMetricAlarm",
        "rds.AddTagsToResource",
        "rds.ModifyDBInstance",
    },
    "containers": {
        "application-autoscaling.DeleteScalingPolicy",
        "application-autoscaling.PutScalingPolicy",
        "application-autoscaling.PutScheduledAction",
        "application-autoscaling.RegisterScalableTarget",
        "application-autoscaling.TagResource",
        "ecr.TagResource",
        "ecs.RegisterTaskDefinition",
        "ecs.TagResource",
        "ecs.UpdateService",
        "elbv2.AddTags",
        "elbv2.ModifyTargetGroup",
        "elbv2.ModifyTargetGroupAttributes",
        "iam.TagRole",
        "logs.PutRetentionPolicy",
        "logs.TagResource",
    },
}
"""What each change calls at least, after another one that was stopped during its refresh and beside
what only looks."""
