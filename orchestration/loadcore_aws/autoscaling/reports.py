"""What the balancer and the instances of a simulation report to CloudWatch.

Sources: Elastic Load Balancing, "CloudWatch metrics for your Application Load Balancer" (once a
minute, and only while requests flow); Amazon EC2 User Guide, "CloudWatch metrics that are available
for your instances" (with detailed monitoring once a minute).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from loadcore_aws.autoscaling.metrics import NAMED, statistic_of
from loadcore_aws.autoscaling.spec import Metric, percentile_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadcore_aws.autoscaling.metrics import SampleStore
    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Alarm
    from loadcore_aws.autoscaling.traffic import TrafficStep

MINUTE_S = 60
SIMULATED = ("cpu", "requests", "requests_per_target", "response_time", "healthy_hosts")

_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995, 0.999, 1.0)


def shorthand_of(metric: str | Metric) -> str | None:
    """The shorthand of a metric that is given by its full name; None where it has none."""
    if isinstance(metric, str):
        return metric
    for shorthand, named in NAMED.items():
        if (metric.namespace, metric.name) == (named.namespace, named.name):
            return shorthand
    return None


class MinuteReports:
    """Gathers what happens within a minute and stores it as that minute's once it is over.

    Not reported are `5xx`, since the modelled service makes no errors of its own (who is lost gets
    504 or 503 from the balancer, which is another metric), and metrics of others.
    """

    def __init__(self, store: SampleStore, service: ServiceModel, alarms: Sequence[Alarm]) -> None:
        self._store = store
        self._service = service
        self._names: dict[str, list[str | Metric]] = {name: [name] for name in SIMULATED}
        for alarm in alarms:
            shorthand = shorthand_of(alarm.metric)
            if isinstance(alarm.metric, Metric) and shorthand in self._names:
                self._names[shorthand].append(alarm.metric)
        self._bands = _bands(alarms)
        self._minute = 0
        self._clear()

    def _clear(self) -> None:
        self._requests = 0
        self._per_target = 0.0
        self._times: dict[float, float] = {}
        self._cpu: list[float] = []
        self._hosts: list[int] = []

    def add(self, now_s: float, step: TrafficStep, serving: int) -> None:
        """What happened in the step that begins at `now_s`; publish_until() comes before."""
        self._minute = int(now_s // MINUTE_S)
        routed = step.requests - step.unrouted
        self._requests += routed
        self._hosts.append(serving)
        if serving:
            self._per_target += routed / serving
            self._cpu.append(self._service.cpu_percent(step.use))
        if step.served:
            self._add_times(step)

    def _add_times(self, step: TrafficStep) -> None:
        if not self._bands:
            self._count(step.mean_s, step.served)
            return
        for middle, width in self._bands:
            time_s = self._service.quantile_s(step.rate_rps, middle) + step.wait_s
            # Three figures are enough, and make few different values.
            self._count(float(f"{min(time_s, self._service.timeout_s):.3g}"), step.served * width)

    def _count(self, time_s: float, count: float) -> None:
        self._times[time_s] = self._times.get(time_s, 0.0) + count

    def publish_until(self, now_s: float) -> None:
        """Stores the minute gathered so far if it is over."""
        if not self._hosts or now_s < (self._minute + 1) * MINUTE_S:
            return
        at_s = float(self._minute * MINUTE_S)
        self._store_as("requests", at_s, 1.0, self._requests)
        self._store_as("requests_per_target", at_s, self._per_target)
        for time_s, count in self._times.items():
            self._store_as("response_time", at_s, time_s, count)
        if self._cpu:
            self._store_as("cpu", at_s, math.fsum(self._cpu) / len(self._cpu))
        for hosts in self._hosts:
            self._store_as("healthy_hosts", at_s, hosts)
        self._clear()

    def _store_as(self, shorthand: str, at_s: float, value: float, count: float = 1.0) -> None:
        for name in self._names[shorthand]:
            self._store.add(name, at_s, value, count)


def _bands(alarms: Sequence[Alarm]) -> list[tuple[float, float]]:
    """Middle and width of shares of the response times, finest around the percentiles that alarms
    look at; none where averages do, which are then exact."""
    edges: set[float] = set()
    looked_at: list[tuple[float, float]] = []
    for alarm in alarms:
        if shorthand_of(alarm.metric) != "response_time":
            continue
        statistic = statistic_of(alarm)
        if statistic in ("Minimum", "Maximum"):
            edges.update(_EDGES)
        elif percent := percentile_of(statistic):
            margin = min(percent, 100 - percent) / 1000
            looked_at.append((percent / 100 - margin, percent / 100 + margin))
            edges.update(_EDGES)
    # A percentile lies in the middle of its own band.
    edges = {edge for edge in edges if not any(low < edge < high for low, high in looked_at)}
    edges.update(edge for pair in looked_at for edge in pair)
    return [((left + right) / 2, right - left) for left, right in pairwise(sorted(edges))]
