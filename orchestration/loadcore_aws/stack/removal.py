"""Removes what belongs to a stack, in the order in which it can go."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import loadcore as lc
from loadcore_aws.stack import find
from loadcore_aws.stack.errors import Meaning, meaning
from loadcore_aws.stack.kinds import BY_NAME, RANKS
from loadcore_aws.stack.progress import Steps
from loadcore_aws.stack.resource import Found, Kind
from loadcore_aws.stack.retry import Patience, StoppedError, check_time

RUNS = frozenset({"auto_scaling_group", "container_service", "function"})
LEANS_ON = frozenset(
    {"launch_template", "image", "task_definition", "target_group", "instance_profile", "role",
     "package", "bucket", "repository", "log_group"}
)  # fmt: skip
"""AWS lets these go while what RUNS still needs them, which then runs on without its footing."""


def remove(found: Iterable[Found], steps: Steps) -> None:
    """Rank by rank from the last one, the kinds of a rank side by side. What is refused stops
    nothing but what it leans on."""
    by_kind: dict[str, list[Found]] = {}
    for each in found:
        by_kind.setdefault(each.kind, []).append(each)
    with ThreadPoolExecutor(find.AT_ONCE_MAX) as pool:
        for rank in reversed(RANKS):
            removals = [
                Removal(steps, BY_NAME[name], by_kind[name]) for name in rank if name in by_kind
            ]
            list(pool.map(Removal.run, removals))


class Removal:
    """All resources of one kind on their way out."""

    def __init__(self, steps: Steps, kind: Kind, found: list[Found]) -> None:
        self._steps = steps
        self._kind = kind
        self._left = {each.id: each for each in found}
        self._accepted: set[str] = set()
        self._deleting: dict[str, Patience] = {}
        self._time = steps.account.time
        self._begin = self._time.now()

    def run(self) -> None:
        """Never raises: what stays is told as failed or skipped."""
        addresses = sorted({each.address for each in self._left.values()})
        if self._steps.stop.is_set():
            for address in addresses:
                self._steps.skip(address, "was stopped before")
            return
        if self._kind.name in LEANS_ON and (runs := self._still_runs()):
            for address in addresses:
                self._steps.skip(address, f"is kept for {runs}, which is still there")
            return
        for address in addresses:
            self._steps.tell(address, "begin")
        looking = self._patience()
        polls = 0
        try:
            while self._left:
                for each in list(self._left.values()):
                    self._delete(each)
                self._look(looking)
                if self._left:
                    polls += 1
                    self._wait(looking, polls)
        except StoppedError:
            for each in self._left.values():
                self._steps.skip(each.address, "was stopped; it is gone on with next time")
        except lc.LoadcoreError as error:
            for each in self._left.values():
                self._steps.fail(each.address, error)

    def _still_runs(self) -> str:
        failed = [address for address, _ in self._steps.failed]
        return next((each for each in failed if each.partition(".")[0] in RUNS), "")

    def _patience(self) -> Patience:
        return Patience(self._time, f"removing {self._kind.name}", self._steps.stop)

    def _delete(self, found: Found) -> None:
        """Once accepted it is only waited for. What refuses to go for good is told and left; where
        something does not exist, the next look tells whether it is this one."""
        if found.id in self._accepted:
            return
        try:
            self._kind.delete(self._steps.account, found)
        except Exception as error:
            what = meaning(error)
            if what is not Meaning.GONE:
                self._refused(found, error, in_use=what is Meaning.IN_USE)
            return
        self._accepted.add(found.id)

    def _refused(self, found: Found, error: Exception, *, in_use: bool) -> None:
        """What uses it will not go either once anything has failed: no use in waiting for it."""
        patient_s = 0.0 if self._steps.failed else self._kind.gone_within_s
        patience = self._deleting.setdefault(found.id, self._patience())
        try:
            patience.wait_after(error, within_s=patient_s if in_use else None)
        except lc.LoadcoreError as told:
            del self._left[found.id]
            self._steps.fail(found.address, told)

    def _look(self, patience: Patience) -> None:
        try:
            there = self._kind.find(self._steps.account, self._steps.owner)
        except Exception as error:
            patience.wait_after(error)
            return
        patience.recovered()
        current = {each.id: each for each in there}
        for each in list(self._left.values()):
            if each.id not in current:
                del self._left[each.id]
                self._steps.succeed(each.address, "removed")
            else:
                self._left[each.id] = current[each.id]

    def _wait(self, patience: Patience, polls: int) -> None:
        for each in self._left.values():
            detail = each.state or "going"
            self._steps.tell(each.address, "waiting", detail)
        names = ", ".join(sorted(each.id for each in self._left.values()))
        check_time(self._time, self._begin, self._kind.gone_within_s, f"{names} is still there")
        patience.poll(polls)
