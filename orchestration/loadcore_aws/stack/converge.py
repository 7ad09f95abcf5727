"""Makes the account what a plan says, or empty: each resource a step, independent steps side by
side, each safe to begin again at any point.

A step looks first, then does the next thing that is missing, and looks again. After any error that
may pass it begins anew with looking, so a call whose answer was lost is never simply repeated, and
an apply that was interrupted is gone on with by another one.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws.stack import find
from loadcore_aws.stack.errors import Meaning, explained, meaning
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.progress import Event, Outcome, Steps
from loadcore_aws.stack.removal import remove
from loadcore_aws.stack.resource import (
    Found,
    Resource,
    Want,
    fixed_digest,
    is_known,
    resolved,
)
from loadcore_aws.stack.retry import Patience, StoppedError, check_time

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.plan import Plan

__all__ = ["Event", "Outcome", "apply", "destroy"]

VISIBLE_WITHIN_S = 60.0
VISIBLE_AFTER_UNKNOWN_S = 10.0
SHOWS_WITHIN_S = 180.0
UPDATES_MAX = 6
SETTLES_WITHIN_S = 60.0
STATES_MAX = 250


def apply(
    plan: Plan,
    account: Account,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Carries the plan out as far as it goes, and may be called again after anything. Nothing is
    removed before all the rest is as wanted.

    Never raises for what AWS refuses: that is in the outcome, which is `complete` where all is as
    planned.
    """
    steps = Steps(account, plan.owner, on_event, stop)
    known = _converge_all(plan, steps)
    surplus = [each for change in plan.changes for each in change.surplus]
    if steps.failed or steps.skipped or steps.stop.is_set():
        for each in surplus:
            steps.skip(each.address, "is removed once all the rest is done")
        return steps.outcome(known=known.values())
    remove(surplus, steps)
    return steps.outcome(known=known.values())


