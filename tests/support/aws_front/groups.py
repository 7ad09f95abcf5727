"""Auto Scaling groups: what moto ignores of them, hooks, activities, metrics and notifications.

Source: Amazon EC2 Auto Scaling API Reference, the action of each name.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from aws_front import policies, versions
from aws_front.answers import Answer, error, query_answer
from aws_front.named_group import keep_mixed, known, no_such_group, now, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_front.actions import Request
    from aws_front.front import Moto

NAMESPACE = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
_TAG = f"{{{NAMESPACE}}}"
_HOOK = re.compile(r"LifecycleHookSpecificationList\.member\.(\d+)\.(\w+)")
_EXTRAS = (
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "CapacityRebalance",
    "InstanceMaintenancePolicy.MinHealthyPercentage",
    "InstanceMaintenancePolicy.MaxHealthyPercentage",
)
# Amazon EC2 Auto Scaling User Guide, "Amazon CloudWatch metrics for Amazon EC2 Auto Scaling".
_STATES = ("InService", "Pending", "Standby", "Terminating", "Total")
GROUP_METRICS = (
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    *(f"Group{state}Instances" for state in _STATES),
    *(f"Group{state}Capacity" for state in _STATES),
)
ElementTree.register_namespace("", NAMESPACE)


def create(request: Request, moto: Moto) -> Answer:
    with moto.lock:
        if known(request, moto):
            message = "AutoScalingGroup by this name already exists - A group with the name "
            message += f"{request.text('AutoScalingGroupName')} already exists"
            return error(request, "AlreadyExists", message)
        answer = moto.forward(request)
        if answer.good:
            _remember(request, moto)
            _put_hooks(request, moto)
        return answer


def update(request: Request, moto: Moto) -> Answer:
    with moto.lock:
        group = known(request, moto)
        versions.note(moto, request.region, group)
        answer = moto.forward(request)
        if answer.good:
            _remember(request, moto)
            keep_mixed(request, moto, group or {})
        return answer


def _remember(request: Request, moto: Moto) -> None:
    given = {key: request.text(key) for key in _EXTRAS if key in request.parameters}
    moto.state.group_extras.setdefault(place(request), {}).update(given)


def _put_hooks(request: Request, moto: Moto) -> None:
    hooks: dict[str, dict[str, Any]] = {}
    for key, value in request.parameters.items():
        if match := _HOOK.fullmatch(key):
            number = match[2] == "HeartbeatTimeout"
            hooks.setdefault(match[1], {})[match[2]] = int(value) if number else value
    client = moto.client("autoscaling", request.region)
    for hook in hooks.values():
        client.put_lifecycle_hook(AutoScalingGroupName=request.text("AutoScalingGroupName"), **hook)


def describe(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    if not answer.good:
        return answer
    root = _with_versions(request, moto, answer)
    for member in root.iterfind(f".//{_TAG}AutoScalingGroups/{_TAG}member"):
        name = member.findtext(f"{_TAG}AutoScalingGroupName", "")
        with moto.lock:
            extras = dict(moto.state.group_extras.get((request.region, name), {}))
            reasons = dict(moto.state.suspensions[request.region, name])
        _add(member, extras)
        for process in member.iterfind(f"{_TAG}SuspendedProcesses/{_TAG}member"):
            reason = process.find(f"{_TAG}SuspensionReason")
            if reason is not None:
                reason.text = reasons.get(process.findtext(f"{_TAG}ProcessName", ""))
    return Answer(answer.status, answer.headers, ElementTree.tostring(root))


def describe_instances(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    if not answer.good:
        return answer
    root = _with_versions(request, moto, answer)
    return Answer(answer.status, answer.headers, ElementTree.tostring(root))


def _with_versions(request: Request, moto: Moto, answer: Answer) -> ElementTree.Element:
    client = moto.client("autoscaling", request.region)
    with moto.lock:
        for group in client.describe_auto_scaling_groups()["AutoScalingGroups"]:
            versions.note(moto, request.region, group)
    root = ElementTree.fromstring(answer.body)
    versions.correct(moto, root)
    return root


def _add(member: ElementTree.Element, extras: dict[str, str]) -> None:
    """Negative numbers take a setting away, as the API has it."""
    for key, value in extras.items():
        parent, _, leaf = key.rpartition(".")
        holder = member
        if parent:
            found = member.find(_TAG + parent)
            holder = ElementTree.SubElement(member, _TAG + parent) if found is None else found
        old = holder.find(_TAG + leaf)
        if old is not None:
            holder.remove(old)
        if not value.startswith("-"):
            ElementTree.SubElement(holder, _TAG + leaf).text = value
        elif parent and len(holder) == 0:
            member.remove(holder)


def delete(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    if answer.good:
        where = place(request)
        client = moto.client("autoscaling", request.region)
        for policy in client.describe_policies(AutoScalingGroupName=where[1])["ScalingPolicies"]:
            client.delete_policy(AutoScalingGroupName=where[1], PolicyName=policy["PolicyName"])
        listed = client.describe_scheduled_actions(AutoScalingGroupName=where[1])
        for action in listed["ScheduledUpdateGroupActions"]:
            client.delete_scheduled_action(
                AutoScalingGroupName=where[1], ScheduledActionName=action["ScheduledActionName"]
            )
        with moto.lock:
            state = moto.state
            for key in [k for k in state.tracking_alarms if k[:2] == where]:
                policies.delete_alarms(moto, request.region, state.tracking_alarms.pop(key))
            state.group_extras.pop(where, None)
            state.notifications.pop(where, None)
            state.refreshes.pop(where, None)
    return answer


def set_desired(request: Request, moto: Moto) -> Answer:
    group = known(request, moto)
    if group is None:
        return no_such_group(request)
    wanted = int(request.text("DesiredCapacity"))
    for bound, word, out in (
        ("MinSize", "below min", wanted < group["MinSize"]),
        ("MaxSize", "above max", wanted > group["MaxSize"]),
    ):
        if out:
            message = f"New SetDesiredCapacity value {wanted} is {word} value {group[bound]} "
            message += f"for the AutoScalingGroup {group['AutoScalingGroupName']}."
            return error(request, "ValidationError", message)
    return moto.forward(request)


def terminate(request: Request, moto: Moto) -> Answer:
    instance = request.text("InstanceId")
    found = moto.client("autoscaling", request.region).describe_auto_scaling_instances(
        InstanceIds=[instance]
    )["AutoScalingInstances"]
    if found:
        return moto.forward(request)
    message = f"Instance Id not found - No managed instance found for instance ID: {instance}"
    return error(request, "ValidationError", message)


def activities(request: Request, moto: Moto) -> Answer:
    """Told from what changed since the last look: newest first, each of them complete."""
    group = known(request, moto)
    with moto.lock:
        recorded = moto.state.activities[place(request)]
        before = moto.state.launched[place(request)]
        current = {i["InstanceId"] for i in group["Instances"]} if group else set()
        for instance in sorted(before - current):
            recorded.insert(0, _activity(request, "Terminating", instance))
        for instance in sorted(current - before):
            recorded.insert(0, _activity(request, "Launching a new", instance))
        before.clear()
        before.update(current)
        return query_answer(request, {"Activities": list(recorded)})


def _activity(request: Request, what: str, instance: str) -> dict[str, Any]:
    return {
        "ActivityId": str(uuid.uuid4()),
        "AutoScalingGroupName": request.text("AutoScalingGroupName"),
        "Description": f"{what} EC2 instance: {instance}",
        "Cause": f"At {now()} a difference between desired and actual capacity changed the group.",
        "StartTime": now(),
        "EndTime": now(),
        "StatusCode": "Successful",
        "Progress": 100,
    }


def suspend(request: Request, moto: Moto) -> Answer:
    """No processes named means all of them."""
    answer = moto.forward(request)
    group = known(request, moto)
    with moto.lock:
        since = moto.state.suspensions[place(request)]
        for each in (group or {}).get("SuspendedProcesses", ()):
            since.setdefault(each["ProcessName"], f"User suspended at {now()}")
    return answer


def enable_metrics(request: Request, moto: Moto) -> Answer:
    return _collect(request, moto, lambda old, asked: old | asked)


def disable_metrics(request: Request, moto: Moto) -> Answer:
    return _collect(request, moto, lambda old, asked: old - asked)


def _collect(
    request: Request, moto: Moto, join: Callable[[set[str], set[str]], set[str]]
) -> Answer:
    """No metrics named means all of them. moto sets what it is given."""
    with moto.lock:
        group = known(request, moto)
        if group is None:
            return no_such_group(request)
        old = {metric["Metric"] for metric in group["EnabledMetrics"]}
        metrics = join(old, set(request.values("Metrics.member") or GROUP_METRICS))
        moto.client("autoscaling", request.region).enable_metrics_collection(
            AutoScalingGroupName=group["AutoScalingGroupName"],
            Granularity="1Minute",
            Metrics=sorted(metrics),
        )
    return query_answer(request)


def lifecycle_action(request: Request, moto: Moto) -> Answer:
    group, hook = request.text("AutoScalingGroupName"), request.text("LifecycleHookName")
    if known(request, moto) is None:
        return no_such_group(request)
    hooks = moto.client("autoscaling", request.region).describe_lifecycle_hooks(
        AutoScalingGroupName=group
    )["LifecycleHooks"]
    if hook not in {each["LifecycleHookName"] for each in hooks}:
        message = f"No active Lifecycle Action found with hook {hook} of group {group}"
        return error(request, "ValidationError", message)
    return query_answer(request, {})


def put_notification(request: Request, moto: Moto) -> Answer:
    if known(request, moto) is None:
        return no_such_group(request)
    with moto.lock:
        topics = moto.state.notifications[place(request)]
        topics[request.text("TopicARN")] = request.values("NotificationTypes.member")
    return query_answer(request)


def notifications(request: Request, moto: Moto) -> Answer:
    asked = request.values("AutoScalingGroupNames.member")
    with moto.lock:
        found = [
            {"AutoScalingGroupName": name, "TopicARN": topic, "NotificationType": kind}
            for (region, name), topics in moto.state.notifications.items()
            if region == request.region and (not asked or name in asked)
            for topic, kinds in topics.items()
            for kind in kinds
        ]
    return query_answer(request, {"NotificationConfigurations": found})


def delete_notification(request: Request, moto: Moto) -> Answer:
    if known(request, moto) is None:
        return no_such_group(request)
    with moto.lock:
        moto.state.notifications[place(request)].pop(request.text("TopicARN"), None)
    return query_answer(request)


def account_limits(request: Request, moto: Moto) -> Answer:
    groups = moto.client("autoscaling", request.region).describe_auto_scaling_groups()
    limits = {"MaxNumberOfAutoScalingGroups": 500, "MaxNumberOfLaunchConfigurations": 200}
    used = {
        "NumberOfAutoScalingGroups": len(groups["AutoScalingGroups"]),
        "NumberOfLaunchConfigurations": 0,
    }
    return query_answer(request, {**limits, **used})
