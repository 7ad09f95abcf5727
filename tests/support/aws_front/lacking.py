"""What moto 5.2.5's server lacks or gets wrong, and what the front does about each: TABLE.

A row's reason says what moto does; the handler does what AWS's API reference says for that action.
Calls without a row go to moto as they are. The front leaves these as moto has them:

- Alarms are never evaluated, begin in OK and cause nothing; DescribeAlarmHistory is missing;
  GetMetricData's expressions give no values; DeleteAlarms of what is not there succeeds.
- AWS's managed policies do not exist, so AttachRolePolicy fails with NoSuchEntity.
- Instances made from a launch template get neither its metadata options nor the security groups of
  its network interfaces (its own SecurityGroupIds do arrive); balancers have no interfaces.
- NAT gateways, databases, tables and balancers are ready at once. Terminated instances, deleted NAT
  gateways and deleted ECS clusters stay listed with that state.
- Scaling policies of two groups with the same name are one: names must differ between groups.
- Lifecycle hooks hold no instance; CompleteLifecycleAction needs only the hook and the group.
- Service Quotas knows the quotas of VPC alone.
- The tagging API lists no launch templates, addresses, groups, balancers or alarms.
- ECS starts no tasks and registers no targets; a service counts up to its size as it is polled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from aws_front import buckets, compute, groups, others, policies, refreshes, strict
from aws_front.answers import error
from aws_front.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_front.actions import Request
    from aws_front.answers import Answer
    from aws_front.front import Moto

    Handler = Callable[[Request, Moto], Answer]

__all__ = ["TABLE", "State", "answer"]

_MISSING = "not implemented: answers 500"
_TOKEN = "ignores ClientToken and makes another one, or says that the name is taken"

TABLE: dict[str, tuple[Handler, str]] = {
    "autoscaling.CreateAutoScalingGroup": (
        groups.create,
        "ignores lifecycle hooks, InstanceMaintenancePolicy and DefaultInstanceWarmup; a name that "
        "is taken silently replaces the group, whose instances are orphaned",
    ),
    "autoscaling.UpdateAutoScalingGroup": (
        groups.update,
        "ignores InstanceMaintenancePolicy, DefaultCooldown, DefaultInstanceWarmup and "
        "CapacityRebalance; forgets the MixedInstancesPolicy",
    ),
    "autoscaling.DescribeAutoScalingGroups": (
        groups.describe,
        "does not tell what it ignored; says that all instances are of the template's default "
        "version",
    ),
    "autoscaling.DescribeAutoScalingInstances": (
        groups.describe_instances,
        "says that all instances are of the template's default version",
    ),
    "autoscaling.DeleteAutoScalingGroup": (
        groups.delete,
        "leaves its policies, schedules and the alarms of target tracking; deletes a group with "
        "instances without ForceDelete (refused with strict_dependencies)",
    ),
    "autoscaling.SetDesiredCapacity": (groups.set_desired, "goes beyond MinSize and MaxSize"),
    "autoscaling.TerminateInstanceInAutoScalingGroup": (
        groups.terminate,
        "answers 500 where the instance is in no group",
    ),
    "autoscaling.DescribeScalingActivities": (groups.activities, "always empty"),
    "autoscaling.PutScalingPolicy": (
        policies.put,
        "answers no PolicyARN, makes no alarms for target tracking, takes any group's name",
    ),
    "autoscaling.DeletePolicy": (policies.delete, "knows no alarms of target tracking"),
    "autoscaling.SuspendProcesses": (groups.suspend, "tells no reason"),
    "autoscaling.EnableMetricsCollection": (
        groups.enable_metrics,
        "forgets the metrics enabled before; takes no list for none",
    ),
    "autoscaling.DisableMetricsCollection": (groups.disable_metrics, _MISSING),
    "autoscaling.CompleteLifecycleAction": (groups.lifecycle_action, _MISSING),
    "autoscaling.RecordLifecycleActionHeartbeat": (groups.lifecycle_action, _MISSING),
    "autoscaling.PutNotificationConfiguration": (groups.put_notification, _MISSING),
    "autoscaling.DescribeNotificationConfigurations": (groups.notifications, _MISSING),
    "autoscaling.DeleteNotificationConfiguration": (groups.delete_notification, _MISSING),
    "autoscaling.DescribeAccountLimits": (groups.account_limits, _MISSING),
    "autoscaling.StartInstanceRefresh": (refreshes.start, _MISSING),
    "autoscaling.DescribeInstanceRefreshes": (refreshes.describe, _MISSING),
    "autoscaling.CancelInstanceRefresh": (refreshes.cancel, _MISSING),
    "autoscaling.RollbackInstanceRefresh": (refreshes.rollback, _MISSING),
    "ec2.RunInstances": (compute.once_per_token, _TOKEN),
    "ec2.DescribeInstances": (
        compute.instances,
        "cannot filter by client token; says of each instance that ended that a user ended it",
    ),
    "ec2.CreateNatGateway": (compute.once_per_token, _TOKEN),
    "ec2.CreateLaunchTemplate": (compute.once_per_token, _TOKEN),
    "ec2.CreateLaunchTemplateVersion": (
        compute.create_template_version,
        f"{_TOKEN}; a group that launches a version with user data but the first answers 500",
    ),
    "ec2.CreateVpcEndpoint": (compute.once_per_token, _TOKEN),
    "ec2.CreateRouteTable": (compute.once_per_token, _TOKEN),
    "ec2.DeleteLaunchTemplateVersions": (compute.delete_template_versions, _MISSING),
    "ec2.DescribeLaunchTemplates": (compute.templates, "tells the tags of the creation"),
    "ec2.DescribeLaunchTemplateVersions": (
        compute.template_versions,
        "lists what DeleteLaunchTemplateVersions deleted; is not told the user data",
    ),
    "ec2.CreateImage": (
        compute.create_image,
        "answers 500 to tags for the snapshots; takes a name twice",
    ),
    "elbv2.CreateLoadBalancer": (others.create_balancer, "makes another one of the same name"),
    "elbv2.DescribeLoadBalancers": (others.balancers, "tells names that no DNS knows"),
    "elbv2.CreateTargetGroup": (others.create_target_group, "refuses the same one again"),
    "elbv2.CreateListener": (others.create_listener, "makes another one on the same port"),
    "iam.ListInstanceProfileTags": (others.profile_tags, _MISSING),
    "s3.CreateBucket": (buckets.create_bucket, "ignores its tags"),
    "s3.GetBucketTagging": (
        buckets.bucket_tags,
        "answers whoever the bucket's owner was said to be",
    ),
    "s3.PutBucketPolicy": (
        buckets.put_bucket_policy,
        "enforces it without its Condition, so that a policy against plain HTTP locks all out",
    ),
    "s3.GetBucketPolicy": (buckets.get_bucket_policy, "see PutBucketPolicy"),
    "s3.DeleteBucketPolicy": (buckets.delete_bucket_policy, "see PutBucketPolicy"),
    "s3.DeleteBucket": (buckets.delete_bucket, "see PutBucketPolicy"),
    "events.PutRule": (others.put_rule, "puts tags on a rule that is there"),
    "ssm.GetParameter": (
        others.get_parameter,
        "knows the public images of Amazon Linux alone: one of these stands for Debian's",
    ),
    "cloudwatch.PutMetricData": (others.put_metric_data, "see GetMetricData"),
    "cloudwatch.GetMetricData": (others.get_metric_data, "answers 500 to percentiles"),
    "application-autoscaling.RegisterScalableTarget": (
        others.register_target,
        "see ListTagsForResource",
    ),
    "application-autoscaling.ListTagsForResource": (others.scalable_tags, _MISSING),
    "application-autoscaling.TagResource": (others.tag_scalable, _MISSING),
    "application-autoscaling.UntagResource": (others.untag_scalable, _MISSING),
    "application-autoscaling.DeregisterScalableTarget": (
        others.deregister_target,
        "leaves the target's policies and scheduled actions",
    ),
}


def answer(request: Request, moto: Moto) -> Answer:
    """What AWS would answer, as far as the front and moto together know it."""
    refused = strict.refused(request, moto)
    if refused:
        return refused
    row = TABLE.get(f"{request.service}.{request.action}")
    try:
        result = row[0](request, moto) if row else moto.forward(request)
    except ClientError as refusal:  # a handler asked moto, and moto says what is wrong
        said, status = refusal.response["Error"], refusal.response["ResponseMetadata"]
        result = error(request, said["Code"], said["Message"], status["HTTPStatusCode"])
    strict.notice(request, result, moto)
    return result
