"""Which resources a stack consists of; one module for each part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore_aws.stack.design import (
    balancer,
    containers,
    controller,
    database,
    group,
    identity,
    instances,
    logs,
    network,
    package,
    scaling,
    security,
    table,
    topic,
)

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.resource import Resource
    from loadcore_aws.stack.spec import Stack

PARTS = (
    network,
    security,
    package,
    identity,
    instances,
    balancer,
    group,
    scaling,
    logs,
    topic,
    table,
    database,
    containers,
    controller,
)


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    return [resource for part in PARTS for resource in part.resources(stack, facts)]
