"""Scale-out and scale-in that undo each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadcore_aws.autoscaling.alarms import breaches
from loadcore_aws.autoscaling.reports import shorthand_of
from loadcore_aws.autoscaling.steady import state_at, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Scaling
    from loadcore_aws.autoscaling.steady import Call

USES = [share / 100 for share in range(95, 0, -5)]
"""Shares of capacity at which a steady load is looked at, a loaded service first."""

COUNTS_MAX = 50


@dataclass(frozen=True)
class Fight:
    """`scale_in` is the index of the alarm to change."""

    code: Literal["fighting-thresholds", "flapping"]
    scale_in: int
    sentence: str


def find(
    scaling: Scaling, outs: Sequence[Call], ins: Sequence[Call], service: ServiceModel | None
) -> Iterator[Fight]:
    """At most one for each pair of alarms: where both call at once, else where one answers the
    other's call with the opposite."""
    if scaling.group.min == scaling.group.max:
        return
    for out in outs:
        for one in ins:
            if out.alarm is one.alarm and out.state == one.state:
                continue  # a step policy may do both, but at different values
            sentence = _same_metric(out, one)
            if sentence is None and service is not None:
                sentence = _at_once(scaling, out, one, service)
            if sentence is not None:
                yield Fight("fighting-thresholds", one.index, sentence)
                continue
            sentence = _in_turn(scaling, out, one, service) if service is not None else None
            if sentence is not None:
                yield Fight("flapping", one.index, sentence)


def _counts(low: int, high: int) -> range:
    """Sizes of the group to look at; of a large one not each, since neighbours are alike."""
    low = max(low, 1)
    return range(low, high + 1, max(1, (high - low) // COUNTS_MAX))


def _same_metric(out: Call, one: Call) -> str | None:
    """Of one metric the thresholds alone can tell: they hold for a value at or beside one."""
    a, b = out.alarm, one.alarm
    if out.state != "ALARM" or one.state != "ALARM":
        return None
    if (a.metric, a.statistic, a.period_s) != (b.metric, b.statistic, b.period_s):
        return None
    beside = max(abs(a.threshold), abs(b.threshold), 1.0) * 1e-6
    shifts = (-beside, 0, beside)
    values = [one + shift for one in (a.threshold, b.threshold) for shift in shifts]
    both = [value for value in values if value >= 0 and breaches(a, value) and breaches(b, value)]
    if not both:
        return None
    return (
        f"is {b.threshold:g}, where alarm {a.name} calls for more instances at {a.comparison} "
        f"{a.threshold:g} of the same metric: near {both[0]:.6g} both call; set them apart"
    )


def _at_once(scaling: Scaling, out: Call, one: Call, service: ServiceModel) -> str | None:
    group = scaling.group
    for count in _counts(group.min, group.max):
        for use in USES:
            rate_rps = use * count * service.capacity
            value = value_of(one.alarm, service, rate_rps, count)
            if _calls(out, service, rate_rps, count) and state_at(value, one.alarm) == one.state:
                return (
                    f"is {one.alarm.threshold:g}, and at {rate_rps:.3g} requests/s on {count} "
                    f"instances {_said(one, value)}: alarm {one.alarm.name} takes away what "
                    f"{out.alarm.name} adds; {_remedy(one, value)}"
                )
    return None


def _in_turn(scaling: Scaling, out: Call, one: Call, service: ServiceModel) -> str | None:
    """More instances under the same load lead to the state that takes them away again."""
    group = scaling.group
    for count in _counts(group.min, group.max - 1):
        for use in USES:
            rate_rps = use * count * service.capacity
            if not _calls(out, service, rate_rps, count):
                continue
            asked = out.capacity(count, value_of(out.alarm, service, rate_rps, count))
            more = min(asked, group.max)
            value = value_of(one.alarm, service, rate_rps, max(more, 1))
            fewer = one.capacity(more, value)
            if more > count and state_at(value, one.alarm) == one.state and fewer <= count:
                return (
                    f"is {one.alarm.threshold:g}, and {rate_rps:.3g} requests/s make {more} "
                    f"instances of {count}, on which {_said(one, value)}, and those {count} again; "
                    f"{_remedy(one, value)}"
                )
    return None


def _calls(one: Call, service: ServiceModel, rate_rps: float, count: int) -> bool:
    return state_at(value_of(one.alarm, service, rate_rps, count), one.alarm) == one.state


def _said(one: Call, value: float | None) -> str:
    metric = shorthand_of(one.alarm.metric) or "its metric"
    if value is not None and metric == "response_time":
        return f"the response time is {value * 1000:.3g} ms"
    return f"{metric} is {value:.4g}"


def _remedy(one: Call, value: float | None) -> str:
    side = "below" if one.alarm.comparison in ("<", "<=") else "above"
    return f"choose one well {side} {value:.3g}, or a metric that follows the load"
