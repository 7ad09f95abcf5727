"""CONTROL.toml: which figure is read how often, and what it does to which group.

[figure]                     what is read: its `kind` is queue, metrics, run, command or cloudwatch
[scale_out] [scale_in]       thresholds and steps
[limits]                     narrower than the group's own
[lease]                      a DynamoDB table that keeps it to one controller at a time

Times are in seconds. `faults()` yields what cannot be, all at once. The Lambda function reads the
same file with this module, so all that is imported here must be there (see package).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

import loadcore as lc
from loadcore_aws import _toml
from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS = "{address}"
"""in a URL: the private address of each instance in service"""

STATISTIC = re.compile(r"Average|Sum|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d{1,10})?|p100")
QUERY_ID = re.compile(r"[a-z][A-Za-z0-9_]{0,254}")
GROUP_NAME_MAX = 255
EVERY_S_MAX = 86_400.0
PERIOD_S_MAX = 86_400


@dataclass(frozen=True)
class Queue:
    """Messages waiting in an SQS queue, named or by its URL; `in_flight` adds those being worked
    on. Source: "Scaling policy based on Amazon SQS", Amazon EC2 Auto Scaling User Guide."""

    kind: Literal["queue"]
    queue: str
    in_flight: bool = False
    per_instance: bool = False

    def faults(self) -> Iterator[Fault]:
        if not self.queue:
            yield Fault(("queue",), "is empty; give the queue's name or URL")


@dataclass(frozen=True)
class Metrics:
    """A sample out of the service's Prometheus page, summed over all series with these labels (and
    over all instances, where the URL holds {address}).

    With `quantile`, `metric` is a histogram, and the figure that quantile of what it took in during
    `window_s`; with `rate`, a counter, and the figure its increase a second over `window_s`.
    `timeout_s` is for one look at all pages together.
    """

    kind: Literal["metrics"]
    url: str
    metric: str
    labels: dict[str, str] = field(default_factory=dict)
    quantile: float | None = None
    rate: bool = False
    window_s: float = 10.0
    timeout_s: float = 5.0
    per_instance: bool = False

    @property
    def windowed(self) -> bool:
        """Whether the pages are read twice, `window_s` apart."""
        return self.rate or self.quantile is not None

    def faults(self) -> Iterator[Fault]:
        yield from url_faults(self.url)
        if not self.metric:
            yield Fault(("metric",), "is empty; give its name on the page")
        if self.quantile is not None and not 0 < self.quantile < 1:
            yield Fault(("quantile",), f"is {self.quantile:g}; give one from 0 to 1, such as 0.99")
        if self.quantile is not None and self.rate:
            yield Fault(("rate",), "does not go with quantile; take one of them")
        yield from positive_faults(self, "window_s", "timeout_s")


@dataclass(frozen=True)
class LoadRun:
    """A short load run: `value` is a latency in seconds, the answers a second, or the share of
    failed requests, 0 to 1. Without `rate` it is a closed loop."""

    kind: Literal["run"]
    url: str
    value: Literal["p50", "p90", "p95", "p99", "p999", "mean", "max", "rate", "errors"] = "p99"
    method: str = "GET"
    rate: float | None = None
    duration_s: float = 5.0
    connections: int = 8
    per_instance: bool = False

    def faults(self) -> Iterator[Fault]:
        try:
            self.plan()
        except lc.PlanError as error:
            key = "duration_s" if error.field == "duration" else error.field
            yield Fault((key,), error.sentence)

    def plan(self) -> lc.Plan:
        return lc.Plan.of(
            self.url,
            method=self.method,
            rate=self.rate,
            duration=self.duration_s,
            connections=self.connections,
        )


@dataclass(frozen=True)
class Command:
    """The number that a program writes to stdout, and nothing else. No shell reads `command`, a
    list of the program and its arguments."""

    kind: Literal["command"]
    command: tuple[str, ...]
    timeout_s: float = 10.0
    per_instance: bool = False

    def faults(self) -> Iterator[Fault]:
        if not self.command or not self.command[0]:
            yield Fault(("command",), 'is empty; give a list such as ["./backlog", "--count"]')
        if any("\0" in each for each in self.command):
            yield Fault(("command",), "has a null character, which no program can be given")
        yield from positive_faults(self, "timeout_s")


@dataclass(frozen=True)
class Query:
    """One CloudWatch metric and how its samples become a number."""

    namespace: str
    name: str
    statistic: str = "Average"
    dimensions: dict[str, str] = field(default_factory=dict)

    def faults(self) -> Iterator[Fault]:
        for key in ("namespace", "name"):
            if not getattr(self, key):
                yield Fault((key,), "is empty; give the metric's, such as AWS/EC2")
        if not STATISTIC.fullmatch(self.statistic):
            yield Fault(("statistic",), f"is {self.statistic!r}; take Average, Sum, Minimum, "
                                        "Maximum, SampleCount or p99 and the like")  # fmt: skip


@dataclass(frozen=True)
class CloudWatch:
    """The latest whole period of a metric, or of an `expression` over several, each under the name
    that the expression uses. Nothing older than `periods` periods counts. Source: "Using metric
    math", Amazon CloudWatch User Guide."""

    kind: Literal["cloudwatch"]
    metrics: dict[str, Query]
    expression: str = ""
    period_s: int = 60
    periods: int = 5
    per_instance: bool = False

    def faults(self) -> Iterator[Fault]:
        for name, query in self.metrics.items():
            if not QUERY_ID.fullmatch(name):
                yield Fault(("metrics", name), "is no name for a metric in an expression; take a-z "
                                               "first, then letters, digits and _")  # fmt: skip
            for fault in query.faults():
                yield fault.under("metrics", name)
        minutes = range(60, PERIOD_S_MAX + 1, 60)
        if self.period_s not in (10, 20, 30) and self.period_s not in minutes:
            yield Fault(("period_s",), f"is {self.period_s}; it is 10, 20, 30 or a multiple of 60 "
                                       f"up to {PERIOD_S_MAX}")  # fmt: skip
        if not 1 <= self.periods <= 1440:
            yield Fault(("periods",), "must be from 1 to 1440")
        if not self.expression and len(self.metrics) != 1:
            yield Fault(("expression",), f"is missing: {len(self.metrics)} metrics become one "
                                         "figure only by one")  # fmt: skip


