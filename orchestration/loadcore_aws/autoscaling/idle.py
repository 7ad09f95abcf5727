"""What goes wrong with a setup once traffic has stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loadcore_aws.autoscaling.findings import Finding, found
from loadcore_aws.autoscaling.policies import LOW_SHARE, tracked_capacity, tracking_alarms
from loadcore_aws.autoscaling.steady import (
    idle_state,
    idle_value,
    is_silent,
    keeps_for_samples,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.alarms import State
    from loadcore_aws.autoscaling.calls import Call, Setup
    from loadcore_aws.autoscaling.spec import MissingData, TargetTracking

LEADS_TO: dict[State, MissingData] = {
    "ALARM": "breaching",
    "OK": "notBreaching",
    "INSUFFICIENT_DATA": "missing",
}


def stuck(setup: Setup) -> Iterator[Finding]:
    """Nothing that could take instances away does."""
    if any(_scales_in(one, setup) for one in setup.ins):
        return
    refusing = [(index, one) for index, one in setup.voters if not _agrees(one, setup)]
    if setup.voters and not refusing:
        return
    for one in setup.ins:
        yield from _stuck_alarm(one, setup)
    for index, policy in refusing:
        if not _scales_out(policy, setup):  # which grows() tells
            yield _stuck_target(index, policy, setup)


def grows(setup: Setup) -> Iterator[Finding]:
    """Something adds instances."""
    for one in setup.outs:
        alarm = one.alarm
        if is_silent(alarm.metric) and idle_state(alarm, setup.service) == one.state:
            yield found(
                "grows-when-idle", "error", ("alarm", one.index, "missing_data"),
                f'is "{alarm.missing_data}", and {name_of(alarm.metric)} is silent without '
                'traffic: the group grows when nobody is there; set "notBreaching"',
            )  # fmt: skip
    for index, policy in setup.tracking:
        if not _scales_out(policy, setup):
            continue
        value = idle_value(tracking_alarms(policy)[0], setup.service)
        yield found(
            "grows-when-idle", "error", ("policy", index, "target"),
            f"is {policy.target:g}, and {name_of(policy.metric)} without traffic is {value:g}: the "
            "group grows when nobody is there; choose one well above that",
        )  # fmt: skip


def _scales_in(one: Call, setup: Setup) -> bool:
    state = idle_state(one.alarm, setup.service)
    return state == "unknown" or (state == one.state and _takes(one, setup))


def _takes(one: Call, setup: Setup) -> bool:
    return one.capacity(setup.high, idle_value(one.alarm, setup.service)) < setup.high


def _scales_out(policy: TargetTracking, setup: Setup) -> bool:
    return idle_state(tracking_alarms(policy)[0], setup.service) == "ALARM"


def _agrees(policy: TargetTracking, setup: Setup) -> bool:
    """Whether it would have target tracking scale in. It never does on a metric without data."""
    _, low = tracking_alarms(policy)
    state = idle_state(low, setup.service)
    value = idle_value(low, setup.service)
    if state != "ALARM" or value is None:
        return state == "unknown"
    return tracked_capacity(policy, value, setup.high) < setup.high


def _stuck_alarm(one: Call, setup: Setup) -> Iterator[Finding]:
    alarm, where = one.alarm, ("alarm", one.index)
    name = name_of(alarm.metric)
    if keeps_for_samples(alarm):
        yield found(
            "stuck-when-idle", "error", (*where, "low_samples"),
            f'is "ignore", and without traffic {name} has too few samples for {alarm.statistic}: '
            'the alarm stays as it is then, whatever missing_data says; set "evaluate"',
        )  # fmt: skip
        alarm = replace(alarm, low_samples="evaluate")
    if idle_state(alarm, setup.service) == one.state:
        if not _takes(one, setup):
            yield _stuck_steps(one, setup)
    elif is_silent(alarm.metric):
        yield found(
            "stuck-when-idle", "error", (*where, "missing_data"),
            f'is "{alarm.missing_data}", and {name} is silent without traffic: scale-in by it '
            f'never fires once traffic stops; set "{LEADS_TO[one.state]}"',
        )  # fmt: skip
    else:
        yield found(
            "stuck-when-idle", "error", (*where, "threshold"),
            f"is {alarm.threshold:g}, where {name} without traffic does not lead to state "
            f"{one.state}: scale-in never fires then; choose one that it does reach",
        )  # fmt: skip


def _stuck_steps(one: Call, setup: Setup) -> Finding:
    alarm, value = one.alarm, idle_value(one.alarm, setup.service)
    name = name_of(alarm.metric)
    at = f"where {name} is silent, which counts as the threshold itself"
    if value is not None:
        difference = value - alarm.threshold
        at = f"where {name} is {value:g}, {difference:g} from the threshold of alarm {alarm.name}"
    return found(
        "stuck-when-idle", "error", ("policy", setup.index_of(one.policy), "steps"),
        f"take nothing away {at}, and so it is without traffic: scale-in never fires then; give a "
        "step that takes some there",
    )  # fmt: skip


def _stuck_target(index: int, policy: TargetTracking, setup: Setup) -> Finding:
    _, low = tracking_alarms(policy)
    name, value = name_of(policy.metric), idle_value(low, setup.service)
    others = ", and all such policies must" if len(setup.voters) > 1 else ""
    if value is None:
        return found(
            "stuck-when-idle", "error", ("policy", index, "metric"),
            f"is {name}, silent without traffic, and target tracking does not agree to scale in "
            f"without data{others}; take cpu or requests_per_target",
        )  # fmt: skip
    share = min(LOW_SHARE, 1 - 1 / setup.high) if setup.high > 1 else LOW_SHARE
    return found(
        "stuck-when-idle", "error", ("policy", index, "target"),
        f"is {policy.target:g}, and {name} without traffic is {value:g}: the policy does not agree "
        f"to scale in then{others}; choose one above {value / share:.4g}",
    )  # fmt: skip
