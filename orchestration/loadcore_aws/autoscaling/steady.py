"""What the stack's metrics say, and which alarms ring, while a load stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws.autoscaling.alarms import State, actions_of, breaches, treatment
from loadcore_aws.autoscaling.metrics import NAMED
from loadcore_aws.autoscaling.policies import adjusted, simple_capacity, step_capacity
from loadcore_aws.autoscaling.reports import SIMULATED, shorthand_of
from loadcore_aws.autoscaling.spec import Alarm, Scaling, Simple, StepPolicy, percentile_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.service_model import ServiceModel

STATES: tuple[State, ...] = ("OK", "ALARM", "INSUFFICIENT_DATA")
Idle: TypeAlias = Literal["unknown"] | State | None

_IN_SILENCE: dict[str, State | None] = {
    "missing": "INSUFFICIENT_DATA",
    "ignore": None,
    "breaching": "ALARM",
    "notBreaching": "OK",
}


@dataclass(frozen=True)
class Call:
    """That an alarm in `state` runs a policy. `index` is the alarm's in the file."""

    index: int
    alarm: Alarm
    state: State
    policy: Simple | StepPolicy

    def capacity(self, count: int, value: float | None) -> int:
        """What it makes of `count` settled instances while the metric is at `value`."""
        if isinstance(self.policy, Simple):
            return simple_capacity(self.policy, count)
        difference = 0.0 if value is None else value - self.alarm.threshold
        return step_capacity(self.policy, difference, warm=count, leaving=0, desired=count)

    def may(self, direction: Literal["out", "in"], count: int) -> bool:
        """Whether it can add to, or take from, `count` instances at any value."""
        policy = self.policy
        if isinstance(policy, Simple):
            results = [simple_capacity(policy, count)]
        else:
            results = [
                adjusted(count, policy.by, step.adjust, policy.min_magnitude)
                for step in policy.steps
            ]
        return any(one > count if direction == "out" else one < count for one in results)


def calls(scaling: Scaling) -> Iterator[Call]:
    policies = {one.name: one for one in scaling.policy}
    for index, alarm in enumerate(scaling.alarm):
        for state in STATES:
            for action in actions_of(alarm, state):
                policy = policies.get(action)
                if isinstance(policy, (Simple, StepPolicy)):
                    yield Call(index, alarm, state, policy)


def value_of(alarm: Alarm, service: ServiceModel, rate_rps: float, count: int) -> float | None:
    """What the alarm's metric says for each period, at a steady `rate_rps` in all on `count`
    instances; None where it says nothing, or nothing that is known here."""
    metric, statistic = shorthand_of(alarm.metric), alarm.statistic
    each_rps = rate_rps / count
    if metric == "cpu":
        return service.cpu_percent(each_rps / service.capacity)
    if metric == "healthy_hosts":
        return float(count)
    if metric == "requests_per_target" and statistic == "Sum":
        return each_rps * alarm.period_s
    if not rate_rps:
        return None
    if metric == "requests" and statistic in ("Sum", "SampleCount"):
        return rate_rps * alarm.period_s
    if metric == "response_time":
        if statistic == "Average":
            return service.times(each_rps).mean_s
        percent = percentile_of(statistic)
        if percent is not None and 0 < percent < 100:
            return service.quantile_s(each_rps, percent / 100)
    return None


def state_at(value: float | None, alarm: Alarm) -> State | None:
    """Where the alarm settles when every period says `value`; None where that is not known."""
    if value is None:
        return None
    return "ALARM" if breaches(alarm, value) else "OK"


def idle_state(alarm: Alarm, service: ServiceModel | None) -> Idle:
    """Where the alarm settles after traffic has stopped. None: it stays where it was."""
    metric = shorthand_of(alarm.metric)
    named = NAMED.get(metric or "")
    if named is not None and named.idle == "silent":
        return _IN_SILENCE[treatment(alarm)]
    if metric == "requests_per_target":
        return state_at(0.0, alarm)
    if metric == "cpu":
        return state_at(service.cpu_idle_percent if service else 0.0, alarm)
    return "unknown"


def is_simulated(alarm: Alarm) -> bool:
    return shorthand_of(alarm.metric) in SIMULATED
