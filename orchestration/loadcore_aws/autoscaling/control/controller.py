"""One round of the controller: look, read, decide, remember, act; and what there is to tell. The
lease is taken before the reading and renewed after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from loadcore_aws.autoscaling.control.decide import Action, decide
from loadcore_aws.autoscaling.control.scaling_group import BusyError
from loadcore_aws.autoscaling.control.sources import reading

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.control.config import Control
    from loadcore_aws.autoscaling.control.decide import Group
    from loadcore_aws.autoscaling.control.lease import Lease
    from loadcore_aws.autoscaling.control.memory import Memory
    from loadcore_aws.autoscaling.control.scaling_group import ScalingGroup
    from loadcore_aws.autoscaling.control.sources import Source

Outcome: TypeAlias = Action | Literal["busy", "standby", "error"]


@dataclass(frozen=True)
class Report:
    """What became of one round. `figure` is per instance where that is asked for. Of a round that
    did not come so far, the group's numbers are None."""

    time_s: float
    group: str
    action: Outcome
    reason: str
    figure: float | None = None
    detail: str = ""
    in_service: int | None = None
    desired: int | None = None
    capacity: int | None = None
    dry_run: bool = False

    def record(self) -> dict[str, Any]:
        """For a line of JSON."""
        when = datetime.fromtimestamp(self.time_s, timezone.utc)
        return {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "group": self.group,
            "action": self.action,
            "figure": self.figure,
            "detail": self.detail,
            "in_service": self.in_service,
            "desired": self.desired,
            "capacity": self.capacity,
            "reason": self.reason,
            "dry_run": self.dry_run,
        }


class Controller:
    """For one thread. Without `lease` nobody else is held off, and with `dry_run` nothing is done:
    then `memory` should be one that keeps it to itself."""

    def __init__(
        self,
        control: Control,
        group: ScalingGroup,
        source: Source,
        memory: Memory,
        lease: Lease | None,
        *,
        dry_run: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._control = control
        self._group = group
        self._source = source
        self._memory = memory
        self._lease = lease
        self._dry_run = dry_run
        self._now_s = now_s

    def round(self) -> Report:
        """One reading, and what follows from it.

        Raises what boto3 raises, loadcore.RunError where there is no such group, and OSError where
        the state cannot be kept. Nothing has been changed then, unless the change's own answer was
        lost; and that is made up for by the next round, which looks first.
        """
        group = self._group.look()
        if self._lease is not None and (holder := self._lease.take(self._now_s())):
            return self._report(group, "standby", f"{holder} controls this group")
        control = self._control
        read = reading(self._source, group, per_instance=control.figure.per_instance)
        group = self._group.look()  # reading may have taken a while
        if self._lease is not None and (holder := self._lease.renew(self._now_s())):
            lost = f"{holder} took over while the figure was read"
            return self._report(group, "standby", lost, figure=read.value, detail=read.detail)
        state, damage = self._memory.load()
        decision = decide(control, state, read, group, self._now_s())
        # Remembered first: after a crash in between there is a cooldown too much, not a change.
        self._memory.save(decision.state)
        action: Outcome = decision.action
        reason = decision.reason
        if decision.capacity != group.desired and not self._dry_run:
            try:
                self._group.set_capacity(decision.capacity)
            except BusyError as error:
                self._memory.save(state)
                action, reason = "busy", f"{reason}; AWS is busy with the group: {error}"
        return self._report(
            group,
            action,
            f"{reason}; {damage}" if damage else reason,
            figure=read.value,
            detail=read.detail,
            capacity=group.desired if action == "busy" else decision.capacity,
        )

    def release(self) -> None:
        """Lets another controller take over at once."""
        if self._lease is not None:
            self._lease.release()

    def failed(self, sentence: str) -> Report:
        """Of a round that raised."""
        control = self._control
        name = control.group or f"stack {control.stack}"
        return Report(self._now_s(), name, "error", sentence, dry_run=self._dry_run)

    def _report(self, group: Group, action: Outcome, reason: str, **more: Any) -> Report:
        return Report(
            self._now_s(),
            group.name,
            action,
            reason,
            in_service=group.in_service,
            desired=group.desired,
            dry_run=self._dry_run,
            **more,
        )
