"""The DynamoDB table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore_aws.stack.resource import Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.table is None:
        return []
    settings = {
        "partition_key": stack.table.partition_key,
        "sort_key": stack.table.sort_key,
        "point_in_time_recovery": stack.table.point_in_time_recovery,
        "managed_key": True,
        "deletion_protection": False,
        "billing": "PAY_PER_REQUEST",
    }
    return [Resource("table", "main", settings)]