Figure: TypeAlias = Queue | Metrics | LoadRun | Command | CloudWatch


@dataclass(frozen=True)
class ScaleOut:
    """`adjust` instances more, once `for_times` readings in a row are above."""

    above: float
    adjust: int = 1
    cooldown_s: float = 300.0
    for_times: int = 1

    def faults(self) -> Iterator[Fault]:
        if self.adjust < 1:
            yield Fault(("adjust",), f"is {self.adjust}; scaling out takes 1 or more")
        yield from _rule_faults(self.cooldown_s, self.for_times)


@dataclass(frozen=True)
class ScaleIn:
    """`adjust`, below zero, instances fewer, once `for_times` readings in a row are below."""

    below: float
    adjust: int = -1
    cooldown_s: float = 300.0
    for_times: int = 3

    def faults(self) -> Iterator[Fault]:
        if self.adjust > -1:
            yield Fault(("adjust",), f"is {self.adjust}; scaling in takes -1 or less")
        yield from _rule_faults(self.cooldown_s, self.for_times)


@dataclass(frozen=True)
class Limits:
    """None: the group's own, which hold in any case."""

    min: int | None = None
    max: int | None = None

    def faults(self) -> Iterator[Fault]:
        if self.min is not None and self.min < 0:
            yield Fault(("min",), "must be 0 or more")
        if self.max is not None and self.max < (self.min or 0):
            yield Fault(("max",), f"is less than min, {self.min or 0}")


