"""When scheduled actions are due, in seconds after the start of a simulation.

Sources: Amazon EC2 Auto Scaling User Guide, "Scheduled scaling for Amazon EC2 Auto Scaling"
(traditional cron, UTC unless a time zone is named); PutScheduledUpdateGroupAction of the API
Reference (Recurrence: five fields); Application Auto Scaling User Guide, "Schedule recurring
scaling actions using cron expressions" (six fields).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadcore_aws.autoscaling.spec import Schedule

FIELDS = 5
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SECOND = timedelta(seconds=1)
ANY = datetime(2000, 1, 1, tzinfo=timezone.utc)  # where only the expression matters


def no_cron(text: str) -> str:
    """What is wrong with a cron expression, as a sentence; empty for a sound one."""
    remedy = "give minute, hour, day of the month, month and day of the week, such as 0 8 * * 1-5"
    # CronSim takes a sixth, for seconds.
    if len(text.split()) != FIELDS:
        return f"is {text!r}, which has not {FIELDS} fields; {remedy}"
    try:
        CronSim(text, ANY)
    except CronSimError as error:
        return f"is {text!r}, which is no cron expression ({error}); {remedy}"
    return ""


def six_fields(cron: str) -> str:
    """A sound expression's times as Application Auto Scaling, which scales containers, takes them:
    days of the week have names, and of the two kinds of days one must be `?`.

    Raises ValueError, with a sentence, for what cannot be said so.
    """
    minute, hour, day, month, weekday = cron.split()
    if weekday == "*":
        return f"{minute} {hour} {day} {month} ? *"
    if day != "*":
        raise ValueError("names days of the month and of the week, which containers cannot; write "
                         "two schedules")  # fmt: skip
    if any("/" in each and not each.startswith("*") and "-" not in each
           for each in weekday.split(",")):  # fmt: skip
        raise ValueError(f"has {weekday!r} for the day of the week, where programs differ on "
                         "Sunday; write such as MON-FRI/2")  # fmt: skip
    numbers = CronSim(cron, ANY).weekdays
    if any(isinstance(number, tuple) for number in numbers):  # the second or last of a month
        raise ValueError(f"has {weekday!r} for the day of the week, which containers cannot; write "
                         "such as MON-FRI or 0,6")  # fmt: skip
    names = [name for number, name in enumerate(DAYS) if {number, number + 7} & numbers]
    return f"{minute} {hour} ? {month} {','.join(names)} *"


def no_six_fields(cron: str) -> str:
    """What is wrong with a sound expression for containers, as a sentence; empty for a good one."""
    try:
        six_fields(cron)
    except ValueError as error:
        return str(error)
    return ""


def no_zone(name: str) -> str:
    """What is wrong with a time zone, as a sentence; empty for a known one."""
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last of a folder's name
        return f"is {name!r}, which is no zone; name one such as Europe/Berlin"
    return ""


def due_times(
    schedules: Sequence[Schedule], *, start: datetime | None, duration_s: float
) -> list[tuple[float, Schedule]]:
    """Every action from `start` on for `duration_s`, in order of time. The schedules must be sound,
    as their faults() say.

    Raises loadcore.PlanError where there are actions and no start.
    """
    if not schedules:
        return []
    if start is None or start.tzinfo is None:
        sentence = "is needed with a [[schedule]]: a date and time with a zone, such as "
        raise lc.PlanError("start", f"{sentence}2026-01-05T08:00:00+00:00")
    begin = start.astimezone(timezone.utc)  # in UTC differences are true across changes of clocks
    due = [
        (at_s, one)
        for one in schedules
        for at in _times(one, begin, duration_s)
        if 0 <= (at_s := (at - begin).total_seconds()) < duration_s
    ]
    return sorted(due, key=lambda pair: pair[0])


def _times(schedule: Schedule, begin: datetime, duration_s: float) -> Iterator[datetime]:
    """In UTC: at least those from `begin` on for `duration_s`."""
    if schedule.moment is not None:
        yield schedule.moment
        return
    # CronSim yields what comes after the time given. Of the hour that clocks repeat it yields the
    # first, also where that is over.
    for local in CronSim(schedule.cron, (begin - SECOND).astimezone(_zone(schedule.time_zone))):
        at = local.astimezone(timezone.utc)
        if (at - begin).total_seconds() >= duration_s:
            return
        yield at


def _zone(name: str) -> tzinfo:
    """Raises ZoneInfoNotFoundError, ValueError or OSError for a name that is none."""
    return ZoneInfo(name) if name else timezone.utc
