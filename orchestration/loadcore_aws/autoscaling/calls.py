"""Who calls for how many instances, and in which direction, while a load stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws.autoscaling.alarms import State, actions_of, breaches
from loadcore_aws.autoscaling.metrics import NAMED
from loadcore_aws.autoscaling.policies import (
    Tracked,
    simple_capacity,
    step_capacity,
    step_for,
    tracked_capacity,
    tracking_alarms,
    tracking_proposals,
    wins,
)
from loadcore_aws.autoscaling.reports import shorthand_of
from loadcore_aws.autoscaling.spec import Simple, StepPolicy, TargetTracking
from loadcore_aws.autoscaling.steady import state_at, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Alarm, Policy, Scaling
    from loadcore_aws.autoscaling.trace import Trace

Direction: TypeAlias = Literal["out", "in"]
STATES: tuple[State, ...] = ("OK", "ALARM", "INSUFFICIENT_DATA")
CPU_MOST = 100.0


@dataclass(frozen=True)
class Call:
    """That an alarm in `state` runs a policy. `index` is the alarm's in the file; one that target
    tracking makes has its policy's."""

    index: int
    alarm: Alarm
    state: State
    policy: Simple | StepPolicy | TargetTracking

    def capacity(self, count: int, value: float | None) -> int:
        """What it makes of `count` settled instances while the metric is at `value`."""
        if isinstance(self.policy, TargetTracking):
            return count if value is None else tracked_capacity(self.policy, value, count)
        return self._answer(count, 0.0 if value is None else value - self.alarm.threshold)

    def asked(self, service: ServiceModel, rate_rps: float, count: int) -> int:
        """What it makes of `count` settled instances at a steady `rate_rps` in all; `count` where
        the alarm is not in the state."""
        value = value_of(self.alarm, service, rate_rps, count)
        return self.capacity(count, value) if state_at(value, self.alarm) == self.state else count

    def may(self, direction: Direction, count: int) -> bool:
        """Whether it can add to, or take from, `count` instances at a value that leads to the
        state."""
        results = [self._answer(count, one) for one in self._differences()]
        return any(one > count if direction == "out" else one < count for one in results)

    @property
    def in_vain(self) -> bool:
        """Whether it runs a step policy of which no step holds a value that leads to the state."""
        policy = self.policy
        return isinstance(policy, StepPolicy) and all(
            step_for(policy, one) is None for one in self._differences()
        )

    def _answer(self, count: int, difference: float) -> int:
        policy = self.policy
        assert not isinstance(policy, TargetTracking), "it goes by the value itself"
        if isinstance(policy, Simple):
            return simple_capacity(policy, count)
        return step_capacity(policy, difference, warm=count, leaving=0, desired=count)

    def _differences(self) -> list[float]:
        """Metric minus threshold: one out of each interval in which the state and a step policy's
        bounds say the same. The threshold itself, a mere point, only where nothing else is left,
        and where missing data led to the state, which counts as it."""
        alarm = self.alarm
        if self.state == "INSUFFICIENT_DATA":
            return [0.0]
        steps = self.policy.steps if isinstance(self.policy, StepPolicy) else ()
        bounds = {one for step in steps for one in (step.lower, step.upper) if one is not None}
        edges = {0.0, *bounds}
        metric = shorthand_of(alarm.metric)
        least = -alarm.threshold if metric in NAMED else min(edges) - 1
        most = CPU_MOST - alarm.threshold if metric == "cpu" else max(max(edges), least) + 1
        inside = sorted({least, most, *(one for one in edges if least < one < most)})
        level = replace(alarm, threshold=0.0)
        middles = [(low + high) / 2 for low, high in pairwise(inside)]
        return [one for one in middles if breaches(level, one) == (self.state == "ALARM")] or [0.0]


@dataclass(frozen=True)
class Tracking:
    """A setup's target tracking policies, with their indices; they decide together."""

    policies: tuple[tuple[int, TargetTracking], ...]

    def asked(self, service: ServiceModel, rate_rps: float, count: int) -> int:
        """As that of a Call."""
        standing = [_standing(one, service, rate_rps, count) for _, one in self.policies]
        proposals = tracking_proposals(standing, warm=count, leaving=0, desired=count)
        winner = wins(proposals)
        return count if winner is None else winner.capacity

    @property
    def highs(self) -> list[Call]:
        """The alarms by any of which it scales out."""
        return [Call(at, tracking_alarms(one)[0], "ALARM", one) for at, one in self.policies]

    @property
    def lows(self) -> list[Call]:
        """Those by any of which alone it scales in: none where policies have to agree."""
        if len(self.policies) > 1:
            return []
        return [
            Call(at, tracking_alarms(one)[1], "ALARM", one)
            for at, one in self.policies
            if one.scale_in
        ]


def _standing(
    policy: TargetTracking, service: ServiceModel, rate_rps: float, count: int
) -> Tracked:
    high, low = tracking_alarms(policy)
    value = value_of(high, service, rate_rps, count)
    states = [state_at(value, alarm) or "INSUFFICIENT_DATA" for alarm in (high, low)]
    return Tracked(policy, states[0], states[1], value)


class Setup:
    """What the rules look at. `low` and `high` are the widest limits that the group or a scheduled
    action sets; `outs` and `ins` the alarms that can add instances and take them away; `tracking`
    has each policy's index."""

    def __init__(self, scaling: Scaling, service: ServiceModel | None, trace: Trace | None) -> None:
        self.scaling, self.service, self.trace = scaling, service, trace
        self.group = scaling.group
        schedule = scaling.schedule
        self.low = min([self.group.min, *(one.min for one in schedule if one.min is not None)])
        self.high = max([self.group.max, *(one.max for one in schedule if one.max is not None)])
        every = list(_calls(scaling))
        self.outs = [one for one in every if one.may("out", self.low)]
        self.ins = [one for one in every if one.may("in", self.high)]
        self.in_vain = [one for one in every if one.in_vain]
        self.tracking = [
            (index, one)
            for index, one in enumerate(scaling.policy)
            if isinstance(one, TargetTracking)
        ]
        self.voters = [(index, one) for index, one in self.tracking if one.scale_in]
        """those of target tracking that must agree before it scales in"""
        # By policies; the next two by scheduled actions.
        self.scales_in = bool(self.ins or self.voters)
        self.scales_out = bool(self.outs or self.tracking)
        self.lowered = any(
            limit is not None and limit < self.high
            for one in schedule
            for limit in (one.max, one.desired)
        )
        self.raised = any(
            limit is not None and limit > self.low
            for one in schedule
            for limit in (one.min, one.desired)
        )

    def index_of(self, policy: Policy) -> int:
        """Where it is in the file."""
        return self.scaling.policy.index(policy)


def _calls(scaling: Scaling) -> Iterator[Call]:
    policies = {one.name: one for one in scaling.policy}
    for index, alarm in enumerate(scaling.alarm):
        for state in STATES:
            for action in actions_of(alarm, state):
                policy = policies.get(action)
                if isinstance(policy, (Simple, StepPolicy)):
                    yield Call(index, alarm, state, policy)