@dataclass(frozen=True)
class Lease:
    """A DynamoDB table whose partition key is the text attribute `key`; one item a group."""

    table: str
    key: str = "id"

    def faults(self) -> Iterator[Fault]:
        for key in ("table", "key"):
            if not getattr(self, key):
                yield Fault((key,), "is empty; name it")


@dataclass(frozen=True)
class Control:
    """A whole CONTROL.toml. The group is named by `group`, or found as the one of `stack`. Without
    `region` the environment's is taken. `on_missing` says as what a missing figure counts."""

    figure: Figure
    scale_out: ScaleOut
    scale_in: ScaleIn
    group: str = ""
    stack: str = ""
    region: str = ""
    every_s: float = 60.0
    on_missing: Literal["keep", "out", "in"] = "keep"
    limits: Limits = Limits()
    lease: Lease | None = None

    def faults(self) -> Iterator[Fault]:
        if bool(self.group) == bool(self.stack):
            said = "goes with stack; take one of them" if self.group else "is missing; give the " \
                   "name of an Auto Scaling group, or stack"  # fmt: skip
            yield Fault(("group",), said)
        if len(self.group) > GROUP_NAME_MAX:
            yield Fault(("group",), f"is longer than {GROUP_NAME_MAX} characters")
        if not 1 <= self.every_s <= EVERY_S_MAX:
            yield Fault(("every_s",), f"must be from 1 to {EVERY_S_MAX:.0f}")

    def combined_faults(self) -> Iterator[Fault]:
        yield from self._hysteresis_faults()
        gauge = isinstance(self.figure, Metrics) and not self.figure.windowed
        for key in ("window_s", "duration_s", "timeout_s"):
            seconds = getattr(self.figure, key, 0.0)
            if seconds > self.every_s and not (gauge and key == "window_s"):
                said = f"is {seconds:g}, longer than every_s, {self.every_s:g}"
                yield Fault(("figure", key), said)

    def _hysteresis_faults(self) -> Iterator[Fault]:
        """What follows a change must not call for the opposite one. A figure per instance falls by
        the change itself, most where there are few instances."""
        most, why = self.scale_out.above, "scale_out.above"
        if self.scale_in.below >= most:
            yield Fault(("scale_in", "below"), f"is {self.scale_in.below:g}, not less than {why}, "
                                               f"{most:g}: the group would flap")  # fmt: skip
            return
        if not self.figure.per_instance or most <= 0:
            return
        fewest = max(self.limits.min or 0, 1)
        step = max(self.scale_out.adjust, -self.scale_in.adjust)
        most *= fewest / (fewest + step)
        if self.scale_in.below > most:
            yield Fault(
                ("scale_in", "below"),
                f"is {self.scale_in.below:g}: a step of {step} at {fewest} in service takes a "
                f"figure per instance from {why} to {most:g}, and the group would flap; give at "
                "most that, or a higher limits.min",
            )


def read(path: str | Path) -> Control:
    """Raises loadcore.PlanError with all that is wrong in the file, each with its line."""
    return _toml.read(Control, path)


def parse(text: str, source: str = "CONTROL.toml") -> Control:
    """As read(), of a text; `source` is what faults are said of."""
    return _toml.parse(Control, text, source=source)


def url_faults(url: str) -> Iterator[Fault]:
    try:
        parts = urlsplit(url.replace(ADDRESS, "127.0.0.1"))
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        yield Fault(("url",), f"is {url!r}; give one such as http://127.0.0.1:9090/metrics")


def positive_faults(value: object, *keys: str) -> Iterator[Fault]:
    for key in keys:
        if not 0 < getattr(value, key) <= EVERY_S_MAX:
            yield Fault((key,), f"must be more than 0 and at most {EVERY_S_MAX:.0f}")


def _rule_faults(cooldown_s: float, for_times: int) -> Iterator[Fault]:
    if not 0 <= cooldown_s <= EVERY_S_MAX:
        yield Fault(("cooldown_s",), f"must be from 0 to {EVERY_S_MAX:.0f}")
    if not 1 <= for_times <= 1000:
        yield Fault(("for_times",), "must be from 1 to 1000")
