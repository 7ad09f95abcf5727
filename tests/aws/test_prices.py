"""The price table's form, and what is made of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from loadcore_aws.autoscaling.spec import Alarm, Group, TargetTracking
from loadcore_aws.stack import prices
from loadcore_aws.stack.resource import Ref, Resource
from loadcore_aws.stack.spec import (
    Balancer,
    Containers,
    Database,
    Instances,
    Mixed,
    Network,
    Package,
    Stack,
    read,
)

REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1")


def stack(**settings: Any) -> Stack:
    settings.setdefault("region", "us-east-1")
    settings.setdefault("group", Group(min=2, max=4))
    if "containers" not in settings:
        settings.setdefault("package", Package("loadcore.whl"))
    return Stack(name="likes", **settings)


def resources(*kinds: str) -> list[Resource]:
    subnets = [Ref("subnet.public-a"), Ref("subnet.public-b")]
    settings = {"load_balancer": {"subnets": subnets}}
    return [Resource(kind, "main", settings.get(kind, {})) for kind in kinds]


SMALL = ("auto_scaling_group", "load_balancer", "log_group", "bucket")


def line(cost: prices.Cost, what: str) -> prices.Line:
    found = [each for each in cost.lines if each.what.startswith(what)]
    assert len(found) == 1, [each.what for each in cost.lines]
    return found[0]


def test_the_table_is_dated_and_names_its_sources() -> None:
    table = prices.table()
    assert date.fromisoformat(table["as_of"]) > date(2024, 2, 1)  # public addresses cost since then
    assert len(table["sources"]) > 5
    assert table["currency"] == "USD"


def test_every_figure_is_a_price() -> None:
    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [number for part in value.values() for number in numbers(part)]
        return [value] if isinstance(value, (int, float)) else []

    table = prices.table()
    figures = numbers(table["everywhere"]) + numbers(table["region"])
    figures += numbers(table["large"]) + numbers(table["database"])
    assert len(figures) > 250
    assert all(0 < figure < 5 for figure in figures)


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_the_same_figures(region: str) -> None:
    common = set(prices.table()["region"]["eu-central-1"])
    assert common <= set(prices.table()["region"][region])
    families = {family for family, row in prices.table()["large"].items() if region in row}
    assert {"t3", "t3a", "t4g", "m5", "m6i", "m7g", "c5", "c6i", "c7g", "r6g"} <= families


@pytest.mark.parametrize(
    ("instance_type", "region", "price"),
    [
        ("t3.nano", "us-east-1", 0.0052),
        ("t3.small", "us-east-1", 0.0208),
        ("t3.small", "eu-central-1", 0.0240),
        ("t4g.micro", "us-west-2", 0.0084),
        ("m7g.medium", "us-east-1", 0.0408),
        ("m5.4xlarge", "us-east-1", 0.768),
        ("c6i.2xlarge", "us-east-1", 0.340),
        ("r6g.xlarge", "us-east-1", 0.2016),
        ("r7g.large", "ap-southeast-1", 0.1292),
    ],
)
def test_instance_prices_are_those_of_the_list(
    instance_type: str, region: str, price: float
) -> None:
    assert prices.instance_price_per_hour(instance_type, region) == pytest.approx(price)


@pytest.mark.parametrize(
    ("instance_type", "region"),
    [
        ("m5.nano", "us-east-1"),  # there is no such size
        ("t3.small", "mars-north-1"),
        ("x9.large", "us-east-1"),
        ("t3", "us-east-1"),
        ("m5.metal", "us-east-1"),
    ],
)
def test_what_the_table_lacks_is_unknown(instance_type: str, region: str) -> None:
    assert prices.instance_price_per_hour(instance_type, region) is None


def test_a_small_stack_adds_up() -> None:
    """Two to four t3.small with 8 GB behind a balancer in two zones, by hand."""
    cost = prices.cost(resources(*SMALL), stack())
    one = 0.0208 + 8 * 0.08 / 730 + 7 * 0.30 / 730 + 0.005
    fixed = 0.0225 + 2 * 0.005
    assert cost.per_hour == pytest.approx((2 * one + fixed, 2 * one + fixed, 4 * one + fixed))
    assert cost.per_month.max == pytest.approx(730 * (4 * one + fixed))
    assert cost.unknown == ()


def test_desired_lies_between() -> None:
    cost = prices.cost(resources(*SMALL), stack(group=Group(min=1, max=5, desired=3)))
    assert line(cost, "instances").quantity == (1, 3, 5)


def test_an_unknown_price_is_named_and_not_taken_for_nothing() -> None:
    cost = prices.cost(resources(*SMALL), stack(instances=Instances(type="x9.large")))
    assert cost.unknown == ("instances, x9.large",)
    assert line(cost, "instances").per_hour is None
    assert cost.to_dict()["lines"][0]["per_month"] is None


def test_an_unknown_region_has_nothing_but_unknowns() -> None:
    cost = prices.cost(resources(*SMALL), stack(region="mars-north-1"))
    assert len(cost.unknown) == len(cost.lines)
    assert cost.per_hour == (0, 0, 0)
    assert {each.price for each in cost.by_use} == {None}


def test_of_several_types_the_dearest_is_counted_and_spot_is_said() -> None:
    mixed = Mixed(types=("t3.small", "t3a.small"), on_demand_percent=50)
    cost = prices.cost(resources(*SMALL), stack(instances=Instances(mixed=mixed)))
    instances = line(cost, "instances")
    assert instances.price_per_hour == pytest.approx(0.0208)
    assert instances.note == "the dearest of its types, spot at the on-demand price"
    unpriced = Mixed(types=("t3.small", "x9.large"))
    cost = prices.cost(resources(*SMALL), stack(instances=Instances(mixed=unpriced)))
    assert cost.unknown == ("instances, t3.small or x9.large",)


def test_private_instances_have_no_public_addresses_but_the_gateway_has() -> None:
    network = Network(kind="own", nat=True)
    kinds = (*SMALL, "nat_gateway", "elastic_ip")
    cost = prices.cost(resources(*kinds), stack(network=network))
    assert line(cost, "public addresses").quantity == (3, 3, 3)
    assert line(cost, "NAT gateway").per_hour == pytest.approx((0.045, 0.045, 0.045))
    hidden = stack(network=network, balancer=Balancer(internal=True))
    assert line(prices.cost(resources(*kinds), hidden), "public addresses").quantity == (1, 1, 1)


def test_containers_are_paid_by_processor_and_memory() -> None:
    containers = Containers(cpu=512, memory_mb=2048)
    kinds = resources("container_service", "load_balancer", "repository")
    cost = prices.cost(kinds, stack(containers=containers))
    assert line(cost, "Fargate processors").per_hour == pytest.approx(
        (2 * 0.5 * 0.04048, 2 * 0.5 * 0.04048, 4 * 0.5 * 0.04048)
    )
    assert line(cost, "Fargate memory").quantity == (4, 4, 8)
    assert not [each for each in cost.lines if each.what.startswith("instances")]


def test_a_database_in_two_zones_costs_twice() -> None:
    one = prices.cost(resources(*SMALL, "database"), stack(database=Database()))
    two = prices.cost(resources(*SMALL, "database"), stack(database=Database(multi_zone=True)))
    secret = 0.40 / 730
    added = 0.016 + 20 * 0.115 / 730
    bare = prices.cost(resources(*SMALL), stack()).per_hour.min
    assert one.per_hour.min - bare == pytest.approx(added + secret)
    assert two.per_hour.min - bare == pytest.approx(2 * added + secret)
    elsewhere = stack(region="eu-central-1", database=Database())
    assert prices.cost(resources(*SMALL, "database"), elsewhere).unknown == (
        "database, postgres on db.t4g.micro",
    )


def test_alarms_count_those_that_target_tracking_makes() -> None:
    alarms = (
        Alarm(name="slow", metric="response_time", threshold=1.0),
        Alarm(name="quick", metric="response_time", threshold=1.0, period_s=10),
    )
    policies = (TargetTracking(name="cpu", target=50.0),)
    cost = prices.cost(resources(*SMALL, "alarm"), stack(alarm=alarms, policy=policies))
    assert line(cost, "alarms").quantity.min == 3
    assert line(cost, "high-resolution").per_month == pytest.approx((0.30, 0.30, 0.30))


def test_what_is_paid_by_use_is_in_no_sum() -> None:
    cost = prices.cost(resources(*SMALL), stack())
    by_use = {each.what: each for each in cost.by_use}
    assert by_use["traffic through the balancer"].price == pytest.approx(0.008)
    assert by_use["logs"].unit == "GB taken in"
    assert "reads of the table" not in by_use
    assert sum(each.per_hour.min for each in cost.lines if each.per_hour) == pytest.approx(
        cost.per_hour.min
    )


def test_the_figures_of_the_document() -> None:
    """docs/stack.md says what small.toml costs in a default VPC of three zones."""
    root = Path(__file__).parents[2]
    small = read(root / "orchestration/examples/small.toml")
    subnets = {"subnets": ["subnet-1", "subnet-2", "subnet-3"]}
    made = [*resources("auto_scaling_group"), Resource("load_balancer", "main", subnets)]
    cost = prices.cost(made, small)
    rows = {
        row.split("|")[1].strip(" *"): [cell.strip(" *") for cell in row.split("|")[2:4]]
        for row in (root / "docs/stack.md").read_text().splitlines()
        if row.startswith("|")
    }
    assert rows["USD an hour"] == [f"{cost.per_hour.min:.2f}", f"{cost.per_hour.max:.2f}"]
    assert rows["USD a month"] == [f"{cost.per_month.min:.0f}", f"{cost.per_month.max:.0f}"]
    hour = line(cost, "load balancer").per_hour
    assert hour is not None
    assert rows["load balancer"] == [f"{hour.min:.4f}", f"{hour.max:.4f}"]
