"""What somebody changes by hand of a database, of all that it is made with: a plan shows exactly
that, and an apply puts it right, as far and as soon as RDS lets it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from database_making import Making
from services_world import World, make
from told_rds import ToldRds

import loadcore as lc
from loadcore_aws.stack.design import database
from loadcore_aws.stack.kinds.database import Database as Kind
from loadcore_aws.stack.names import Owner, tag_list
from loadcore_aws.stack.resource import Found, Resource, Want, resolved
from loadcore_aws.stack.spec import Database, Package, Stack

if TYPE_CHECKING:
    from aws_front.front import Front

STACK = Stack("demo", "eu-central-1", Package("a.whl"))
PASSWORD = "known to many"


@pytest.fixture
def world(aws: Front) -> World:
    made = make(aws)
    made.know_security_groups("database", "other")
    return made


def designed(world: World, **other: Any) -> list[Resource]:
    asked = Database(version="16.3", **other)
    return database.resources(replace(STACK, database=asked), world.facts)


def described(world: World) -> dict[str, Any]:
    (found,) = world.client("rds").describe_db_instances()["DBInstances"]
    return dict(found)


def by_hand(world: World, **parameters: Any) -> None:
    world.client("rds").modify_db_instance(
        DBInstanceIdentifier=described(world)["DBInstanceIdentifier"],
        ApplyImmediately=True,
        **parameters,
    )


def test_settings_changed_by_hand_are_put_right(world: World) -> None:
    wanted = designed(world)
    world.settle(wanted)
    other = [world.known["security_group.other"].id]
    by_hand(
        world,
        StorageType="io2",
        Iops=20_000,
        MaxAllocatedStorage=100,
        ManageMasterUserPassword=False,
        MasterUserPassword=PASSWORD,
        EnableIAMDatabaseAuthentication=True,
        PubliclyAccessible=True,
        DeletionProtection=True,
        AutoMinorVersionUpgrade=True,
        BackupRetentionPeriod=0,
        MultiAZ=True,
        DBInstanceClass="db.m7g.large",
        VpcSecurityGroupIds=other,
    )
    settings = wanted[1].settings
    assert world.drift(wanted) == {
        "database.main": {
            "disk_type": ("io2", "gp3"),
            "disk_gb_max": (100, None),
            "managed_password": (False, True),
            "iam_login": (True, False),
            "public": (True, False),
            "deletion_protection": (True, False),
            "minor_upgrades": (True, False),
            "backup_days": (0, settings["backup_days"]),
            "multi_zone": (True, False),
            "type": ("db.m7g.large", settings["type"]),
            "security_groups": (other, [world.known["security_group.database"].id]),
        }
    }
    assert "secret" not in world.one("database.main").attributes, "none to tell anybody"
    world.settle(wanted)
    now = described(world)
    assert now["StorageType"] == "gp3"
    assert world.one("database.main").attributes["secret"] == now["MasterUserSecret"]["SecretArn"]
    assert "MaxAllocatedStorage" not in now


def test_while_it_is_made_it_is_waited_for_and_not_changed(world: World) -> None:
    """What RDS does not tell by then is not what somebody has changed."""
    making = Making(world, takes_s=600.0)
    world.settle(designed(world, disk_gb=400))
    assert making.refused == []
    assert world.account.time.now() >= 600.0
    assert world.one("database.main").attributes["port"] == "5432"


def test_what_the_file_changes_meanwhile_is_changed_once_it_is_made(world: World) -> None:
    making = Making(world, takes_s=600.0)
    wanted = designed(world)
    world.kinds = {"db_subnet_group"}
    world.settle(wanted[:1])
    tags = world.owner.tags("database.main", world.tags, None)
    group = {each.address: each for each in world.found()}
    settings = resolved(wanted[1].settings, {**world.known, **group})
    Kind().create(world.account, Want("database.main", "demo-main", settings, tags, "token"))
    world.settle(designed(world, backup_days=9))
    assert making.refused == []
    assert described(world)["BackupRetentionPeriod"] == 9


def test_one_that_rds_cannot_make_is_told_as_such(world: World) -> None:
    making = Making(world, takes_s=60.0, ends_as="failed")
    ((address, error),) = world.apply(designed(world)).failed
    assert address == "database.main"
    assert "failed; look at its events in the RDS console" in str(error)
    assert making.refused == []


def test_a_large_disk_has_the_performance_that_costs_no_more(world: World) -> None:
    wanted = designed(world, disk_gb=400)
    world.settle(wanted)
    by_hand(world, StorageType="io2", Iops=20_000, StorageThroughput=900)
    assert world.drift(wanted) == {
        "database.main": {
            "disk_type": ("io2", "gp3"),
            "iops": (20_000, 12_000),
            "throughput_mib_s": (900, 500),
        }
    }
    world.settle(wanted)
    now = described(world)
    assert (now["StorageType"], now["Iops"], now["StorageThroughput"]) == ("gp3", 12_000, 500)


def test_a_database_put_in_the_place_of_the_stacks_is_not_taken_for_it(world: World) -> None:
    wanted = designed(world)
    world.settle(wanted)
    was, rds = described(world), world.client("rds")
    name = was["DBInstanceIdentifier"]
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        Engine="postgres",
        EngineVersion="16.3",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="root",
        MasterUserPassword=PASSWORD,
        PubliclyAccessible=False,
        DBSubnetGroupName=was["DBSubnetGroup"]["DBSubnetGroupName"],
        Tags=was["TagList"],
    )
    with pytest.raises(lc.PlanError, match="cannot change encrypted, user, database without los"):
        world.plan(wanted)


def told(wanted: dict[str, Any], *changed: str) -> dict[str, Any]:
    """Of ModifyDBInstance."""
    account: Any = ToldRds()
    found = Found("database", "main", "demo-main", {}, {"arn": "arn:db"}, "available")
    want = Want("database.main", "demo-main", wanted, {}, "token")
    Kind().update(account, found, want, frozenset(changed))
    (call,) = account.calls
    return {k: v for k, v in call.items() if k not in ("DBInstanceIdentifier", "ApplyImmediately")}


def test_the_port_is_the_one_that_the_security_group_opens(world: World) -> None:
    """moto's never moves."""
    listed = {
        "DBInstanceIdentifier": "demo-main", "DBInstanceArn": "arn:db", "Engine": "postgres",
        "EngineVersion": "16.4", "AutoMinorVersionUpgrade": True, "AllocatedStorage": 20,
        "DBInstanceClass": "db.t4g.micro", "MultiAZ": False, "BackupRetentionPeriod": 1,
        "PubliclyAccessible": False, "DeletionProtection": False, "DBInstanceStatus": "available",
        "Endpoint": {"Address": "host", "Port": 6000},
        "TagList": tag_list({"loadcore:stack": "demo", "loadcore:resource": "database.main"}),
    }  # fmt: skip

    class Rds:
        def pages(self, *names: str, **parameters: Any) -> list[Any]:
            return [listed]

    account: Any = Rds()
    owner = Owner("demo", "eu-central-1", "123456789012")
    assert Kind().find(account, owner)[0].settings["port"] == 6000
    listed["PendingModifiedValues"] = {"Port": 5432}
    assert Kind().find(account, owner)[0].settings["port"] == 5432
    assert designed(world)[1].settings["port"] == 5432
    assert told({"port": 5432, "disk_gb": 20}, "port") == {"DBPortNumber": 5432}


