"""Security groups: the balancer is open to its clients, the instances to the balancer, the database
to the instances, and nothing else is, but for ssh and the metrics page where the file asks for
it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from loadcore_aws.stack.design import network
from loadcore_aws.stack.kinds.security_group import Rule, sort_key
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

EVERYWHERE = "0.0.0.0/0"
SSH_PORT = 22
ENGINE_PORTS = {"postgres": 5432, "mysql": 3306}


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    port = stack.service.port
    clients = [_tcp(stack.balancer.port, cidr) for cidr in _each_once(stack.access.clients)]
    # It names no group: the instances' one names the balancer's already.
    balancer = _group(stack, facts, "balancer", clients, [_tcp(port, EVERYWHERE)])
    inward = [_tcp(port, Ref("security_group.balancer"))]
    inward += [_tcp(SSH_PORT, cidr) for cidr in _each_once(stack.access.ssh)]
    admin_port = stack.service.admin_port
    inward += [_tcp(admin_port, cidr) for cidr in _each_once(stack.access.metrics)]
    # Where they go is not known: indexes, AWS's services, whatever their arguments name.
    outward = [{"protocol": "-1", "from": -1, "to": -1, "source": EVERYWHERE}]
    made = [balancer, _group(stack, facts, "instances", inward, outward)]
    if stack.database is not None:
        engine = _tcp(ENGINE_PORTS[stack.database.engine], Ref("security_group.instances"))
        made.append(_group(stack, facts, "database", [engine], []))
    return made


def _group(
    stack: Stack, facts: Facts, name: str, ingress: Iterable[Rule], egress: Iterable[Rule]
) -> Resource:
    settings = {
        "vpc": network.vpc(stack, facts),
        "description": f"loadcore stack {stack.name}, {name}",
        "ingress": sorted(ingress, key=sort_key),
        "egress": sorted(egress, key=sort_key),
    }
    return Resource("security_group", name, settings)


def _tcp(port: int, source: str | Ref) -> Rule:
    return {"protocol": "tcp", "from": port, "to": port, "source": source}


def _each_once(cidrs: Iterable[str]) -> list[str]:
    """As EC2 gives them back."""
    return list(dict.fromkeys(str(ipaddress.ip_network(cidr)) for cidr in cidrs))
