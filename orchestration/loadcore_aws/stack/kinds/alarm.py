"""CloudWatch alarms of the stack. Those of target tracking are not among them: they belong to their
policy.

Source: PutMetricAlarm (Amazon CloudWatch API Reference, version 2010-08-01).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.names import STACK, tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

SERVICE = "cloudwatch"

REQUIRED = {
    "namespace": "Namespace",
    "metric": "MetricName",
    "period_s": "Period",
    "evaluation_periods": "EvaluationPeriods",
    "datapoints_to_alarm": "DatapointsToAlarm",
    "threshold": "Threshold",
    "comparison": "ComparisonOperator",
    "missing_data": "TreatMissingData",
    "enabled": "ActionsEnabled",
    "description": "AlarmDescription",
}
OPTIONAL = {
    "unit": "Unit",
    "statistic": "Statistic",
    "percentile": "ExtendedStatistic",
    "low_samples": "EvaluateLowSampleCountPercentile",
}
"""Empty where they do not apply."""

ACTIONS = {
    "actions": "AlarmActions",
    "ok_actions": "OKActions",
    "no_data_actions": "InsufficientDataActions",
}


class Alarm(Kind):
    """Settings: REQUIRED, OPTIONAL (texts), `dimensions` and ACTIONS (sorted ARNs)."""

    name = "alarm"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        alarms = account.pages(
            SERVICE, "describe_alarms", "MetricAlarms",
            AlarmNamePrefix=owner.prefix, AlarmTypes=["MetricAlarm"],
        )  # fmt: skip
        return all_found(
            alarms, lambda alarm: self._found(owner, alarm, self._tags(account, alarm))
        )

    def _tags(self, account: Account, alarm: Mapping[str, Any]) -> dict[str, str]:
        answer = account.client(SERVICE).list_tags_for_resource(ResourceARN=alarm["AlarmArn"])
        return tag_dict(answer["Tags"])

    def _found(self, owner: Owner, alarm: Mapping[str, Any], tags: dict[str, str]) -> Found | None:
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        settings = {
            **{key: alarm.get(aws) for key, aws in REQUIRED.items()},
            **{key: alarm.get(aws) or "" for key, aws in OPTIONAL.items()},
            **{key: sorted(alarm.get(aws) or ()) for key, aws in ACTIONS.items()},
            "description": alarm.get("AlarmDescription") or "",
            "dimensions": {each["Name"]: each["Value"] for each in alarm.get("Dimensions") or ()},
        }
        attributes = {"arn": alarm["AlarmArn"]}
        state = alarm.get("StateValue", "")
        return Found(self.name, name, alarm["AlarmName"], settings, attributes, state, tags)

    def create(self, account: Account, want: Want) -> None:
        """PutMetricAlarm overwrites whatever has the name, so it is looked at first.

        Raises loadcore.RunError where it is not the stack's.
        """
        answer = account.client(SERVICE).describe_alarms(AlarmNames=[want.physical])
        for alarm in answer["MetricAlarms"]:
            if self._tags(account, alarm).get(STACK) != want.tags[STACK]:
                raise lc.RunError(
                    f"there is an alarm {want.physical} that is not of this stack; delete or "
                    "rename it, or give the stack another name"
                )
        self._put(account, want.physical, want)

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """Tags that PutMetricAlarm names are left out of account for an alarm that exists."""
        if changed - {"tags"}:
            self._put(account, found.id, want)
        if "tags" in changed:
            account.client(SERVICE).tag_resource(
                ResourceARN=found.attributes["arn"], Tags=tag_list(want.tags)
            )

    def _put(self, account: Account, name: str, want: Want) -> None:
        settings = want.settings
        account.client(SERVICE).put_metric_alarm(
            AlarmName=name,
            Tags=tag_list(want.tags),
            Dimensions=[
                {"Name": key, "Value": value}
                for key, value in sorted(settings["dimensions"].items())
            ],
            **{aws: settings[key] for key, aws in REQUIRED.items()},
            **{aws: settings[key] for key, aws in OPTIONAL.items() if settings[key]},
            **{aws: list(settings[key]) for key, aws in ACTIONS.items()},
        )

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_alarms(AlarmNames=[found.id])


KINDS: tuple[Kind, ...] = (Alarm(),)
