"""Scale-out and scale-in that undo each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws.autoscaling.alarms import breaches
from loadcore_aws.autoscaling.calls import Call, Tracking
from loadcore_aws.autoscaling.metrics import statistic_of
from loadcore_aws.autoscaling.reports import shorthand_of
from loadcore_aws.autoscaling.spec import TargetTracking
from loadcore_aws.autoscaling.steady import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.calls import Setup
    from loadcore_aws.autoscaling.service_model import ServiceModel

USES = [share / 100 for share in range(95, 0, -5)]
"""Shares of capacity at which a steady load is looked at, a loaded service first."""

COUNTS_MAX = 50


Caller: TypeAlias = Call | Tracking


@dataclass(frozen=True)
class Fight:
    """`where` is the way to the setting to change."""

    code: Literal["fighting-thresholds", "flapping"]
    where: tuple[str | int, ...]
    sentence: str


def find(setup: Setup) -> Iterator[Fight]:
    """At most one for each pair of alarms, and of an alarm and target tracking: where both call at
    once, else where one answers the other's call with the opposite."""
    if setup.low == setup.high:
        return
    for out, one in _pairs(setup):
        sentence = _same_metric(setup, out, one) or _at_once(setup, out, one)
        code: Literal["fighting-thresholds", "flapping"] = "fighting-thresholds"
        if sentence is None:
            sentence, code = _in_turn(setup, out, one), "flapping"
        if sentence is not None:
            yield Fight(code, ("alarm", _alarm_of(out, one).index, "threshold"), sentence)
    yield from _tracking_in_turn(setup)


def _pairs(setup: Setup) -> Iterator[tuple[Caller, Caller]]:
    for out in setup.outs:
        for one in setup.ins:
            # A step policy may do both, but at different values.
            if out.alarm is not one.alarm or out.state != one.state:
                yield out, one
    tracking = Tracking(tuple(setup.tracking))
    if setup.tracking:
        yield from ((tracking, one) for one in setup.ins)
    if setup.voters:
        yield from ((out, tracking) for out in setup.outs)


def _alarm_of(out: Caller, one: Caller) -> Call:
    """Of a pair the alarm whose threshold is to change: that of scale-in, if there is one."""
    alarm = one if isinstance(one, Call) else out
    assert isinstance(alarm, Call), "target tracking is no pair with itself"
    return alarm


