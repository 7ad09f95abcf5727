"""What belongs to an Auto Scaling group and has no tags of its own: the lifecycle hook, the
notifications and the scheduled actions. Each is called as in the file: it shares no names with
other groups' parts.

Source: Amazon EC2 Auto Scaling API Reference (version 2011-01-01), the action of each name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.group import groups_of
from loadcore_aws.stack.kinds.refresh import SERVICE
from loadcore_aws.stack.names import format_time, parse_time
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

SIZES = {"min": "MinSize", "max": "MaxSize", "desired": "DesiredCapacity"}


def lasting_groups(account: Account, owner: Owner) -> Iterator[str]:
    """Names of the stack's groups but those on their way out, which take their parts along."""
    for _, group in groups_of(account, owner):
        if not group.get("Status"):
            yield group["AutoScalingGroupName"]


class LifecycleHook(Kind):
    """Settings: `group`, `transition` (as AWS names them), `heartbeat_s` (how long an instance may
    take), `default_result` (CONTINUE or ABANDON, once that time is over)."""

    name = "lifecycle_hook"
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        client = account.client(SERVICE)
        return [
            self._found(hook)
            for group in lasting_groups(account, owner)
            for hook in client.describe_lifecycle_hooks(AutoScalingGroupName=group)[
                "LifecycleHooks"
            ]
        ]

    def _found(self, hook: Mapping[str, Any]) -> Found:
        name, group = hook["LifecycleHookName"], hook["AutoScalingGroupName"]
        settings = {
            "group": group,
            "transition": hook["LifecycleTransition"],
            "heartbeat_s": hook["HeartbeatTimeout"],
            "default_result": hook["DefaultResult"],
        }
        return Found(self.name, name, f"{group}/{name}", settings)

    def create(self, account: Account, want: Want) -> None:
        account.client(SERVICE).put_lifecycle_hook(
            LifecycleHookName=want.name,
            AutoScalingGroupName=want.settings["group"],
            LifecycleTransition=want.settings["transition"],
            HeartbeatTimeout=want.settings["heartbeat_s"],
            DefaultResult=want.settings["default_result"],
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        self.create(account, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_lifecycle_hook(
            LifecycleHookName=found.name, AutoScalingGroupName=found.settings["group"]
        )


class GroupNotification(Kind):
    """Settings: `group`, `topic` (its ARN), `events` (sorted, as AWS names them)."""

    name = "group_notification"
    fixed = frozenset({"group", "topic"})
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        """AWS lists each event by itself. There is one notification, so its name is known."""
        groups = list(lasting_groups(account, owner))
        if not groups:
            return []  # no names at all would mean every group there is
        events: dict[tuple[str, str], list[str]] = {}
        for each in account.pages(
            SERVICE, "describe_notification_configurations", "NotificationConfigurations",
            AutoScalingGroupNames=groups,
        ):  # fmt: skip
            key = (each["AutoScalingGroupName"], each["TopicARN"])
            events.setdefault(key, []).append(each["NotificationType"])
        return [
            Found(
                self.name,
                "main",
                f"{group}/{topic}",
                {"group": group, "topic": topic, "events": sorted(kinds)},
            )
            for (group, topic), kinds in events.items()
        ]

    def create(self, account: Account, want: Want) -> None:
        account.client(SERVICE).put_notification_configuration(
            AutoScalingGroupName=want.settings["group"],
            TopicARN=want.settings["topic"],
            NotificationTypes=list(want.settings["events"]),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        self.create(account, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_notification_configuration(
            AutoScalingGroupName=found.settings["group"], TopicARN=found.settings["topic"]
        )


class ScheduledAction(Kind):
    """Settings: `group`, either `cron` (with a `time_zone`, empty for UTC) or `at` (in UTC), and
    `min`, `max`, `desired`, None where it is left as it is."""

    name = "scheduled_action"
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        return [
            self._found(action)
            for group in lasting_groups(account, owner)
            for action in account.pages(
                SERVICE, "describe_scheduled_actions", "ScheduledUpdateGroupActions",
                AutoScalingGroupName=group,
            )
        ]  # fmt: skip

    def _found(self, action: Mapping[str, Any]) -> Found:
        """A recurring action has a start time too: the next one."""
        name, group = action["ScheduledActionName"], action["AutoScalingGroupName"]
        cron = action.get("Recurrence") or ""
        start = action.get("StartTime")
        settings = {
            "group": group,
            "cron": cron,
            "at": format_time(start) if start is not None and not cron else "",
            "time_zone": action.get("TimeZone") or "",
            **{key: action.get(aws) for key, aws in SIZES.items()},
        }
        return Found(self.name, name, f"{group}/{name}", settings)

    def create(self, account: Account, want: Want) -> None:
        settings = want.settings
        given = {aws: settings[key] for key, aws in SIZES.items() if settings[key] is not None}
        if settings["cron"]:
            given["Recurrence"] = settings["cron"]
            if settings["time_zone"]:
                given["TimeZone"] = settings["time_zone"]
        else:
            given["StartTime"] = parse_time(settings["at"])
        account.client(SERVICE).put_scheduled_update_group_action(
            AutoScalingGroupName=settings["group"], ScheduledActionName=want.name, **given
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """What a call does not name may stay as it is: something to be taken away is taken away
        with the whole action, and made anew the next time it is looked for."""
        if any(not want.settings[key] and want.settings[key] != 0 for key in changed):
            self.delete(account, found)
        else:
            self.create(account, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_scheduled_action(
            AutoScalingGroupName=found.settings["group"], ScheduledActionName=found.name
        )


KINDS: tuple[Kind, ...] = (LifecycleHook(), GroupNotification(), ScheduledAction())