def test_rds_is_told_of_a_disk_what_it_takes_together() -> None:
    """See database_disk.changed."""
    small = {"disk_gb": 20, "disk_type": "gp3"}
    assert told(small, "disk_type") == {"StorageType": "gp3"}
    assert told(small, "disk_gb") == {"AllocatedStorage": 20}
    large = {"disk_gb": 500, "disk_type": "gp3", "iops": 12_000, "throughput_mib_s": 500}
    whole = {"AllocatedStorage": 500, "Iops": 12_000, "StorageThroughput": 500}
    assert told(large, "iops") == whole
    assert told(large, "disk_type") == {**whole, "StorageType": "gp3"}


def test_a_small_disk_does_not_grow_before_it_is_gp3_again() -> None:
    changes = {"disk_type": ("io1", "gp3"), "disk_gb": (100, 200)}
    with pytest.raises(lc.PlanError, match=r"apply with 100 first, .* and then with 200"):
        Kind().check_update(changes)
    for fine in ({"disk_gb": (100, 500)}, {"disk_type": ("gp2", "gp3")}):
        Kind().check_update({**changes, **fine})
    Kind().check_update({"disk_type": ("io1", "gp3")})


def test_a_disk_that_still_changes_is_to_be_asked_again_later(world: World, aws: Front) -> None:
    world.settle(designed(world))
    aws.inject(
        "error", "rds", "ModifyDBInstance",
        code="InvalidParameterCombination",
        message="You can't currently modify the storage of this DB instance because the previous "
                "storage change is being optimized.",
    )  # fmt: skip
    ((address, error),) = world.apply(designed(world, disk_gb=40)).failed
    assert address == "database.main"
    assert "may be hours; repeat the command later" in str(error)
    aws.clear_faults()
    world.settle(designed(world, disk_gb=40))
