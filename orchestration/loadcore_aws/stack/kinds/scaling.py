"""Scaling policies of the group: simple, step and target tracking.

Source: PutScalingPolicy (Amazon EC2 Auto Scaling API Reference, version 2011-01-01).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.group_parts import lasting_groups
from loadcore_aws.stack.kinds.refresh import SERVICE
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

SIMPLE, STEP, TARGET = "SimpleScaling", "StepScaling", "TargetTrackingScaling"
BY_REQUESTS = "ALBRequestCountPerTarget"
LABEL_SEPARATOR = "/targetgroup/"

ADJUSTMENTS = {
    "change": "ChangeInCapacity",
    "exact": "ExactCapacity",
    "percent": "PercentChangeInCapacity",
}
"""What a file's `by` is called by AWS, of instances and of containers."""

PLAIN = {
    "adjustment": "AdjustmentType",
    "adjust": "ScalingAdjustment",
    "cooldown_s": "Cooldown",
    "min_magnitude": "MinAdjustmentMagnitude",
    "warmup_s": "EstimatedInstanceWarmup",
    "statistic": "MetricAggregationType",
}
KEYS = {
    SIMPLE: ("adjustment", "adjust", "cooldown_s", "min_magnitude"),
    STEP: ("adjustment", "min_magnitude", "warmup_s", "statistic"),
    TARGET: ("warmup_s",),
}


class ScalingPolicy(Kind):
    """Settings: `group`, `type`, `enabled`, the KEYS of that type (None where AWS has a default),
    and `steps` (from the lowest; `lower`, `upper`, `adjust`) of a step policy, or `target`,
    `scale_in` and `metric` of target tracking. The metric is `predefined` (with `balancer` and
    `target_group`, their full names, for requests), or `namespace`, `name`, `dimensions`, `unit`
    and `statistic`.

    The alarms that target tracking makes for itself come and go with the policy.
    """

    name = "scaling_policy"
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        return [
            self._found(policy)
            for group in lasting_groups(account, owner)
            for policy in account.pages(
                SERVICE, "describe_policies", "ScalingPolicies", AutoScalingGroupName=group
            )
        ]

    def _found(self, policy: Mapping[str, Any]) -> Found:
        kind = policy["PolicyType"]
        settings: dict[str, Any] = {
            "group": policy["AutoScalingGroupName"],
            "type": kind,
            "enabled": policy.get("Enabled", True),
            **{key: policy.get(PLAIN[key]) for key in KEYS.get(kind, ())},
        }
        if kind == STEP:
            settings["steps"] = sorted(map(_step, policy["StepAdjustments"]), key=_lowest)
        elif kind == TARGET:
            settings.update(_tracking(policy["TargetTrackingConfiguration"]))
        return Found(self.name, policy["PolicyName"], policy["PolicyARN"], settings)

    def create(self, account: Account, want: Want) -> None:
        settings = want.settings
        given = {PLAIN[key]: settings[key] for key in KEYS[settings["type"]]}
        parameters = {aws: value for aws, value in given.items() if value is not None}
        if settings["type"] == STEP:
            parameters["StepAdjustments"] = list(map(_adjustment, settings["steps"]))
        elif settings["type"] == TARGET:
            parameters["TargetTrackingConfiguration"] = _configuration(settings)
        account.client(SERVICE).put_scaling_policy(
            AutoScalingGroupName=settings["group"],
            PolicyName=want.name,
            PolicyType=settings["type"],
            Enabled=settings["enabled"],
            **parameters,
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """What a call does not name may stay as it is, and a policy keeps its type: for either it
        is taken away, and made anew the next time it is looked for."""
        if "type" in changed or any(want.settings[key] is None for key in changed):
            self.delete(account, found)
        else:
            self.create(account, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_policy(
            AutoScalingGroupName=found.settings["group"], PolicyName=found.name
        )


def _step(element: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "lower": element.get("MetricIntervalLowerBound"),
        "upper": element.get("MetricIntervalUpperBound"),
        "adjust": element["ScalingAdjustment"],
    }


def _lowest(step: Mapping[str, Any]) -> float:
    return float("-inf") if step["lower"] is None else step["lower"]


def _adjustment(step: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        "MetricIntervalLowerBound": step["lower"],
        "MetricIntervalUpperBound": step["upper"],
        "ScalingAdjustment": step["adjust"],
    }
    return {aws: value for aws, value in given.items() if value is not None}


def _tracking(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "target": configuration["TargetValue"],
        "scale_in": not configuration.get("DisableScaleIn", False),
        "metric": _metric(configuration),
    }


def _metric(configuration: Mapping[str, Any]) -> dict[str, Any]:
    predefined = configuration.get("PredefinedMetricSpecification")
    if predefined:
        metric = {"predefined": predefined["PredefinedMetricType"]}
        label = predefined.get("ResourceLabel", "")
        if LABEL_SEPARATOR in label:
            balancer, _, target_group = label.partition(LABEL_SEPARATOR)
            metric.update(
                balancer=balancer, target_group=LABEL_SEPARATOR.lstrip("/") + target_group
            )
        return metric
    custom = configuration.get("CustomizedMetricSpecification") or {}
    return {
        "namespace": custom.get("Namespace"),
        "name": custom.get("MetricName"),
        "dimensions": {each["Name"]: each["Value"] for each in custom.get("Dimensions") or ()},
        "unit": custom.get("Unit") or "",
        "statistic": custom.get("Statistic"),
    }


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    metric = settings["metric"]
    common = {"TargetValue": settings["target"], "DisableScaleIn": not settings["scale_in"]}
    if "predefined" in metric:
        predefined = {"PredefinedMetricType": metric["predefined"]}
        if metric["predefined"] == BY_REQUESTS:
            predefined["ResourceLabel"] = f"{metric['balancer']}/{metric['target_group']}"
        return {**common, "PredefinedMetricSpecification": predefined}
    custom = {
        "Namespace": metric["namespace"],
        "MetricName": metric["name"],
        "Dimensions": [
            {"Name": name, "Value": value} for name, value in sorted(metric["dimensions"].items())
        ],
        "Statistic": metric["statistic"],
    }
    if metric["unit"]:
        custom["Unit"] = metric["unit"]
    return {**common, "CustomizedMetricSpecification": custom}


KINDS: tuple[Kind, ...] = (ScalingPolicy(),)
