"""The disk of an RDS instance: what RDS takes of its size, type and performance, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Mapping

STRIPED_FROM_GB = 400
STRIPED = {"iops": ("Iops", 12_000), "throughput_mib_s": ("StorageThroughput", 500)}
"""From this size on RDS spreads the gp3 storage of PostgreSQL and MySQL over four volumes. By
setting: the parameter, and what is had at no further cost. Less is refused, as is any figure for
smaller storage ("Amazon RDS DB instance storage", Amazon RDS User Guide)."""

SETTINGS = frozenset({"disk_gb", "disk_gb_max", "disk_type", *STRIPED})

WITH_IOPS = {"io1", "io2"}
"""Of these RDS wants the IOPS with any new size, which it takes for no smaller gp3."""

BUSY = "previous storage change"
"""Of what RDS says then: "You can't currently modify the storage of this DB instance because the
previous storage change is being optimized"."""


def check(changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Raises loadcore.PlanError for what ModifyDBInstance would refuse, or round."""
    if "disk_gb" not in changes:
        return
    had_gb, wanted_gb = changes["disk_gb"]
    check_growth(had_gb, wanted_gb)
    had_type, _ = changes.get("disk_type", (None, None))
    if had_type in WITH_IOPS and wanted_gb < STRIPED_FROM_GB:
        raise lc.PlanError(
            "database.disk_gb",
            f"cannot grow while the disk is {had_type}, which nobody asked for; apply with "
            f"{had_gb} first, which makes it gp3, and then with {wanted_gb}",
        )


def check_growth(had_gb: int, wanted_gb: int) -> None:
    """Raises loadcore.PlanError for a size that RDS refuses, and for one that it would round up to
    a tenth more (ModifyDBInstance, AllocatedStorage, Amazon RDS API Reference)."""
    least_gb = -(-had_gb * 11 // 10)
    if wanted_gb < had_gb:
        raise lc.PlanError(
            "database.disk_gb",
            f"is {wanted_gb}, and the database has {had_gb} GB, which RDS never makes fewer; give "
            f"{had_gb}, or take a stack of another name and move the data",
        )
    if had_gb < wanted_gb < least_gb:
        raise lc.PlanError(
            "database.disk_gb",
            f"is {wanted_gb}, and RDS adds a tenth or more to the {had_gb} GB there are; give "
            f"{least_gb} or more, or keep {had_gb}",
        )


def changed(settings: Mapping[str, Any], which: frozenset[str]) -> dict[str, Any]:
    """Of ModifyDBInstance. From STRIPED_FROM_GB on RDS wants size, IOPS and throughput together,
    whichever of them changes, and may be told what there is ("You can use the current value"). A
    largest size that is the size ends the growing ("Managing capacity automatically with Amazon RDS
    storage autoscaling", Amazon RDS User Guide)."""
    parameters: dict[str, Any] = {}
    if which & {"disk_gb", "disk_type", *STRIPED}:
        if told := performance(settings):
            parameters.update(told)
        if told or "disk_gb" in which:
            parameters["AllocatedStorage"] = settings["disk_gb"]
    if "disk_type" in which:
        parameters["StorageType"] = settings["disk_type"]
    if "disk_gb_max" in which:
        parameters["MaxAllocatedStorage"] = settings["disk_gb"]
    return parameters


def performance(settings: Mapping[str, Any]) -> dict[str, int]:
    """Of CreateDBInstance and ModifyDBInstance."""
    if settings["disk_gb"] < STRIPED_FROM_GB:
        return {}
    return {
        parameter: max(least, settings.get(key) or 0) for key, (parameter, least) in STRIPED.items()
    }
