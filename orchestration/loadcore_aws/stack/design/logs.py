"""Where what the service says is kept, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore_aws.stack.kinds.logs import SERVICE_FOLDER
from loadcore_aws.stack.resource import Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    return [group("service", SERVICE_FOLDER + stack.name, stack)]


def group(name: str, path: str, stack: Stack) -> Resource:
    settings = {"name": path, "retention_days": stack.logs.retention_days}
    return Resource("log_group", name, settings)