def _loads(service: ServiceModel, low: int, high: int) -> Iterator[tuple[int, float]]:
    """Sizes of the group to look at, each under steady loads; of a large one not each, since
    neighbours are alike."""
    low = max(low, 1)
    for count in range(low, high + 1, max(1, (high - low) // COUNTS_MAX)):
        for use in USES:
            yield count, use * count * service.capacity


def _same_metric(setup: Setup, out: Caller, one: Caller) -> str | None:
    """Of one metric the thresholds alone can tell."""
    for a in [out] if isinstance(out, Call) else out.highs:
        for b in [one] if isinstance(one, Call) else one.lows:
            both = _both_near(setup, a, b)
            if both is None:
                continue
            changed, other, does = (b, a, "more") if isinstance(one, Call) else (a, b, "fewer")
            return (
                f"is {changed.alarm.threshold:g}, where {_who(other)} calls for {does} instances "
                f"at {other.alarm.comparison} {other.alarm.threshold:g} of the same metric: near "
                f"{both:.6g} both call; set them apart"
            )
    return None


def _both_near(setup: Setup, out: Call, one: Call) -> float | None:
    """A value at which both call: if there is any, there is one at or beside a threshold."""
    a, b = out.alarm, one.alarm
    if out.state != "ALARM" or one.state != "ALARM":
        return None
    if (a.metric, statistic_of(a), a.period_s) != (b.metric, statistic_of(b), b.period_s):
        return None
    beside = max(abs(a.threshold), abs(b.threshold), 1.0) * 1e-6
    few = max(setup.low, 1)
    for threshold in (a.threshold, b.threshold):
        for value in (threshold - beside, threshold, threshold + beside):
            if value < 0 or not (breaches(a, value) and breaches(b, value)):
                continue
            if out.capacity(few, value) > few and one.capacity(setup.high, value) < setup.high:
                return value
    return None


def _at_once(setup: Setup, out: Caller, one: Caller) -> str | None:
    service = setup.service
    if service is None:
        return None
    for count, rate_rps in _loads(service, setup.low, setup.high):
        if out.asked(service, rate_rps, count) <= count:
            continue
        if one.asked(service, rate_rps, count) < count:
            alarm = _alarm_of(out, one)
            value = value_of(alarm.alarm, service, rate_rps, count)
            return (
                f"is {alarm.alarm.threshold:g}, and at {rate_rps:.3g} requests/s on {count} "
                f"instances {_said(alarm, value)}: {_who(one)} takes away what {_who(out)} "
                f"adds; {_remedy(alarm, value)}"
            )
    return None


def _in_turn(setup: Setup, out: Caller, one: Caller) -> str | None:
    turn = _turn(setup, out, one)
    if setup.service is None or turn is None:
        return None
    alarm = _alarm_of(out, one)
    on = turn.last if alarm is one else turn.count
    value = value_of(alarm.alarm, setup.service, turn.rate_rps, on)
    return (
        f"is {alarm.alarm.threshold:g}, and {turn}: on {on} {_said(alarm, value)}; "
        f"{_remedy(alarm, value)}"
    )


def _tracking_in_turn(setup: Setup) -> Iterator[Fight]:
    """While one of its policies scales out none scales in; but those that may not scale in are not
    asked about what they have added."""
    tracking, voters = Tracking(tuple(setup.tracking)), [index for index, _ in setup.voters]
    turn = _turn(setup, tracking, tracking)
    if setup.service is None or turn is None:
        return
    for high in tracking.highs:
        adds = high.asked(setup.service, turn.rate_rps, turn.count) > turn.count
        if adds and high.index not in voters:
            yield Fight(
                "flapping", ("policy", high.index, "scale_in"),
                f"is false, and {turn}: the other target tracking policies take away what this one "
                "adds, without asking it; set true, or choose a target that they reach earlier",
            )  # fmt: skip


@dataclass(frozen=True)
class _Turn:
    """`rate_rps` make `more` instances of `count`, and as few again of these, at once or one after
    the other: it is on `last` that scale-in comes back to `count`."""

    rate_rps: float
    count: int
    more: int
    last: int

    def __str__(self) -> str:
        return (
            f"{self.rate_rps:.3g} requests/s make {self.more} instances of {self.count}, and those "
            f"{self.count} again"
        )


def _turn(setup: Setup, out: Caller, one: Caller) -> _Turn | None:
    """More instances under the same load lead to the state that takes them away again."""
    service = setup.service
    if service is None:
        return None
    for count, rate_rps in _loads(service, setup.low, setup.high - 1):
        more = min(out.asked(service, rate_rps, count), setup.high)
        last = fewer = more
        while fewer > count and (asked := one.asked(service, rate_rps, fewer)) < fewer:
            last, fewer = fewer, asked
        if fewer <= count < more:
            return _Turn(rate_rps, count, more, last)
    return None


def _who(one: Caller) -> str:
    if isinstance(one, Call) and not isinstance(one.policy, TargetTracking):
        return f"alarm {one.alarm.name}"
    return "target tracking"


def _said(one: Call, value: float | None) -> str:
    metric = shorthand_of(one.alarm.metric) or "its metric"
    if value is not None and metric == "response_time":
        return f"the response time is {value * 1000:.3g} ms"
    return f"{metric} is {value:.4g}"


def _remedy(one: Call, value: float | None) -> str:
    side = "below" if one.alarm.comparison in ("<", "<=") else "above"
    return f"choose one well {side} {value:.3g}, or a metric that follows the load"