def destroy(
    owner: Owner,
    account: Account,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Removes all that the account has of the stack in the order in which it can go, and looks once
    more at the end; what it found then is `left`.

    Raises loadcore.RunError where AWS will not tell what there is.
    """
    steps = Steps(account, owner, on_event, stop)
    remove(find.everything(account, owner), steps)
    return steps.outcome(left=find.everything(account, owner))


def _converge_all(plan: Plan, steps: Steps) -> dict[str, Found]:
    """Each resource as soon as what it needs is ready."""
    known: dict[str, Found] = {}
    changed = {change.address for change in plan.changes if change.action != "keep"}
    waiting = {resource.address: resource for resource in plan.resources}
    running: dict[Future[Found], str] = {}
    lost: set[str] = set()
    with ThreadPoolExecutor(find.AT_ONCE_MAX) as pool:
        while waiting or running:
            for address, resource in list(waiting.items()):
                if steps.stop.is_set() or resource.needs() & lost:
                    del waiting[address]
                    lost.add(address)
                    steps.skip(address, _why_not_begun(resource, lost, steps))
                elif resource.needs() <= known.keys():
                    del waiting[address]
                    step = Step(steps, plan, resource, dict(known), address in changed)
                    running[pool.submit(step.run)] = address
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                address = running.pop(future)
                try:
                    known[address] = future.result()
                except StoppedError:
                    lost.add(address)
                    steps.skip(address, "was stopped; it is gone on with next time")
                except Exception as error:
                    lost.add(address)
                    steps.fail(address, explained(error, address))
    return known


def _why_not_begun(resource: Resource, lost: set[str], steps: Steps) -> str:
    missing = sorted(resource.needs() & lost)
    return f"needs {missing[0]}" if missing and not steps.stop.is_set() else "was stopped before"


class Step:
    """One resource on its way to what is wanted."""

    def __init__(
        self, steps: Steps, plan: Plan, resource: Resource, known: dict[str, Found], told: bool
    ) -> None:
        self._steps = steps
        self._account = steps.account
        self._time = steps.account.time
        self._resource = resource
        self._settings = resolved(resource.settings, known)
        self._kind = find.kind_of(resource).begun(self._settings)
        assert is_known(self._settings), f"{resource.address} refers to what is never made"
        digest = fixed_digest(self._kind, self._settings) if self._kind.fixed else ""
        self._want = Want(
            resource.address,
            plan.owner.physical(resource.name, digest),
            self._settings,
            plan.tags_of(resource.address),
            uuid.uuid4().hex,
        )
        self._patience = Patience(self._time, resource.address, steps.stop)
        self._told = told
        self._created_at: float | None = None
        self._first_created_at: float | None = None
        self._visible_within_s = VISIBLE_WITHIN_S
        self._updates = 0
        self._first_update_at = 0.0
        self._polls = 0
        self._waits_since: float | None = None
        self._states: set[str] = set()
        self._did: list[str] = []

    def run(self) -> Found:
        """Raises loadcore.LoadcoreError where it cannot be had, StoppedError where stopped."""
        address = self._resource.address
        if self._told:
            self._steps.tell(address, "begin")
        while True:
            try:
                found = self._advance()
            except StoppedError:
                raise
            except Exception as error:
                self._patience.wait_after(error)
                continue
            self._patience.recovered()
            if found is not None:
                if self._told or self._did or self._waits_since is not None:
                    self._steps.succeed(address, ", ".join(self._did) or "ready")
                return found

    def _advance(self) -> Found | None:
        """Looks and does one thing; the resource once it is ready."""
        listed = self._kind.find(self._account, self._steps.owner)
        candidates = [each for each in listed if each.name == self._resource.name]
        found = find.match(self._kind, self._settings, candidates)
        if found is None:
            self._create()
            return None
        if wrong := find.wrong_with(self._kind, self._settings, self._want.tags, found):
            self._update(found, frozenset(wrong))
            return None
        if waits_for := self._kind.pending(self._account, found):
            self._wait(found, waits_for)
            return None
        return found

    def _create(self) -> None:
        """Or waits for what was created to show, a while also where no answer told of it."""
        if self._created_at is not None:
            if self._time.now() - self._created_at < self._visible_within_s:
                self._patience.poll(0)
                return
            self._check_shows()
            self._created_at = None
        try:
            self._kind.create(self._account, self._want)
        except Exception as error:
            if meaning(error) is Meaning.UNKNOWN:
                self._note_created(VISIBLE_AFTER_UNKNOWN_S)
            raise
        self._note_created(VISIBLE_WITHIN_S)
        self._did = ["created"]

    def _note_created(self, visible_within_s: float) -> None:
        self._created_at = self._time.now()
        self._visible_within_s = visible_within_s
        if self._first_created_at is None:
            self._first_created_at = self._created_at

    def _check_shows(self) -> None:
        """Raises loadcore.RunError where it is no use to ask again: that would be with the same
        idempotency token, which brings nothing back that has come and gone."""
        assert self._first_created_at is not None
        waited_s = self._time.now() - self._first_created_at
        if waited_s >= SHOWS_WITHIN_S:
            raise lc.RunError(
                f"{self._resource.address}: it was asked for {waited_s:.0f} s ago and AWS does not "
                "show it; look for it in the console, and repeat the command"
            )

    def _update(self, found: Found, wrong: frozenset[str]) -> None:
        now = self._time.now()
        if self._updates == 0:
            self._first_update_at = now
        if self._updates >= UPDATES_MAX and now - self._first_update_at >= SETTLES_WITHIN_S:
            raise lc.RunError(
                f"{self._resource.address}: AWS keeps {', '.join(sorted(wrong))} other than wanted "
                "although it took the change; look at it in the console"
            )
        self._kind.update(self._account, found, self._want, wrong)
        self._updates += 1
        self._states.clear()
        if not self._did:
            self._did = [f"changed {', '.join(sorted(wrong))}"]
        if self._updates > 1:
            self._patience.poll(self._updates)

    def _wait(self, found: Found, waits_for: str) -> None:
        """Its time begins anew with each state that it was not in before, STATES_MAX times at most:
        what only goes to and fro gets nowhere."""
        address = self._resource.address
        state = waits_for.partition(";")[0]
        if state not in self._states and len(self._states) < STATES_MAX:
            self._states.add(state)
            self._waits_since = self._time.now()
        assert self._waits_since is not None
        check_time(
            self._time,
            self._waits_since,
            self._kind.ready_within(self._settings, found),
            f"{address} is not ready: {waits_for}",
        )
        self._steps.tell(address, "waiting", waits_for)
        self._patience.poll(self._polls)
        self._polls += 1
