"""What is told while a stack is made or removed, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import loadcore as lc
from loadcore_aws.stack.resource import Found

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

Phase: TypeAlias = Literal["begin", "waiting", "done", "failed", "skipped"]


@dataclass(frozen=True)
class Event:
    """`detail` is what was done or is waited for. Given on any thread, one at a time."""

    address: str
    phase: Phase
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Addresses that are as wanted, those that are not and why, those never begun; `left` is what a
    destroy leaves in the account, and `known` what an apply has made or kept. `untold` is what
    `on_event` raised, after which it was not told of anything more."""

    done: tuple[str, ...]
    failed: tuple[tuple[str, lc.LoadcoreError], ...]
    skipped: tuple[str, ...]
    left: tuple[Found, ...] = ()
    known: tuple[Found, ...] = ()
    untold: BaseException | None = None

    @property
    def complete(self) -> bool:
        return not (self.failed or self.skipped or self.left)


class Steps:
    """What several steps share: the account, who is told, and whether to stop."""

    def __init__(
        self,
        account: Account,
        owner: Owner,
        on_event: Callable[[Event], None] | None,
        stop: threading.Event | None,
    ) -> None:
        self.account = account
        self.owner = owner
        self.stop = stop or threading.Event()
        self._on_event = on_event
        self._lock = threading.Lock()
        self._begin: dict[str, float] = {}
        self.done: list[str] = []
        self.failed: list[tuple[str, lc.LoadcoreError]] = []
        self.skipped: list[str] = []
        self._untold: BaseException | None = None

    def tell(self, address: str, phase: Phase, detail: str = "") -> None:
        with self._lock:
            now = self.account.time.now()
            begin = self._begin.setdefault(address, now)
            if self._on_event is None:
                return
            try:
                self._on_event(Event(address, phase, detail, now - begin))
            except (Exception, SystemExit) as error:
                # The work goes on: rather is it not told of than left in the middle. SystemExit
                # is what rich raises where nobody reads its output.
                self._untold = error
                self._on_event = None

    def succeed(self, address: str, detail: str) -> None:
        self.done.append(address)
        self.tell(address, "done", detail)

    def fail(self, address: str, error: lc.LoadcoreError) -> None:
        self.failed.append((address, error))
        self.tell(address, "failed", str(error))

    def skip(self, address: str, detail: str) -> None:
        self.skipped.append(address)
        self.tell(address, "skipped", detail)

    def outcome(self, left: Iterable[Found] = (), known: Iterable[Found] = ()) -> Outcome:
        return Outcome(
            tuple(self.done),
            tuple(self.failed),
            tuple(self.skipped),
            tuple(left),
            tuple(known),
            self._untold,
        )
