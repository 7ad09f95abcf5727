"""What one instance of a service can do, as far as a scaling decision can tell.

Sources: D. Gross and C. Harris, "Fundamentals of Queueing Theory" (M/M/c, Erlang C); Elastic Load
Balancing, "Edit target group attributes" (deregistration delay); Amazon EC2 Auto Scaling User
Guide, "Amazon EC2 Auto Scaling instance lifecycle".
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from loadcore_aws._faults import Fault
from loadcore_aws.autoscaling.trace import RATE_RPS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS_MAX = 1000
DAY_S = 86_400.0

STEADY_SHARE = 0.98
"""The formulas for a steady state have no value at full use, and are far off just below it unless
the load stays there for long. From here on it is the queue, stepped in time, that does the rest."""


class Times(NamedTuple):
    """Response time in seconds."""

    mean_s: float
    p50_s: float
    p99_s: float


@dataclass(frozen=True)
class ServiceModel:
    """`[service]` of a POLICY.toml. Rates are for one instance.

    Response time follows either from `capacity_rps` and `base_ms`, an answer's time when nobody
    else is there, or from a measured `curve`, rows of [rate_rps, p50_ms] or [rate_rps, p50_ms,
    p99_ms], or the name of a CSV file with such columns (and mean_ms, if known). With a curve the
    capacity is its last rate unless given.

    More than the capacity waits; who would wait longer than `timeout_s` is lost.

    A launched instance is InService to Auto Scaling after `pending_s`, and answers `boot_s` after
    its launch. A lifecycle hook at launch that waits for the answer makes `pending_s` = `boot_s`.
    For `cold_s` after that it can do only `cold_share` of its capacity.
    """

    capacity_rps: float = 0.0
    base_ms: float = 0.0
    curve: str | tuple[tuple[float, ...], ...] = ()
    workers: int = 0
    """requests worked on at once; 0: capacity_rps times base_ms, as Little's law has it"""
    timeout_s: float = 10.0
    boot_s: float = 60.0
    pending_s: float = 15.0
    cold_s: float = 0.0
    cold_share: float = 0.5
    deregistration_delay_s: float = 30.0
    cpu_idle_percent: float = 1.0
    cpu_full_percent: float = 100.0
    """CPU use without load and at capacity; a straight line between"""
    instance_type: str = ""
    region: str = ""
    price_per_hour: float | None = None
    """of one instance, in the currency of your choice; None: that of instance_type in region, USD,
    out of loadcore_aws.stack.prices, if it is there"""

    def faults(self) -> Iterator[Fault]:
        if not self.curve:
            for key in ("capacity_rps", "base_ms"):
                if getattr(self, key) <= 0:
                    yield Fault((key,), "is missing; give capacity_rps and base_ms, or a curve")
        elif not isinstance(self.curve, str):
            yield from _curve_faults(self.curve)
        for key, most in (
            ("capacity_rps", RATE_RPS_MAX),
            ("base_ms", 1000 * DAY_S),
            ("boot_s", DAY_S),
            ("pending_s", DAY_S),
            ("cold_s", DAY_S),
        ):
            if not 0 <= getattr(self, key) <= most:
                yield Fault((key,), f"must be from 0 to {most:.8g}")
        if not 0 <= self.workers <= WORKERS_MAX:
            yield Fault(("workers",), f"must be from 0 to {WORKERS_MAX}")
        if not 0 < self.timeout_s <= DAY_S:
            yield Fault(("timeout_s",), f"must be above 0 and at most {DAY_S:.0f}")
        if self.pending_s > self.boot_s:
            yield Fault(("pending_s",), f"is {self.pending_s:g}, above boot_s, {self.boot_s:g}")
        if not 0 < self.cold_share <= 1:
            yield Fault(("cold_share",), "must be above 0 and at most 1")
        if not 0 <= self.deregistration_delay_s <= 3600:
            yield Fault(("deregistration_delay_s",), "must be from 0 to 3600")
        if not 0 <= self.cpu_idle_percent < self.cpu_full_percent <= 100:
            yield Fault(("cpu_full_percent",), "must be above cpu_idle_percent and at most 100")
        if self.price_per_hour is not None and self.price_per_hour < 0:
            yield Fault(("price_per_hour",), "must be 0 or more")

    @property
    def capacity(self) -> float:
        """Requests a second."""
        return self.capacity_rps or self._rows[-1][0]

    @property
    def parallel(self) -> int:
        """Requests worked on at once (c)."""
        guess = round(self.capacity * self.base_ms / 1000)
        return self.workers or min(max(guess, 1), WORKERS_MAX)

    @property
    def _rows(self) -> tuple[tuple[float, ...], ...]:
        assert not isinstance(self.curve, str), "policy_file reads the curve's file"
        return self.curve

    def times(self, rate_rps: float) -> Times:
        """Steady response time at `rate_rps` for one instance, without the queue that grows when
        there is more than capacity.

        Without a curve: base + wait, where the wait is that of M/M/c with c workers that together
        do `capacity_rps`: nobody waits with probability 1 - C (Erlang's formula), and whoever does
        waits exponentially with the rate capacity - rate. Mean wait C / (capacity - rate).
        With one: straight lines between its rows, level outside.
        """
        return _times(self, self._steady_rps(rate_rps))

    def quantile_s(self, rate_rps: float, share: float) -> float:
        """The response time that a `share` of the requests, above 0 and below 1, does not exceed.

        From the same wait as times(); along a curve the log-normal distribution through its p50 and
        p99.
        """
        rate_rps = self._steady_rps(rate_rps)
        if not self.curve:
            return self.base_ms / 1000 + _wait_s(self, rate_rps, share)
        times = _times(self, rate_rps)
        if times.p99_s <= times.p50_s:
            return times.p50_s
        normal = NormalDist()
        spread = math.log(times.p99_s / times.p50_s) / normal.inv_cdf(0.99)
        return times.p50_s * math.exp(spread * normal.inv_cdf(share))

    def _steady_rps(self, rate_rps: float) -> float:
        """The rate to take the time of: a curve's was measured up to the capacity."""
        share = 1.0 if self.curve else STEADY_SHARE
        return min(rate_rps, share * self.capacity)

    def cpu_percent(self, use: float) -> float:
        """At `use`, rate over capacity; level above 1."""
        span = self.cpu_full_percent - self.cpu_idle_percent
        return self.cpu_idle_percent + span * min(use, 1.0)


