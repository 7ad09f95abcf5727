"""What moto's server does at once and RDS does not: a database takes its time to be made. Until
then RDS tells of no endpoint and of less than all of it, and refuses every change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from client_errors import client_error

if TYPE_CHECKING:
    from services_world import World

UNTOLD = ("Endpoint", "MaxAllocatedStorage", "Iops", "StorageThroughput", "LatestRestorableTime")


class Making:
    """Stands between the world's client of RDS and the server, `takes_s` of the world's time from
    each creation on, after which RDS calls it `ends_as`: `failed` shows no more ever after.
    `refused` are the changes that were asked for meanwhile."""

    def __init__(self, world: World, takes_s: float, ends_as: str = "available") -> None:
        self.refused: list[dict[str, Any]] = []
        self._now = world.account.time.now
        self._takes_s = takes_s
        self._ends_as = ends_as
        self._begun_s = 0.0
        events = world.client("rds").meta.events
        events.register("after-call.rds.CreateDBInstance", self._begin)
        events.register("after-call.rds.DescribeDBInstances", self._describe)
        events.register("before-call.rds.ModifyDBInstance", self._refuse)

    def _state(self) -> str:
        done = self._now() - self._begun_s >= self._takes_s
        return self._ends_as if done else "creating"

    def _begin(self, **_: object) -> None:
        self._begun_s = self._now()

    def _describe(self, parsed: dict[str, Any], **_: object) -> None:
        state = self._state()
        if state == "available":
            return
        for database in parsed.get("DBInstances", ()):
            database["DBInstanceStatus"] = state
            for name in UNTOLD:
                database.pop(name, None)

    def _refuse(self, params: dict[str, Any], **_: object) -> None:
        if self._state() != "available":
            self.refused.append(params["body"])
            raise client_error(
                "InvalidDBInstanceState", "Database instance is not in available state."
            )
