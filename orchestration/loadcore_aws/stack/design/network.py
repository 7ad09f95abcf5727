"""The network's resources, and where in it everything else lies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

ZONES = ("a", "b")


def vpc(stack: Stack, facts: Facts) -> str | Ref:
    return Ref("vpc.main") if stack.network.kind == "own" else facts.default_vpc


def public_subnets(stack: Stack, facts: Facts) -> Sequence[str | Ref]:
    """For balancers; two or more, in different zones."""
    if stack.network.kind == "own":
        return [Ref(f"subnet.public-{zone}") for zone in ZONES]
    return sorted(facts.default_subnets)


def instance_subnets(stack: Stack, facts: Facts) -> Sequence[str | Ref]:
    """Private ones where these have a way out."""
    if stack.network.nat:
        return private_subnets(stack, facts)
    return public_subnets(stack, facts)


def private_subnets(stack: Stack, facts: Facts) -> Sequence[str | Ref]:
    """For databases, which need no way out; the default network's are all public."""
    if stack.network.kind == "own":
        return [Ref(f"subnet.private-{zone}") for zone in ZONES]
    return sorted(facts.default_subnets)


def way_out(stack: Stack) -> tuple[str, ...]:
    """Addresses to wait for before an instance that must reach the Internet is started."""
    if stack.network.kind == "default":
        return ()
    return (
        ("route_table.public", "route_table.private")
        if stack.network.nat
        else ("route_table.public",)
    )


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.network.kind == "default":
        return []
    made = [
        Resource("vpc", "main", {"cidr": stack.network.cidr, "dns_hostnames": True}),
        Resource("internet_gateway", "main", {"vpc": Ref("vpc.main")}),
        *_subnets(stack, facts),
        _routes("public", Ref("internet_gateway.main")),
    ]
    if stack.network.nat:
        nat = {"subnet": Ref("subnet.public-a"), "address": Ref("elastic_ip.nat")}
        made += [
            Resource("elastic_ip", "nat", {}, after=("internet_gateway.main",)),
            Resource("nat_gateway", "main", nat, after=("route_table.public",)),
        ]
    made.append(_routes("private", Ref("nat_gateway.main") if stack.network.nat else None))
    return made


def _subnets(stack: Stack, facts: Facts) -> list[Resource]:
    """A quarter of the network each."""
    network = ipaddress.ip_network(stack.network.cidr)
    quarters = iter(network.subnets(prefixlen_diff=2))
    return [
        Resource(
            "subnet",
            f"{side}-{zone}",
            {
                "vpc": Ref("vpc.main"),
                "cidr": str(next(quarters)),
                "zone": facts.zones[ZONES.index(zone)],
                "public": side == "public",
            },
        )
        for side in ("public", "private")
        for zone in ZONES
    ]


def _routes(side: str, gateway: Ref | None) -> Resource:
    subnets = [Ref(f"subnet.{side}-{zone}") for zone in ZONES]
    settings = {"vpc": Ref("vpc.main"), "gateway": gateway, "subnets": subnets}
    after = ("internet_gateway.main",) if side == "public" else ()
    return Resource("route_table", side, settings, after)
