"""How many tasks a container service has, as Application Auto Scaling decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.limits import left_to_schedules
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.kinds.scaling import ADJUSTMENTS
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Settings

SERVICE = "application-autoscaling"
DIMENSION = "ecs:service:DesiredCount"

PREDEFINED = {
    "cpu": "ECSServiceAverageCPUUtilization",
    "requests_per_target": "ALBRequestCountPerTarget",
}
TYPES = {"step": "StepScaling", "target": "TargetTrackingScaling"}
LIMITS = {"min": "MinCapacity", "max": "MaxCapacity"}
SUSPENDED = "Suspended"
SUSPENDABLE = ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")


def _scaled(resource: str) -> dict[str, str]:
    return {"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": DIMENSION}


def _listed(account: Account, owner: Owner, operation: str, key: str) -> list[dict[str, Any]]:
    """Of the services in the cluster that has the name of the stack's, whoever made it."""
    ours = f"service/{owner.physical('main')}/"
    return [
        each
        for each in account.pages(SERVICE, operation, key, ServiceNamespace="ecs")
        if each["ResourceId"].startswith(ours) and each["ScalableDimension"] == DIMENSION
    ]


class ScalableTarget(Kind):
    """Settings: `resource` (service/CLUSTER/NAME), `min`, `max` tasks, `suspended` (those of
    SUSPENDABLE that somebody has suspended: its policies or schedules do nothing then; none),
    `scheduled` (of `min` and `max`, the values that schedules give them)."""

    name = "scalable_target"
    fixed = frozenset({"resource"})
    unread = frozenset({"scheduled"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        targets = _listed(account, owner, "describe_scalable_targets", "ScalableTargets")
        return all_found(targets, lambda target: self._found(account, owner, target))

    def _found(self, account: Account, owner: Owner, target: dict[str, Any]) -> Found | None:
        arn = target["ScalableTargetARN"]
        tags = account.client(SERVICE).list_tags_for_resource(ResourceARN=arn)["Tags"]
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        suspended = target.get("SuspendedState") or {}
        settings = {
            "resource": target["ResourceId"],
            **{key: target[aws] for key, aws in LIMITS.items()},
            "suspended": [each for each in SUSPENDABLE if suspended.get(each + SUSPENDED)],
        }
        return Found(self.name, name, arn, settings, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        account.client(SERVICE).register_scalable_target(
            **_scaled(want.settings["resource"]),
            **{aws: want.settings[key] for key, aws in LIMITS.items()},
            Tags=dict(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """A limit that is not named stays as a schedule has made it."""
        parameters = {aws: want.settings[key] for key, aws in LIMITS.items() if key in changed}
        if "suspended" in changed:
            parameters["SuspendedState"] = {
                each + SUSPENDED: each in want.settings["suspended"] for each in SUSPENDABLE
            }
        if parameters:
            account.client(SERVICE).register_scalable_target(
                **_scaled(found.settings["resource"]), **parameters
            )
        if "tags" in changed:
            account.client(SERVICE).tag_resource(ResourceARN=found.id, Tags=dict(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        """Its policies and scheduled actions go with it."""
        account.client(SERVICE).deregister_scalable_target(**_scaled(found.settings["resource"]))

    def left_alone(self, want: Settings, have: Settings) -> frozenset[str]:
        return left_to_schedules(want, have)


def _of_targets(account: Account, owner: Owner, operation: str, key: str) -> list[dict[str, Any]]:
    """What has no tags of its own belongs to the stack as the target does that it is for."""
    ours = {target.settings["resource"] for target in ScalableTarget().find(account, owner)}
    listed = _listed(account, owner, operation, key) if ours else []
    return [each for each in listed if each["ResourceId"] in ours]


class ContainerPolicy(Kind):
    """Settings: `resource`, `type`, and for type `step`: `by`, `steps` (in order, each `lower`,
    `upper`, `adjust`), `min_magnitude`, `cooldown_s`, `statistic`; for type `target`: `metric` (of
    PREDEFINED, or a table), `label` (`balancer` and `target_group` for requests, else None),
    `target`, `scale_in`, `out_cooldown_s`, `in_cooldown_s`. Its id is its ARN.

    It has no tags: its name is the Resource's with the type behind it, so that a policy of another
    type can stand beside the one it replaces.
    """

    name = "container_policy"
    fixed = frozenset({"resource", "type"})
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        policies = _of_targets(account, owner, "describe_scaling_policies", "ScalingPolicies")
        found = []
        for policy in policies:
            name, _, kind = policy["PolicyName"].rpartition("-")
            if TYPES.get(kind) == policy["PolicyType"]:
                read = _step_settings if kind == "step" else _target_settings
                settings = {"resource": policy["ResourceId"], "type": kind, **read(policy)}
                found.append(Found(self.name, name, policy["PolicyARN"], settings))
        return found

    def create(self, account: Account, want: Want) -> None:
        """Puts it, which is the same for a policy that is there."""
        kind = want.settings["type"]
        configuration = _step(want.settings) if kind == "step" else _target(want.settings)
        account.client(SERVICE).put_scaling_policy(
            **_scaled(want.settings["resource"]),
            PolicyName=f"{want.name}-{kind}",
            PolicyType=TYPES[kind],
            **configuration,
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        self.create(account, want)

    def delete(self, account: Account, found: Found) -> None:
        """The alarms that target tracking made go with it."""
        account.client(SERVICE).delete_scaling_policy(
            **_scaled(found.settings["resource"]),
            PolicyName=f"{found.name}-{found.settings['type']}",
        )


def _step(settings: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {"lower": "MetricIntervalLowerBound", "upper": "MetricIntervalUpperBound"}
    steps = [
        {
            **{bounds[key]: step[key] for key in bounds if step[key] is not None},
            "ScalingAdjustment": step["adjust"],
        }
        for step in settings["steps"]
    ]
    configuration = {
        "AdjustmentType": ADJUSTMENTS[settings["by"]],
        "StepAdjustments": steps,
        "Cooldown": settings["cooldown_s"],
        "MetricAggregationType": settings["statistic"],
    }
    if settings["min_magnitude"]:
        configuration["MinAdjustmentMagnitude"] = settings["min_magnitude"]
    return {"StepScalingPolicyConfiguration": configuration}


def _step_settings(policy: Mapping[str, Any]) -> dict[str, Any]:
    configuration = policy["StepScalingPolicyConfiguration"]
    words = {word: key for key, word in ADJUSTMENTS.items()}
    return {
        "by": words[configuration["AdjustmentType"]],
        "steps": [
            {
                "lower": step.get("MetricIntervalLowerBound"),
                "upper": step.get("MetricIntervalUpperBound"),
                "adjust": step["ScalingAdjustment"],
            }
            for step in configuration["StepAdjustments"]
        ],
        "min_magnitude": configuration.get("MinAdjustmentMagnitude", 0),
        "cooldown_s": configuration.get("Cooldown"),
        "statistic": configuration.get("MetricAggregationType", "Average"),
    }


def _target(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": settings["target"],
            "DisableScaleIn": not settings["scale_in"],
            "ScaleOutCooldown": settings["out_cooldown_s"],
            "ScaleInCooldown": settings["in_cooldown_s"],
            **_specification(settings["metric"], settings["label"]),
        }
    }


def _specification(
    metric: str | Mapping[str, Any], label: Mapping[str, str] | None
) -> dict[str, Any]:
    """The label names the target group as its balancer has it ("PredefinedMetricSpecification",
    Application Auto Scaling API Reference)."""
    if isinstance(metric, str):
        named = {"PredefinedMetricType": PREDEFINED[metric]}
        if label is not None:
            named["ResourceLabel"] = f"{label['balancer']}/{label['target_group']}"
        return {"PredefinedMetricSpecification": named}
    custom: dict[str, Any] = {
        "Namespace": metric["namespace"],
        "MetricName": metric["name"],
        "Statistic": metric["statistic"],
        "Dimensions": [
            {"Name": key, "Value": value} for key, value in metric["dimensions"].items()
        ],
    }
    if metric["unit"]:
        custom["Unit"] = metric["unit"]
    return {"CustomizedMetricSpecification": custom}


def _target_settings(policy: Mapping[str, Any]) -> dict[str, Any]:
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    named = configuration.get("PredefinedMetricSpecification", {})
    balancer, slash, group = named.get("ResourceLabel", "").partition("/targetgroup/")
    words = {word: key for key, word in PREDEFINED.items()}
    custom = configuration.get("CustomizedMetricSpecification", {})
    metric: Any = words.get(named.get("PredefinedMetricType", ""))
    if custom:
        metric = {
            "namespace": custom["Namespace"],
            "name": custom["MetricName"],
            "statistic": custom["Statistic"],
            "dimensions": {each["Name"]: each["Value"] for each in custom.get("Dimensions", ())},
            "unit": custom.get("Unit", ""),
        }
    return {
        "metric": metric,
        "label": {"balancer": balancer, "target_group": f"targetgroup/{group}"} if slash else None,
        "target": configuration["TargetValue"],
        "scale_in": not configuration.get("DisableScaleIn", False),
        "out_cooldown_s": configuration.get("ScaleOutCooldown"),
        "in_cooldown_s": configuration.get("ScaleInCooldown"),
    }


class ContainerSchedule(Kind):
    """Settings: `resource`, `schedule` (cron(...) or at(...)), `time_zone`, `min`, `max`: None
    leaves that limit as it is. It has no tags, and the Resource's name."""

    name = "container_schedule"
    fixed = frozenset({"resource"})
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        actions = _of_targets(account, owner, "describe_scheduled_actions", "ScheduledActions")
        return [self._found(action) for action in actions]

    def _found(self, action: Mapping[str, Any]) -> Found:
        limits = action.get("ScalableTargetAction", {})
        settings = {
            "resource": action["ResourceId"],
            "schedule": action["Schedule"],
            "time_zone": action.get("Timezone", "UTC"),
            **{key: limits.get(aws) for key, aws in LIMITS.items()},
        }
        return Found(
            self.name, action["ScheduledActionName"], action["ScheduledActionARN"], settings
        )

    def create(self, account: Account, want: Want) -> None:
        """Puts it, which is the same for one that is there."""
        settings = want.settings
        limits = {aws: settings[key] for key, aws in LIMITS.items()}
        account.client(SERVICE).put_scheduled_action(
            **_scaled(settings["resource"]),
            ScheduledActionName=want.name,
            Schedule=settings["schedule"],
            Timezone=settings["time_zone"],
            ScalableTargetAction={key: value for key, value in limits.items() if value is not None},
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        self.create(account, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_scheduled_action(
            **_scaled(found.settings["resource"]), ScheduledActionName=found.name
        )


KINDS: tuple[Kind, ...] = (ScalableTarget(), ContainerPolicy(), ContainerSchedule())
