"""A make-believe AWS for the stack's engine: resources in memory that show late, time that passes
only when slept, and errors as a schedule says. Nothing of it knows boto3."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ReadTimeoutError
from client_errors import client_error

from loadcore_aws.stack.account import Time
from loadcore_aws.stack.names import RESOURCE, Owner
from loadcore_aws.stack.resource import Found, Kind, Want

FAULTS = ("throttled", "lost_before", "lost_after", "not_yet", "denied")


@dataclass
class Thing:
    found: Found
    visible_at: float
    uses: frozenset[str]


@dataclass
class PretendAws:
    """`faults`: what goes wrong at which call, counted over all of them. `show_after_s`: how long
    what was made stays invisible. As `account` it is all that the engine asks of one."""

    faults: dict[int, str] = field(default_factory=dict)
    show_after_s: float = 0.0
    ready_after_s: float = 0.0

    def __post_init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.clock = 0.0
        self.calls: list[str] = []
        self._lock = threading.RLock()
        self._ids: Iterator[int] = itertools.count(1)
        self.time = Time(now=lambda: self.clock, sleep=self._sleep, jitter=lambda: 0.5)

    def _sleep(self, seconds: float) -> None:
        with self._lock:
            self.clock += seconds

    def call(self, name: str, effect: Any) -> Any:
        with self._lock:
            fault = self.faults.get(len(self.calls), "")
            self.calls.append(name)
            if fault == "throttled":
                raise client_error("Throttling")
            if fault == "lost_before":
                raise client_error("InternalError", status=500)
            if fault == "not_yet":
                raise client_error("ThingReference.NotFound")
            if fault == "denied":
                raise client_error("AccessDenied")
            result = effect()
            if fault == "lost_after":
                raise ReadTimeoutError(endpoint_url="pretend")
            return result


class PretendKind(Kind):
    """Settings: `size` (changes in place), `shape` (fixed), `uses` (ids of others)."""

    name = "thing"
    fixed = frozenset({"shape"})

    def find(self, account: Any, owner: Owner) -> list[Found]:
        def effect() -> list[Found]:
            return [
                thing.found
                for thing in account.things.values()
                if thing.visible_at <= account.clock
            ]

        found: list[Found] = account.call("find", effect)
        return found

    def create(self, account: Any, want: Want) -> None:
        """Without `size`, which an update brings."""

        def effect() -> None:
            number = f"t-{next(account._ids)}"
            settings = {**want.settings, "size": None}
            name = want.tags[RESOURCE].partition(".")[2]
            account.things[number] = Thing(
                Found(self.name, name, number, settings, tags=dict(want.tags)),
                account.clock + account.show_after_s,
                frozenset(want.settings["uses"]),
            )

        account.call(f"create {want.address}", effect)

    def update(self, account: Any, found: Found, want: Want, changed: frozenset[str]) -> None:
        def effect() -> None:
            thing = account.things[found.id]
            settings = {**thing.found.settings, **{k: want.settings[k] for k in changed - {"tags"}}}
            thing.found = replace(thing.found, settings=settings, tags=dict(want.tags))
            thing.uses = frozenset(settings["uses"])

        account.call(f"update {want.address}", effect)

    def delete(self, account: Any, found: Found) -> None:
        def effect() -> None:
            if any(found.id in thing.uses for thing in account.things.values()):
                raise client_error("DependencyViolation")
            if found.id not in account.things:
                raise client_error("Thing.NotFound")
            del account.things[found.id]

        account.call(f"delete {found.address}", effect)

    def pending(self, account: Any, found: Found) -> str:
        made = account.things[found.id].visible_at - account.show_after_s
        return "" if account.clock >= made + account.ready_after_s else "settling"