def erlang_c(servers: int, offered: float) -> float:
    """The share of arrivals that wait in M/M/c; `offered` is rate over one server's rate, below
    `servers`. By the recursion of Erlang B, which neither overflows nor cancels."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


@lru_cache(maxsize=4096)
def _times(service: ServiceModel, rate_rps: float) -> Times:
    if service.curve:
        p50_ms, p99_ms, mean_ms = _interpolated(service._rows, rate_rps)
        return Times(mean_ms / 1000, p50_ms / 1000, p99_ms / 1000)
    base_s = service.base_ms / 1000
    mean_s = base_s + _waiting(service, rate_rps) / (service.capacity - rate_rps)
    p50_s = base_s + _wait_s(service, rate_rps, 0.5)
    return Times(mean_s, p50_s, base_s + _wait_s(service, rate_rps, 0.99))


def _wait_s(service: ServiceModel, rate_rps: float, share: float) -> float:
    waiting = _waiting(service, rate_rps)
    if 1 - share >= waiting:
        return 0.0
    return math.log(waiting / (1 - share)) / (service.capacity - rate_rps)


@lru_cache(maxsize=4096)
def _waiting(service: ServiceModel, rate_rps: float) -> float:
    return erlang_c(service.parallel, service.parallel * rate_rps / service.capacity)


def _interpolated(rows: tuple[tuple[float, ...], ...], rate_rps: float) -> tuple[float, ...]:
    """p50, p99 and mean in ms; a row without p99 or mean has its p50 there."""
    full = [(*row, row[1], row[1])[:4] if len(row) == 2 else (*row, row[1])[:4] for row in rows]
    index = bisect_right(full, (rate_rps, math.inf))
    if index in (0, len(full)):
        return full[min(index, len(full) - 1)][1:]
    left, right = full[index - 1], full[index]
    part = (rate_rps - left[0]) / (right[0] - left[0])
    return tuple(low + (high - low) * part for low, high in zip(left[1:], right[1:], strict=True))


def _curve_faults(curve: tuple[tuple[float, ...], ...]) -> Iterator[Fault]:
    for index, row in enumerate(curve):
        if not 2 <= len(row) <= 4 or row[0] < 0 or min(row[1:]) <= 0:
            yield Fault(("curve", index), "must be [rate_rps, p50_ms] or with p99_ms and mean_ms "
                        "after it, the times above 0")  # fmt: skip
        elif row[0] > RATE_RPS_MAX or max(row[1:]) > 1000 * DAY_S:
            yield Fault(("curve", index), f"must be up to {RATE_RPS_MAX:g} requests/s and a day")
        elif len(row) > 2 and row[2] < row[1]:
            yield Fault(("curve", index), f"has a p99 of {row[2]:g}, below its p50, {row[1]:g}")
        elif index and curve[index - 1] and row[0] <= curve[index - 1][0]:
            yield Fault(("curve", index), "must have a higher rate than the row before it")
    if curve[-1] and curve[-1][0] <= 0:
        yield Fault(("curve",), "ends at a rate of 0, and the last rate is the capacity")
