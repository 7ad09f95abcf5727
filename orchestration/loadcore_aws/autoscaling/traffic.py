"""Requests in one step of time: served, waiting or lost. Whole requests, so that they add up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadcore_aws.autoscaling.service_model import ServiceModel


ROUNDED = 1e-6  # of a request, so that 2.9999999 and 3.0000001 are 3


class TrafficStep(NamedTuple):
    """`requests` came, `served` and `lost` left, `waiting` are still there at its end; `unrouted`
    are those of the lost that met no instance. `use` is rate over capacity, inf without instances.
    Times are of the requests served, NaN where there were none; `wait_s` is the part spent in the
    queue from step to step, and the rest follows from `rate_rps`, for one instance."""

    requests: int
    served: int
    lost: int
    waiting: int
    unrouted: int
    use: float
    rate_rps: float
    wait_s: float
    mean_s: float
    p50_s: float
    p99_s: float


class Traffic:
    """One queue before all instances, which share the load by what each can do, as a balancer with
    least outstanding requests has it in a steady state.

    Each step serves what waited and then what came, as far as the capacity goes. A request that
    capacity was left for in part is begun at once, and what is still to do of it is owed by the
    steps that follow: who meets an idle service never waits, and in any time at most one request
    more is served than the capacity allows.

    The queue holds what is served within the time-out; the rest is lost, as are all requests while
    no instance is there. What an instance has under way when it ends without being drained
    (Little's law: rate times response time) is lost, too.
    """

    def __init__(self, service: ServiceModel, step_s: float) -> None:
        self._service = service
        self._step_s = step_s
        self._waiting = 0
        self._owed = 0.0  # what is still to do of the request begun last, as a share of it

    def step(
        self,
        requests: int,
        offered_rps: float,
        strengths: Sequence[float],
        *,
        ended: int = 0,
        last: bool = False,
    ) -> TrafficStep:
        """`offered_rps` is the rate of which `requests` are the whole ones of this step;
        `strengths` are of the instances that take traffic, 1 is full capacity; `ended` is how many
        do no longer; nothing comes after the `last` step, and what still waits is served then."""
        strength = sum(strengths)
        if not strength:
            return self._nobody_there(requests)
        capacity_rps = strength * self._service.capacity
        could = capacity_rps * self._step_s - self._owed
        waited = self._waiting
        served = min(waited + requests, max(0, math.ceil(could - ROUNDED)))
        waiting = waited + requests - served
        self._owed = max(0.0, served - could)
        lost = max(0, waiting - int(capacity_rps * self._service.timeout_s))
        waiting -= lost
        wait_s = (waited + waiting) / 2 / capacity_rps
        if last:
            served, waiting = served + waiting, 0
        self._waiting = waiting
        rate_rps = offered_rps / strength
        times = self._service.times(rate_rps)
        cut = 0
        if ended and self._service.deregistration_delay_s < times.mean_s + wait_s:
            cut = min(served, round(ended * rate_rps * (times.mean_s + wait_s)))
        mean_s, p50_s, p99_s = (
            min(time_s + wait_s, self._service.timeout_s) if served > cut else math.nan
            for time_s in times
        )
        use = max(offered_rps, waited / self._step_s) / capacity_rps
        return TrafficStep(
            requests=requests,
            served=served - cut,
            lost=lost + cut,
            waiting=waiting,
            unrouted=0,
            use=use,
            rate_rps=rate_rps,
            wait_s=wait_s,
            mean_s=mean_s,
            p50_s=p50_s,
            p99_s=p99_s,
        )

    def _nobody_there(self, requests: int) -> TrafficStep:
        lost = self._waiting + requests
        self._waiting, self._owed = 0, 0.0
        return TrafficStep(
            requests=requests,
            served=0,
            lost=lost,
            waiting=0,
            unrouted=requests,
            use=math.inf if lost else 0.0,
            rate_rps=0.0,
            wait_s=0.0,
            mean_s=math.nan,
            p50_s=math.nan,
            p99_s=math.nan,
        )
