"""The RDS database, and how the service is told where its data is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.design import network
from loadcore_aws.stack.design.security import ENGINE_PORTS
from loadcore_aws.stack.kinds.database_disk import STRIPED, STRIPED_FROM_GB
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Database, Stack

USER = "loadcore"
DATABASE = "loadcore"

MAJOR_PARTS = {"postgres": 1, "mysql": 2}
"""How many numbers a major version has: 16 and 8.0."""


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.database is None:
        return []
    subnets = {"subnets": network.private_subnets(stack, facts)}
    return [
        Resource("db_subnet_group", "main", subnets),
        Resource("database", "main", _database(stack.database)),
    ]


def environment(stack: Stack) -> dict[str, str | Ref]:
    """For whatever runs the service, instances and containers alike: names and addresses, and where
    the password is kept; no secret itself."""
    told: dict[str, str | Ref] = {}
    if stack.table is not None:
        told["LOADCORE_TABLE"] = Ref("table.main")
    if stack.database is not None:
        told["LOADCORE_DATABASE_ENGINE"] = stack.database.engine
        told["LOADCORE_DATABASE_HOST"] = Ref("database.main", "host")
        told["LOADCORE_DATABASE_PORT"] = Ref("database.main", "port")
        told["LOADCORE_DATABASE_SECRET"] = Ref("database.main", "secret")
    return told


def _database(database: Database) -> dict[str, Any]:
    """RDS takes minor versions by itself, unless the file names one."""
    settings: dict[str, Any] = {
        "engine": database.engine,
        "minor_upgrades": len(database.version.split(".")) <= MAJOR_PARTS[database.engine],
        "type": database.type,
        "disk_gb": database.disk_gb,
        "disk_gb_max": None,
        "disk_type": "gp3",
        "encrypted": True,
        "user": USER,
        "database": DATABASE,
        "port": ENGINE_PORTS[database.engine],
        "multi_zone": database.multi_zone,
        "backup_days": database.backup_days,
        "subnet_group": Ref("db_subnet_group.main"),
        "security_groups": [Ref("security_group.database")],
        "public": False,
        "iam_login": False,
        "managed_password": True,
        "deletion_protection": False,
        "snapshot_at_end": database.snapshot_at_end,
    }
    if database.disk_gb >= STRIPED_FROM_GB:
        settings.update({key: least for key, (_, least) in STRIPED.items()})
    if database.version:
        settings["version"] = database.version
    return settings
