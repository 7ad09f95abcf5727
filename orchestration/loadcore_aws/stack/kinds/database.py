"""RDS instances and the subnets they may lie in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import loadcore as lc
from loadcore_aws.stack.errors import message_of
from loadcore_aws.stack.kinds import database_disk
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.names import tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Settings

SNAPSHOT_AT_END = "loadcore:snapshot-at-end"
VERSION_ASKED = "loadcore:engine-version"
"""Tags that keep what RDS does not: whether a last snapshot is wanted, which must be known when the
file is lost, and the version as it was asked for, such as 16 where 16.4 runs."""

MAKING = "creating"

SERVES = {"available", "storage-optimization"}
"""The second, after the disk has grown, may last a day, and all goes on meanwhile ("Viewing Amazon
RDS DB instance status", Amazon RDS User Guide)."""

HOPELESS = {
    "failed", "inaccessible-encryption-credentials", "incompatible-network",
    "incompatible-option-group", "incompatible-parameters", "incompatible-restore",
    "restore-error", "storage-full",
}  # fmt: skip


WITHOUT_SNAPSHOT = {"failed", "incompatible-network", "incompatible-restore"}
"""States in which RDS takes no last snapshot (DeleteDBInstance, Amazon RDS API Reference)."""


class DbSubnetGroup(Kind):
    """Settings: `subnets` (sorted ids, in two zones or more). Its id is its name."""

    name = "db_subnet_group"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        groups = [
            group
            for group in account.pages("rds", "describe_db_subnet_groups", "DBSubnetGroups")
            if group["DBSubnetGroupName"].startswith(owner.prefix)
        ]
        return all_found(groups, lambda group: self._found(account, owner, group))

    def _found(self, account: Account, owner: Owner, group: dict[str, Any]) -> Found | None:
        arn = group["DBSubnetGroupArn"]
        answer = account.client("rds").list_tags_for_resource(ResourceName=arn)
        tags = tag_dict(answer["TagList"])
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        subnets = sorted(subnet["SubnetIdentifier"] for subnet in group["Subnets"])
        return Found(
            self.name,
            name,
            group["DBSubnetGroupName"],
            {"subnets": subnets},
            {"arn": arn},
            group["SubnetGroupStatus"],
            tags,
        )

    def create(self, account: Account, want: Want) -> None:
        account.client("rds").create_db_subnet_group(
            DBSubnetGroupName=want.physical,
            DBSubnetGroupDescription=f"{want.address} of a loadcore stack",
            SubnetIds=want.settings["subnets"],
            Tags=tag_list(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        rds = account.client("rds")
        if "subnets" in changed:
            rds.modify_db_subnet_group(
                DBSubnetGroupName=found.id, SubnetIds=want.settings["subnets"]
            )
        if "tags" in changed:
            rds.add_tags_to_resource(ResourceName=found.attributes["arn"], Tags=tag_list(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        account.client("rds").delete_db_subnet_group(DBSubnetGroupName=found.id)


class Database(Kind):
    """Settings: `engine`, `version` (may be left out: RDS' default; `16` is any 16.x),
    `minor_upgrades` (by RDS itself), `type`, `disk_gb` (it only grows), `disk_gb_max` (to which RDS
    would grow it by itself; None), `disk_type`, of large disks `iops` and
    `throughput_mib_s`, `encrypted`, `user`, `database` (its name), `port`, `multi_zone`,
    `backup_days`, `subnet_group`, `security_groups` (sorted ids), `public`, `iam_login`,
    `managed_password`, `deletion_protection`, `snapshot_at_end`.

    The password is made and kept by RDS ("Password management with Amazon RDS and AWS Secrets
    Manager", Amazon RDS User Guide): the attribute `secret` is the secret's ARN, and there is none
    without it. Others: `arn`, `host`, `port`. What waits for RDS to change it counts as changed,
    and is waited for. Found has `made` as well: while RDS makes it, it tells of no endpoint and
    takes no change (DBInstance and ModifyDBInstance, Amazon RDS API Reference), so what can be
    changed is compared from then on.

    Left alone are the key, where it is encrypted, which cannot be changed, and what is not asked
    for at creation: parameter and option groups, certificate, windows, logs and monitoring, of
    which RDS draws or renews some by itself.
    """

    name = "database"
    fixed = frozenset({"engine", "subnet_group", "encrypted", "user", "database"})
    holds_data = True
    ready_within_s = 1800.0
    gone_within_s = 1800.0

    def find(self, account: Account, owner: Owner) -> list[Found]:
        databases = account.pages("rds", "describe_db_instances", "DBInstances")
        return all_found(databases, lambda database: self._found(owner, database))

    def _found(self, owner: Owner, database: dict[str, Any]) -> Found | None:
        tags = tag_dict(database.get("TagList"))
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        endpoint = database.get("Endpoint", {})
        attributes = {
            "arn": database["DBInstanceArn"],
            "host": endpoint.get("Address", ""),
            "port": str(endpoint.get("Port", "")),
        }
        if secret := database.get("MasterUserSecret", {}).get("SecretArn"):
            attributes["secret"] = secret
        state = database.get("DBInstanceStatus", MAKING)
        if state in SERVES and database.get("PendingModifiedValues"):
            state = "changes " + ", ".join(sorted(database["PendingModifiedValues"]))
        return Found(
            self.name,
            name,
            database["DBInstanceIdentifier"],
            {**_settings(database, tags), "made": state != MAKING and bool(endpoint.get("Port"))},
            attributes,
            state,
            tags,
        )

    def create(self, account: Account, want: Want) -> None:
        settings = want.settings
        version = {"EngineVersion": settings["version"]} if settings.get("version") else {}
        account.client("rds").create_db_instance(
            DBInstanceIdentifier=re.sub("-+", "-", want.physical),  # RDS takes no two in a row
            Engine=settings["engine"],
            **version,
            AutoMinorVersionUpgrade=settings["minor_upgrades"],
            DBInstanceClass=settings["type"],
            AllocatedStorage=settings["disk_gb"],
            StorageType=settings["disk_type"],
            **database_disk.performance(settings),
            StorageEncrypted=settings["encrypted"],
            MultiAZ=settings["multi_zone"],
            MasterUsername=settings["user"],
            ManageMasterUserPassword=settings["managed_password"],
            EnableIAMDatabaseAuthentication=settings["iam_login"],
            DBName=settings["database"],
            Port=settings["port"],
            BackupRetentionPeriod=settings["backup_days"],
            DBSubnetGroupName=settings["subnet_group"],
            VpcSecurityGroupIds=settings["security_groups"],
            PubliclyAccessible=settings["public"],
            DeletionProtection=settings["deletion_protection"],
            Tags=tag_list(_kept(want)),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """While RDS makes or changes it, further changes are refused for the moment.

        Raises loadcore.RunError where that is the disk and may last for hours."""
        rds = account.client("rds")
        if changed & {"tags", "snapshot_at_end", "version"}:
            rds.add_tags_to_resource(
                ResourceName=found.attributes["arn"], Tags=tag_list(_kept(want))
            )
        parameters = {PARAMETERS[key]: want.settings[key] for key in changed if key in PARAMETERS}
        parameters.update(database_disk.changed(want.settings, changed))
        if "version" in changed and not _is_version(
            want.settings["version"], found.settings["version"]
        ):
            parameters["EngineVersion"] = want.settings["version"]
            parameters["AllowMajorVersionUpgrade"] = True
        if not parameters:
            return
        try:
            rds.modify_db_instance(
                DBInstanceIdentifier=found.id, ApplyImmediately=True, **parameters
            )
        except ClientError as error:
            if database_disk.BUSY not in message_of(error):
                raise
            raise lc.RunError(f"{found.address}: RDS still carries out the last change of its disk "
                              "and takes no other one until then, which may be hours; repeat the "
                              "command later") from error  # fmt: skip

    def delete(self, account: Account, found: Found) -> None:
        """Raises loadcore.RunError where the snapshot that is wanted cannot be had."""
        if self.going(found):
            return
        if found.settings["snapshot_at_end"] and found.state in WITHOUT_SNAPSHOT:
            raise lc.RunError(
                f"{found.address}: RDS calls {found.id} {found.state} and takes no last snapshot "
                "of it; mend it, or give up its data with snapshot_at_end = false and an apply "
                "before the destroy"
            )
        last: dict[str, Any] = {"SkipFinalSnapshot": True}
        if found.settings["snapshot_at_end"]:
            moment = account.time.date().strftime("%Y%m%d-%H%M%S")
            name = f"{found.id}-final-{moment}"
            last = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": name}
        account.client("rds").delete_db_instance(
            DBInstanceIdentifier=found.id, DeleteAutomatedBackups=True, **last
        )

    def left_alone(self, want: Settings, have: Settings) -> frozenset[str]:
        """Also of one that RDS gave up while it made it."""
        return frozenset() if have["made"] else MODIFIED

    def check_update(self, changes: Mapping[str, tuple[Any, Any]]) -> None:
        database_disk.check(changes)

    def pending(self, account: Account, found: Found) -> str:
        if found.state in HOPELESS:
            raise lc.RunError(f"{found.address}: RDS calls {found.id} {found.state}; look at its "
                              "events in the RDS console, mend or remove it, and repeat the "
                              "command")  # fmt: skip
        return "" if found.state in SERVES else found.state

    def going(self, found: Found) -> bool:
        return found.state == "deleting"


PARAMETERS = {
    "minor_upgrades": "AutoMinorVersionUpgrade",
    "type": "DBInstanceClass",
    "port": "DBPortNumber",
    "iam_login": "EnableIAMDatabaseAuthentication",
    "managed_password": "ManageMasterUserPassword",
    "multi_zone": "MultiAZ",
    "backup_days": "BackupRetentionPeriod",
    "security_groups": "VpcSecurityGroupIds",
    "public": "PubliclyAccessible",
    "deletion_protection": "DeletionProtection",
}
"""Of ModifyDBInstance, by setting, but for the disk's."""

MODIFIED = frozenset({"version", *PARAMETERS}) | database_disk.SETTINGS
"""Settings that ModifyDBInstance changes."""


def _kept(want: Want) -> dict[str, str]:
    at_end = "yes" if want.settings["snapshot_at_end"] else "no"
    tags = {**want.tags, SNAPSHOT_AT_END: at_end}
    if want.settings.get("version"):
        tags[VERSION_ASKED] = want.settings["version"]
    return tags


def _is_version(asked: str, full: str) -> bool:
    return full == asked or full.startswith(asked + ".")


def _now(database: Mapping[str, Any]) -> dict[str, Any]:
    """As it is, or is about to be."""
    return {**database, **database.get("PendingModifiedValues", {})}


def _settings(database: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    now = _now(database)
    version, asked = now["EngineVersion"], tags.get(VERSION_ASKED, "")
    groups = database.get("VpcSecurityGroups", [])
    largest_gb = now.get("MaxAllocatedStorage") or 0
    return {
        "engine": now["Engine"],
        "version": asked if asked and _is_version(asked, version) else version,
        "minor_upgrades": now["AutoMinorVersionUpgrade"],
        "type": now["DBInstanceClass"],
        "disk_gb": now["AllocatedStorage"],
        "disk_gb_max": largest_gb if largest_gb > now["AllocatedStorage"] else None,
        "disk_type": now.get("StorageType"),
        **{key: now.get(parameter) for key, (parameter, _) in database_disk.STRIPED.items()},
        "encrypted": now.get("StorageEncrypted"),
        "user": now.get("MasterUsername"),
        "database": now.get("DBName"),
        "port": now.get("Port") or database.get("Endpoint", {}).get("Port"),
        "multi_zone": now["MultiAZ"],
        "backup_days": now["BackupRetentionPeriod"],
        "subnet_group": database.get("DBSubnetGroup", {}).get("DBSubnetGroupName"),
        "security_groups": sorted(
            each["VpcSecurityGroupId"] for each in groups if each["Status"] != "removing"
        ),
        "public": now["PubliclyAccessible"],
        "iam_login": now.get("IAMDatabaseAuthenticationEnabled", False),
        "managed_password": "MasterUserSecret" in database,
        "deletion_protection": now["DeletionProtection"],
        "snapshot_at_end": tags.get(SNAPSHOT_AT_END) == "yes",
    }


KINDS: tuple[Kind, ...] = (DbSubnetGroup(), Database())
