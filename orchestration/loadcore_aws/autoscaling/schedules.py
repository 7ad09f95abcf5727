"""When scheduled actions are due, in seconds after the start of a simulation.

Source: Amazon EC2 Auto Scaling User Guide, "Scheduled scaling for Amazon EC2 Auto Scaling"
(traditional five-field cron, UTC unless a time zone is named).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadcore_aws.autoscaling.spec import Schedule


def due_times(
    schedules: Sequence[Schedule], *, start: datetime | None, duration_s: float
) -> list[tuple[float, Schedule]]:
    """Every action from `start` on for `duration_s`, in order of time.

    Raises loadcore.PlanError where there are actions and no start, or one whose time cannot be
    read.
    """
    if not schedules:
        return []
    if start is None or start.tzinfo is None:
        sentence = "is needed with a [[schedule]]: a date and time with a zone, such as "
        raise lc.PlanError("start", f"{sentence}2026-01-05T08:00:00+00:00")
    due = [(at_s, one) for one in schedules for at_s in _times(one, start, duration_s)]
    return sorted(due, key=lambda pair: pair[0])


def _times(schedule: Schedule, start: datetime, duration_s: float) -> Iterator[float]:
    if schedule.moment is not None:
        at_s = (schedule.moment - start).total_seconds()
        if 0 <= at_s < duration_s:
            yield at_s
        return
    # In UTC differences are true across changes of the clock.
    begin = start.astimezone(timezone.utc)
    for at in _cron(schedule, start):
        at_s = (at.astimezone(timezone.utc) - begin).total_seconds()
        if at_s >= duration_s:
            return
        yield at_s


def _cron(schedule: Schedule, start: datetime) -> Iterator[datetime]:
    try:
        zone = ZoneInfo(schedule.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        sentence = f"{schedule.time_zone!r} is no zone; name one such as Europe/Berlin"
        raise lc.PlanError(f"schedule {schedule.name}: time_zone", sentence) from None
    try:
        return CronSim(schedule.cron, start.astimezone(zone))
    except CronSimError as error:
        sentence = f"{schedule.cron!r} is no cron expression ({error}); give five fields"
        raise lc.PlanError(f"schedule {schedule.name}: cron", sentence) from None
