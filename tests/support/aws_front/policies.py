"""Scaling policies, and the alarms that Auto Scaling makes for those that track a target.

Source: Amazon EC2 Auto Scaling API Reference, PutScalingPolicy and DeletePolicy.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from aws_front.answers import Answer, query_answer
from aws_front.named_group import known, no_such_group, place

if TYPE_CHECKING:
    from aws_front.actions import Request
    from aws_front.front import Moto


def put(request: Request, moto: Moto) -> Answer:
    if known(request, moto) is None:
        return no_such_group(request)
    answer = moto.forward(request)
    if not answer.good:
        return answer
    name = request.text("PolicyName")
    found = moto.client("autoscaling", request.region).describe_policies(
        AutoScalingGroupName=request.text("AutoScalingGroupName"), PolicyNames=[name]
    )["ScalingPolicies"][0]
    alarms = []
    with moto.lock:
        key = (*place(request), name)
        delete_alarms(moto, request.region, moto.state.tracking_alarms.pop(key, []))
        if found["PolicyType"] == "TargetTrackingScaling":
            alarms = _track(request, moto, found)
            moto.state.tracking_alarms[key] = [alarm["AlarmName"] for alarm in alarms]
    return query_answer(request, {"PolicyARN": found["PolicyARN"], "Alarms": alarms})


def delete(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    if answer.good:
        name = request.text("PolicyName").rpartition("policyName/")[2]
        with moto.lock:
            alarms = moto.state.tracking_alarms.pop((*place(request), name), [])
            delete_alarms(moto, request.region, alarms)
    return answer


def delete_alarms(moto: Moto, region: str, names: list[str]) -> None:
    if names:
        moto.client("cloudwatch", region).delete_alarms(AlarmNames=names)


def _track(request: Request, moto: Moto, policy: dict[str, Any]) -> list[dict[str, str]]:
    """The two alarms that Auto Scaling makes for a policy and deletes with it (EC2 Auto Scaling
    User Guide, "Target tracking scaling policies for Amazon EC2 Auto Scaling")."""
    setting = policy["TargetTrackingConfiguration"]
    metric = _tracked_metric(request, setting)
    client = moto.client("cloudwatch", request.region)
    target = setting["TargetValue"]
    made = []
    for side, comparison, threshold, periods in (
        ("High", "GreaterThanThreshold", target, 3),
        ("Low", "LessThanThreshold", 0.9 * target, 15),
    ):
        if side == "Low" and setting.get("DisableScaleIn"):
            continue
        group = request.text("AutoScalingGroupName")
        name = f"TargetTracking-{group}-Alarm{side}-{uuid.uuid4()}"
        client.put_metric_alarm(
            AlarmName=name,
            ComparisonOperator=comparison,
            Threshold=threshold,
            EvaluationPeriods=periods,
            Period=60,
            AlarmActions=[policy["PolicyARN"]],
            **metric,
        )
        account = policy["PolicyARN"].split(":")[4]
        arn = f"arn:aws:cloudwatch:{request.region}:{account}:alarm:{name}"
        made.append({"AlarmName": name, "AlarmARN": arn})
    return made


def _tracked_metric(request: Request, setting: dict[str, Any]) -> dict[str, Any]:
    if "CustomizedMetricSpecification" in setting:
        custom = setting["CustomizedMetricSpecification"]
        keys = ("MetricName", "Namespace", "Dimensions", "Statistic", "Unit")
        return {key: custom[key] for key in keys if key in custom}
    predefined = setting["PredefinedMetricSpecification"]
    if predefined["PredefinedMetricType"] == "ALBRequestCountPerTarget":
        balancer, _, target = predefined["ResourceLabel"].partition("/targetgroup/")
        dimensions = {"TargetGroup": f"targetgroup/{target}", "LoadBalancer": balancer}
        named = ("AWS/ApplicationELB", "RequestCountPerTarget", "Sum")
    else:
        dimensions = {"AutoScalingGroupName": request.text("AutoScalingGroupName")}
        kind = predefined["PredefinedMetricType"].removeprefix("ASGAverage")
        named = ("AWS/EC2", kind, "Average")
    return {
        "Namespace": named[0],
        "MetricName": named[1],
        "Statistic": named[2],
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
