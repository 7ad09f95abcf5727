"""A scaling setup against a load, step by step in time, before anything is paid for.

What comes from elsewhere: alarms (loadcore_aws.autoscaling.alarms), policies, the group, the
service's speed and the load. Here they meet: requests are served or wait or are lost, a balancer
and the instances report metrics as AWS does, alarms look at them each at its own second of the
minute, and what they call for reaches the group.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws import _toml
from loadcore_aws.autoscaling.alarms import (
    AlarmWatch,
    Evaluation,
    evaluation_interval_s,
    treatment,
)
from loadcore_aws.autoscaling.group import GroupState, Timings
from loadcore_aws.autoscaling.metrics import SampleStore
from loadcore_aws.autoscaling.policies import Proposal, Tracked, tracking_alarms, wins
from loadcore_aws.autoscaling.reports import MINUTE_S, MinuteReports
from loadcore_aws.autoscaling.result import Row, Simulation, Transition
from loadcore_aws.autoscaling.schedules import due_times
from loadcore_aws.autoscaling.spec import Alarm, Scaling, Simple, StepPolicy, TargetTracking
from loadcore_aws.autoscaling.traffic import ROUNDED, Traffic

if TYPE_CHECKING:
    from datetime import datetime

    from loadcore_aws.autoscaling.group import Instance
    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.trace import Trace

STEPS_MAX = 1_000_000
TICKS_A_S = 2**24
SHOWN_DIGITS = 6  # of seconds


def simulate(
    scaling: Scaling,
    service: ServiceModel,
    trace: Trace,
    *,
    step_s: float = 1.0,
    seed: int = 0,
    start: datetime | None = None,
) -> Simulation:
    """What `scaling` makes of the load in `trace`, in steps of `step_s` seconds.

    The same arguments always lead to the same result. `seed` only decides at which second of the
    minute each alarm is evaluated, which AWS does not tell; where results differ between seeds, so
    will days in the account. The first step at or after that second evaluates it, so that the
    length of a step hardly matters. `start`, a time with a zone, is needed for scheduled actions
    alone.

    Raises loadcore.PlanError for values that cannot be carried out.
    """
    _toml.check(scaling, "scaling")
    _toml.check(service, "service")
    if isinstance(service.curve, str):
        sentence = "names a file; give its rows, or read the POLICY.toml that names it"
        raise lc.PlanError("curve", sentence)
    steps_a_minute = _steps_a_minute(step_s)
    steps = trace.duration_s * steps_a_minute / MINUTE_S
    if steps > STEPS_MAX:
        sentence = (
            f"makes {steps:,.0f} steps of the trace, more than {STEPS_MAX:,}; take longer ones"
        )
        raise lc.PlanError("step_s", sentence)
    return _Simulator(scaling, service, trace, steps_a_minute, seed, start).run(math.ceil(steps))


def _steps_a_minute(step_s: float) -> int:
    """Raises loadcore.PlanError where that is no whole number."""
    steps = MINUTE_S / step_s if 0 < step_s <= MINUTE_S else math.nan
    if not math.isfinite(steps) or abs(steps - round(steps)) > 1e-9:
        raise lc.PlanError("step_s", f"is {step_s:g}; a minute must be a whole number of steps")
    return round(steps)


@dataclass
class _Watched:
    """An alarm, the second of its interval from which on it is evaluated, and, for those that
    target tracking makes, its policy."""

    watch: AlarmWatch
    phase_s: int
    tracking: TargetTracking | None = None


class _Simulator:
    def __init__(
        self,
        scaling: Scaling,
        service: ServiceModel,
        trace: Trace,
        steps_a_minute: int,
        seed: int,
        start: datetime | None,
    ) -> None:
        self._scaling, self._service, self._trace = scaling, service, trace
        self._steps_a_minute = steps_a_minute
        self._step_s = MINUTE_S / steps_a_minute
        timings = Timings(
            boot_s=service.pending_s,
            deregistration_delay_s=service.deregistration_delay_s,
            terminate_hook_s=scaling.group.drain_s,
        )
        self._group = GroupState(scaling.group, timings)
        self._first_number = self._group.desired  # those up to here are there from the beginning
        self._watched = _watched(scaling, self._step_s, seed)
        self._policies = {policy.name: policy for policy in scaling.policy}
        self._store = SampleStore()
        self._reports = MinuteReports(self._store, service, _alarms(self._watched))
        self._traffic = Traffic(service, self._step_s)
        self._schedule = due_times(scaling.schedule, start=start, duration_s=trace.duration_s)
        self._values: dict[str, float | None] = {}
        self._transitions: list[Transition] = []

    def run(self, steps: int) -> Simulation:
        rows = []
        serving: tuple[Instance, ...] = ()
        arrived = 0.0
        for index in range(steps):
            now_s = self._time_s(index)
            self._reports.publish_until(now_s)
            before = serving
            self._run_schedules(now_s)
            self._replace_unhealthy(now_s)
            self._evaluate(now_s)
            serving = self._serving(now_s)
            until = self._trace.requests_until((index + 1) * MINUTE_S / self._steps_a_minute)
            ended = {one.number for one in before} - {one.number for one in serving}
            step = self._traffic.step(
                # Whole requests, so that a trickle is silent between two of them.
                int(until + ROUNDED) - int(arrived + ROUNDED),
                (until - arrived) / self._step_s,
                self._strengths(serving, now_s),
                ended=len(ended),
                last=index == steps - 1,
            )
            arrived = until
            self._reports.add(now_s, step, len(serving))
            states = tuple(one.watch.state for one in self._watched)
            counts = (self._group.desired, len(self._group.instances(now_s)), len(serving))
            rows.append(Row(round(now_s, SHOWN_DIGITS), *counts, step, states))
        return Simulation.of(
            rows,
            self._scaling,
            self._service,
            self._trace,
            step_s=self._step_s,
            alarms=[one.watch.alarm.name for one in self._watched],
            activities=[
                replace(one, at_s=round(one.at_s, SHOWN_DIGITS)) for one in self._group.activities
            ],
            transitions=self._transitions,
        )

    def _time_s(self, index: int) -> float:
        """When a step begins, as a binary fraction, so that whole seconds can be added to it and
        compared without rounding: an alarm is due, and a cooldown over, neither a step early nor
        late. index * step_s would miss even the whole minutes."""
        return index * MINUTE_S * TICKS_A_S // self._steps_a_minute / TICKS_A_S

    def _ready_s(self, one: Instance) -> float:
        """When it first answers, which is later than InService where no hook waits for it."""
        if one.number <= self._first_number:
            return one.in_service_s
        return one.in_service_s + self._service.boot_s - self._service.pending_s

    def _serving(self, now_s: float) -> tuple[Instance, ...]:
        in_service = self._group.in_service(now_s)
        return tuple(one for one in in_service if now_s >= self._ready_s(one))

    def _strengths(self, serving: tuple[Instance, ...], now_s: float) -> list[float]:
        """1 for an instance that is warm, less for one that is cold."""
        service = self._service
        return [
            service.cold_share
            if one.number > self._first_number and now_s < self._ready_s(one) + service.cold_s
            else 1.0
            for one in serving
        ]

    def _run_schedules(self, now_s: float) -> None:
        while self._schedule and self._schedule[0][0] <= now_s:
            _, schedule = self._schedule.pop(0)
            self._group.run_schedule(schedule, now_s=now_s)

    def _replace_unhealthy(self, now_s: float) -> None:
        """Who does not answer the balancer yet: by another that will take as long to boot."""
        for one in self._group.health_checked(now_s):
            if now_s < self._ready_s(one):
                self._group.replace_unhealthy(one.number, now_s=now_s)

    def _evaluate(self, now_s: float) -> None:
        proposals: list[tuple[Proposal, str]] = []
        tracking = False
        for one in self._watched:
            alarm = one.watch.alarm
            into_s = now_s % evaluation_interval_s(alarm)
            if into_s < one.phase_s or now_s - into_s < _first_window_s(alarm):
                continue
            evaluation = one.watch.step(now_s, self._store)
            if evaluation is None:
                continue
            self._note(evaluation)
            if one.tracking is not None:
                tracking = True
                real = [point for point in evaluation.points if point is not None]
                self._values[one.tracking.name] = real[-1] if real else None
            else:
                proposals += self._called_for(evaluation, now_s)
        if tracking:
            tracked = self._tracked()
            asked = self._group.propose_tracking(tracked, now_s=now_s)
            for proposal in asked:
                side = "high" if proposal.capacity > self._group.desired else "low"
                proposals.append((proposal, f"{proposal.policy.name}-{side}"))
        self._apply(proposals, now_s)

    def _note(self, evaluation: Evaluation) -> None:
        if evaluation.changed:
            at_s, name = round(evaluation.at_s, SHOWN_DIGITS), evaluation.alarm.name
            self._transitions.append(Transition(at_s, name, evaluation.previous, evaluation.state))

    def _called_for(self, evaluation: Evaluation, now_s: float) -> list[tuple[Proposal, str]]:
        proposals = []
        for action in evaluation.run:
            policy = self._policies.get(action)
            if not isinstance(policy, (Simple, StepPolicy)):
                continue  # a topic
            statistic = "Average" if isinstance(policy, Simple) else policy.statistic
            difference = evaluation.difference(statistic)
            asked = self._group.propose(policy, now_s=now_s, difference=difference)
            if asked is not None:
                proposals.append((asked, evaluation.alarm.name))
        return proposals

    def _tracked(self) -> list[Tracked]:
        alarms = [one for one in self._watched if one.tracking is not None]
        tracked = []
        for high, low in zip(alarms[::2], alarms[1::2], strict=True):
            assert high.tracking is not None
            value = self._values.get(high.tracking.name)
            tracked.append(Tracked(high.tracking, high.watch.state, low.watch.state, value))
        return tracked

    def _apply(self, proposals: list[tuple[Proposal, str]], now_s: float) -> None:
        """The one that gives the largest capacity, of those that the limits leave any effect."""
        group = self._group
        effective = [
            (proposal, alarm)
            for proposal, alarm in proposals
            if min(max(proposal.capacity, group.min), group.max) != group.desired
        ]
        winner = wins(proposal for proposal, _ in effective)
        if winner is not None:
            alarm = next(alarm for proposal, alarm in effective if proposal is winner)
            group.apply(winner, now_s=now_s, alarm=alarm)


def _first_window_s(alarm: Alarm) -> int:
    """How much load must have been before an alarm looks at it. The time before the load is not
    simulated and must not ring an alarm as missing data. It takes M breaching points to ring, and
    missing ones are among them where they are treated so."""
    breaching = treatment(alarm) == "breaching"
    return (alarm.evaluation_periods if breaching else alarm.m) * alarm.period_s


def _watched(scaling: Scaling, step_s: float, seed: int) -> list[_Watched]:
    """The alarms of the file, then high and low of each target tracking policy. Those of target
    tracking are evaluated together, since its policies decide together."""
    phases = random.Random(seed)

    def phase_s(alarm: Alarm) -> int:
        """The same one whatever the step is, unless no step would be left in the interval."""
        interval_s = evaluation_interval_s(alarm)
        return min(phases.randrange(interval_s), max(0, math.floor(interval_s - step_s)))

    watched = [_Watched(AlarmWatch(alarm), phase_s(alarm)) for alarm in scaling.alarm]
    tracking = [policy for policy in scaling.policy if isinstance(policy, TargetTracking)]
    if tracking:
        together_s = phase_s(tracking_alarms(tracking[0])[0])
        for policy in tracking:
            for alarm in tracking_alarms(policy):
                watched.append(_Watched(AlarmWatch(alarm), together_s, policy))
    return watched


def _alarms(watched: list[_Watched]) -> list[Alarm]:
    return [one.watch.alarm for one in watched]
