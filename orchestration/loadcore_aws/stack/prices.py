"""What a stack costs, out of the dated table in prices.toml.

An estimate before tax, on demand and without any free tier. A price that the table lacks is named
as unknown and never taken for nothing; what is paid by use is listed with its unit price and is in
no sum, since nobody knows the traffic.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from loadcore_aws.autoscaling.spec import TargetTracking

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from loadcore_aws.stack.resource import Resource
    from loadcore_aws.stack.spec import Containers, Stack

HOURS_A_MONTH = 730
"""As AWS reckons it: 365 days of 24 hours in 12 months ("AWS Pricing Calculator" user guide)."""

# "Instance size normalization factor" (Amazon EC2 User Guide, "How Reserved Instance discounts are
# applied"), as shares of a `large`.
SIZES = {
    "nano": 1 / 16, "micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0, "xlarge": 2.0,
    "2xlarge": 4.0, "4xlarge": 8.0,
}  # fmt: skip

DETAILED_METRICS = 7  # of an instance ("Amazon CloudWatch Pricing", detailed monitoring)
TRACKING_ALARMS = 2  # that a target tracking policy makes itself


class Span(NamedTuple):
    """One figure at the group's minimum, at its desired size and at its maximum."""

    min: float
    desired: float
    max: float

    @classmethod
    def flat(cls, value: float) -> Span:
        return cls(value, value, value)

    def times(self, factor: float) -> Span:
        return Span(self.min * factor, self.desired * factor, self.max * factor)

    def plus(self, other: Span) -> Span:
        return Span(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Line:
    """`quantity` of `unit` at `price_per_hour` each, USD; None is a price the table lacks."""

    what: str
    quantity: Span
    unit: str
    price_per_hour: float | None
    note: str = ""

    @property
    def per_hour(self) -> Span | None:
        return None if self.price_per_hour is None else self.quantity.times(self.price_per_hour)

    @property
    def per_month(self) -> Span | None:
        return None if self.per_hour is None else self.per_hour.times(HOURS_A_MONTH)


@dataclass(frozen=True)
class ByUse:
    """What is paid for as it is used, USD for a `unit`; None is a price the table lacks."""

    what: str
    unit: str
    price: float | None


@dataclass(frozen=True)
class Cost:
    """Sums are of what is known; `unknown` names the rest, and any at all makes them too low.
    `sizes` are how many instances or tasks there are."""

    region: str
    as_of: str
    sizes: Span
    lines: tuple[Line, ...]
    by_use: tuple[ByUse, ...]

    @property
    def per_hour(self) -> Span:
        total = Span.flat(0.0)
        for line in self.lines:
            if line.per_hour is not None:
                total = total.plus(line.per_hour)
        return total

    @property
    def per_month(self) -> Span:
        return self.per_hour.times(HOURS_A_MONTH)

    @property
    def unknown(self) -> tuple[str, ...]:
        return tuple(line.what for line in self.lines if line.price_per_hour is None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "region": self.region,
            "as_of": self.as_of,
            "currency": "USD",
            "sizes": self.sizes._asdict(),
            "per_hour": self.per_hour._asdict(),
            "per_month": self.per_month._asdict(),
            "unknown": list(self.unknown),
            "lines": [
                {
                    "what": line.what,
                    "quantity": line.quantity._asdict(),
                    "unit": line.unit,
                    "per_hour": line.per_hour._asdict() if line.per_hour else None,
                    "per_month": line.per_month._asdict() if line.per_month else None,
                    "note": line.note,
                }
                for line in self.lines
            ],
            "by_use": [
                {"what": each.what, "unit": each.unit, "price": each.price} for each in self.by_use
            ],
        }


@cache
def table() -> Mapping[str, Any]:
    """prices.toml as it is."""
    text = files("loadcore_aws.stack").joinpath("prices.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def instance_price_per_hour(instance_type: str, region: str) -> float | None:
    """USD for an hour on demand, Linux, shared tenancy; None where the table has none."""
    family, _, size = instance_type.partition(".")
    large: float | None = table()["large"].get(family, {}).get(region)
    if large is None or size not in _sizes_of(family):
        return None
    return large * SIZES[size]


def dearest_per_hour(types: Iterable[str], region: str) -> float | None:
    """USD for an hour of the dearest, since of several types nobody knows which will come; None
    where the table lacks any of them."""
    prices = [instance_price_per_hour(each, region) for each in types]
    known = [price for price in prices if price is not None]
    return max(known) if len(known) == len(prices) else None


def unit_price_per_hour(stack: Stack) -> float | None:
    """USD for an hour of one more: an instance, or a task. None where the table has none."""
    if stack.containers is None:
        return dearest_per_hour(_types_of(stack), stack.region)
    parts = _task_parts(stack.containers, stack.region)
    prices = [price * amount for _, _, amount, price in parts if price is not None]
    return sum(prices) if len(prices) == len(parts) else None


def _types_of(stack: Stack) -> tuple[str, ...]:
    mixed = stack.instances.mixed
    return mixed.types if mixed else (stack.instances.type,)


def _task_parts(task: Containers, region: str) -> list[tuple[str, str, float, float | None]]:
    """What a task is paid for by: name, unit, amount, and the price of a unit an hour."""
    cpus, gigabytes = task.cpu / 1024, task.memory_mb / 1024
    return [
        ("Fargate processors", "vCPU", cpus, rate("fargate_vcpu_hour", region)),
        ("Fargate memory", "GB", gigabytes, rate("fargate_gb_hour", region)),
    ]


def _sizes_of(family: str) -> list[str]:
    sizes = table()["sizes"]
    if family.startswith("t"):
        return list(sizes["burstable"])
    return [*(["medium"] if family in sizes["with_medium"] else []), *sizes["others"]]


def database_price_per_hour(engine: str, instance_type: str, region: str) -> float | None:
    """USD for an hour in one zone; None where the table has none."""
    for part in table()["database"].values():
        if region in part["regions"]:
            price: float | None = part[engine].get(instance_type)
            return price
    return None


def rate(name: str, region: str) -> float | None:
    """A figure of the region's table, or of the one for everywhere."""
    prices = table()
    if region not in prices["region"]:
        return None
    found: float | None = {**prices["everywhere"], **prices["region"][region]}.get(name)
    return found


def _monthly(name: str, region: str) -> float | None:
    price = rate(name, region)
    return None if price is None else price / HOURS_A_MONTH


def cost(resources: Iterable[Resource], stack: Stack) -> Cost:
    """Of a stack that consists of `resources`, hour by hour, whatever of it there is already."""
    kinds: dict[str, list[Resource]] = {}
    for resource in resources:
        kinds.setdefault(resource.kind, []).append(resource)
    lines = [
        *(_container_lines(stack) if "container_service" in kinds else ()),
        *(_instance_lines(stack) if "auto_scaling_group" in kinds else ()),
        *_address_lines(stack, kinds),
        *_fixed_lines(stack, kinds),
        *_database_lines(stack, kinds),
        *_alarm_lines(stack, kinds),
    ]
    by_use = tuple(_by_use(stack, kinds))
    return Cost(stack.region, table()["as_of"], _group_sizes(stack), tuple(lines), by_use)


def _group_sizes(stack: Stack) -> Span:
    group = stack.group
    return Span(group.min, group.min if group.desired is None else group.desired, group.max)


def _instance_lines(stack: Stack) -> Iterator[Line]:
    instances, region, sizes = stack.instances, stack.region, _group_sizes(stack)
    mixed, types = instances.mixed, _types_of(stack)
    note = ""
    if mixed:
        note = "the dearest of its types" if len(types) > 1 else ""
        if mixed.on_demand_percent < 100:
            note = f"{note}, spot at the on-demand price" if note else "spot at the on-demand price"
    price = dearest_per_hour(types, region)
    yield Line(f"instances, {' or '.join(types)}", sizes, "instance", price, note)
    gigabytes = sizes.times(instances.disk_gb)
    yield Line("disks, gp3", gigabytes, "GB", _monthly("gp3_gb_month", region))
    metrics = sizes.times(DETAILED_METRICS)
    yield Line("detailed monitoring", metrics, "metric", _monthly("metric_month", region))


def _container_lines(stack: Stack) -> Iterator[Line]:
    assert stack.containers is not None
    sizes = _group_sizes(stack)
    for what, unit, amount, price in _task_parts(stack.containers, stack.region):
        yield Line(what, sizes.times(amount), unit, price)


def _address_lines(stack: Stack, kinds: Mapping[str, list[Resource]]) -> Iterator[Line]:
    """Every public IPv4 address is paid for since 2024 ("Amazon VPC pricing")."""
    public = Span.flat(0.0)
    if not stack.network.nat:
        public = _group_sizes(stack)
    if not stack.balancer.internal:
        subnets = [len(each.settings.get("subnets", ())) for each in kinds.get("load_balancer", ())]
        public = public.plus(Span.flat(sum(subnets)))
    public = public.plus(Span.flat(len(kinds.get("elastic_ip", ()))))
    if public.max:
        yield Line("public addresses", public, "address", rate("public_ipv4_hour", stack.region))


def _fixed_lines(stack: Stack, kinds: Mapping[str, list[Resource]]) -> Iterator[Line]:
    for kind, what, name in (
        ("load_balancer", "load balancer", "balancer_hour"),
        ("nat_gateway", "NAT gateway", "nat_hour"),
    ):
        if count := len(kinds.get(kind, ())):
            yield Line(what, Span.flat(count), "piece", rate(name, stack.region))


def _database_lines(stack: Stack, kinds: Mapping[str, list[Resource]]) -> Iterator[Line]:
    database = stack.database
    if database is None or "database" not in kinds:
        return
    zones = Span.flat(2.0 if database.multi_zone else 1.0)
    hour = database_price_per_hour(database.engine, database.type, stack.region)
    yield Line(f"database, {database.engine} on {database.type}", zones, "instance", hour)
    month = _monthly("database_gb_month", stack.region)
    yield Line("database disks, gp3", zones.times(database.disk_gb), "GB", month)
    yield Line("secret", Span.flat(1.0), "secret", _monthly("secret_month", stack.region))


def _alarm_lines(stack: Stack, kinds: Mapping[str, list[Resource]]) -> Iterator[Line]:
    """Those of the file, and those that target tracking makes."""
    if "alarm" not in kinds and not stack.policy:
        return
    fine = sum(alarm.period_s < 60 for alarm in stack.alarm)
    tracking = [policy for policy in stack.policy if isinstance(policy, TargetTracking)]
    usual = len(stack.alarm) - fine + TRACKING_ALARMS * len(tracking)
    region = stack.region
    if usual:
        yield Line("alarms", Span.flat(usual), "alarm", _monthly("alarm_month", region))
    if fine:
        price = _monthly("alarm_high_resolution_month", region)
        yield Line("high-resolution alarms", Span.flat(fine), "alarm", price)


def _by_use(stack: Stack, kinds: Mapping[str, list[Resource]]) -> Iterator[ByUse]:
    for kind, what, unit, name in (
        ("load_balancer", "traffic through the balancer", "LCU-hour", "lcu_hour"),
        ("nat_gateway", "traffic through the NAT gateway", "GB", "nat_gb"),
        ("log_group", "logs", "GB taken in", "logs_gb"),
        ("bucket", "packages kept", "GB and month", "object_gb_month"),
        ("repository", "container images kept", "GB and month", "image_gb_month"),
        ("image", "snapshot of the image", "GB and month", "snapshot_gb_month"),
        ("table", "writes to the table", "million", "table_million_writes"),
        ("table", "reads of the table", "million", "table_million_reads"),
        ("function", "calls of the controller", "million", "lambda_million_requests"),
        ("topic", "mails of the topic", "100,000", "mails_100k"),
    ):
        if kind in kinds:
            yield ByUse(what, unit, rate(name, stack.region))
    yield ByUse("data sent to the Internet", "GB", rate("internet_gb", stack.region))
