"""Limits that scheduled actions move: what they have made of them is no drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadcore_aws.stack.resource import Settings


def left_to_schedules(want: Settings, have: Settings) -> frozenset[str]:
    """Which of `min` and `max` are not the file's but a schedule's, by the setting `scheduled`:
    each of them to the values that schedules give it.

    None at all where the one limit does not go with what is wanted of the other: AWS refuses a min
    above max, so both are to be the file's.
    """
    scheduled = want.get("scheduled", {})
    held = {key for key in ("min", "max") if have.get(key) in scheduled.get(key, ())}
    low, high = ((have if key in held else want).get(key) for key in ("min", "max"))
    if low is not None and high is not None and low > high:
        return frozenset()
    return frozenset(held)
