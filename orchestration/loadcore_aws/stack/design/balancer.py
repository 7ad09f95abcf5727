"""The balancer's resources: what clients talk to, and where instances or containers register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore_aws.stack.design import network
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3 only: what "Security policies for your Application Load Balancer" recommends."""


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    return [
        _balancer(stack, facts),
        Resource("target_group", "main", _target_group(stack, facts)),
        Resource("listener", "main", _listener(stack)),
    ]


def _balancer(stack: Stack, facts: Facts) -> Resource:
    """One that faces the Internet is refused in a network that has no way there yet."""
    internal = stack.balancer.internal
    where = network.private_subnets if internal else network.public_subnets
    settings = {
        "vpc": network.vpc(stack, facts),
        "scheme": "internal" if internal else "internet-facing",
        "subnets": where(stack, facts),
        "security_groups": [Ref("security_group.balancer")],
        "ip_address_type": "ipv4",
        "idle_timeout_s": stack.balancer.idle_timeout_s,
        "drop_invalid_headers": True,
    }
    own = stack.network.kind == "own"
    after = ("route_table.public",) if own and not internal else ()
    return Resource("load_balancer", "main", settings, after)


def _target_group(stack: Stack, facts: Facts) -> dict[str, object]:
    health = stack.balancer.health
    return {
        "vpc": network.vpc(stack, facts),
        "port": stack.service.port,
        "protocol": "HTTP",
        "target_type": "instance" if stack.containers is None else "ip",
        "health": {
            "protocol": "HTTP",
            "port": "traffic-port",
            "path": health.path,
            "interval_s": health.interval_s,
            "timeout_s": health.timeout_s,
            "healthy": health.healthy,
            "unhealthy": health.unhealthy,
            "codes": "200",
        },
        "deregistration_delay_s": stack.balancer.deregistration_delay_s,
        "algorithm": stack.balancer.algorithm,
    }


def _listener(stack: Stack) -> dict[str, object]:
    certificate = stack.balancer.certificate
    return {
        "balancer": Ref("load_balancer.main"),
        "port": stack.balancer.port,
        "protocol": "HTTPS" if certificate else "HTTP",
        "certificate": certificate,
        "tls_policy": TLS_POLICY if certificate else "",
        "target_group": Ref("target_group.main"),
        "rules": {},
    }
