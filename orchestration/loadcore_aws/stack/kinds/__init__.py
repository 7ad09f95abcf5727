"""Every kind of resource there is, in the order in which they can be made; removal goes the other
way. Kinds of one rank do not need each other."""

from __future__ import annotations

from loadcore_aws.stack.kinds import (
    alarm,
    balancer,
    container_scaling,
    containers,
    database,
    function,
    group,
    group_parts,
    identity,
    image,
    launch_template,
    listener,
    logs,
    network,
    repository,
    scaling,
    security_group,
    storage,
    table,
    task_definition,
    topic,
)
from loadcore_aws.stack.resource import Kind

RANKS: tuple[tuple[str, ...], ...] = (
    ("vpc", "bucket", "log_group", "topic", "table", "role", "repository", "cluster", "elastic_ip"),
    ("internet_gateway", "subnet", "security_group", "package", "instance_profile", "subscription"),
    ("nat_gateway", "db_subnet_group"),
    ("route_table",),
    ("load_balancer", "target_group", "database", "task_definition", "function", "image"),
    ("listener", "launch_template"),
    ("auto_scaling_group", "container_service"),
    ("lifecycle_hook", "group_notification", "scaling_policy", "scheduled_action"),
    ("scalable_target",),
    ("container_policy", "container_schedule"),
    ("alarm", "timer"),
)

_MODULES = (
    alarm,
    balancer,
    container_scaling,
    containers,
    database,
    function,
    group,
    group_parts,
    identity,
    image,
    launch_template,
    listener,
    logs,
    network,
    repository,
    scaling,
    security_group,
    storage,
    table,
    task_definition,
    topic,
)

BY_NAME: dict[str, Kind] = {kind.name: kind for module in _MODULES for kind in module.KINDS}
KINDS: tuple[Kind, ...] = tuple(BY_NAME[name] for rank in RANKS for name in rank)
assert BY_NAME.keys() == {kind.name for kind in KINDS}, "a kind without a rank is never found"
