"""Durations, counts and rates as people write them, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from loadcore._errors import PlanError

if TYPE_CHECKING:
    from datetime import timedelta

    Duration: TypeAlias = float | str | timedelta
    Count: TypeAlias = int | str
    Rate: TypeAlias = float | str

NANOSECONDS = 1_000_000_000
# The core's bounds, far from the end of its 64 bits and from any use.
DURATION_MAX_S = 365 * 86_400.0
RATE_MAX_RPS = 1e8
COUNT_MAX = 10**15

_UNITS = {
    "d": 86_400.0,
    "h": 3_600.0,
    "m": 60.0,
    "min": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_PART = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE
)
_SCALES = {"": 1, "k": 1_000, "M": 1_000_000}


def seconds(value: Duration, field: str, *, zero: bool = False) -> float:
    """`value` in seconds: a number of them, a timedelta, or text such as "250ms" or "1m30s".

    Raises PlanError for `field` where it cannot be read, is negative or longer than a year, or
    is zero unless `zero` allows that.
    """
    if isinstance(value, str):
        result = _parse_duration(value, field)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        result = float(value)
    elif callable(total := getattr(value, "total_seconds", None)):
        result = float(total())
    else:
        raise PlanError(
            field,
            f"a duration is a number of seconds, a timedelta or text like '10s', "
            f"not {type(value).__name__}",
        )
    if not 0 <= result <= DURATION_MAX_S:
        raise PlanError(field, f"must be from 0 s to a year, not {_show(value)}")
    if result == 0 and not zero:
        raise PlanError(field, f"must be longer than 0, not {_show(value)}")
    return result


def nanoseconds(seconds: float) -> int:
    """For the core, which wants at least 1 ns of anything that is not zero."""
    return max(round(seconds * NANOSECONDS), 1) if seconds > 0 else 0


def count(value: Count, field: str, most: int = COUNT_MAX) -> int:
    """A whole number from 1 to `most`; text may end in k or M. Raises PlanError for `field`."""
    if isinstance(value, str):
        number = _parse_scaled(value, field, "a whole number such as 20000 or '20k'")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    else:
        raise PlanError(field, f"must be a whole number, not {type(value).__name__}")
    if not 1 <= number <= most or number != int(number):
        raise PlanError(field, f"must be a whole number from 1 to {most:,}, not {_show(value)}")
    return int(value) if isinstance(value, int) else int(number)


def rate(value: Rate, field: str) -> float:
    """Requests a second, more than 0; text may end in k or M. Raises PlanError for `field`."""
    if isinstance(value, str):
        number = _parse_scaled(value, field, "requests a second, such as 2000 or '2k'")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    else:
        raise PlanError(field, f"must be a number of requests a second, not {type(value).__name__}")
    if not 0 < number <= RATE_MAX_RPS:
        raise PlanError(
            field,
            f"must be above 0 and at most 1e8 requests a second, not {_show(value)}; "
            f"leave it out for a closed loop",
        )
    return number


def _parse_duration(text: str, field: str) -> float:
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    total, at, smallest = 0.0, 0, float("inf")
    while match := _PART.match(stripped, at):
        scale = _UNITS.get(match[2])
        # "1m30s", not "30s1m" nor "1s1s": either is a slip of the pen.
        if scale is None or scale >= smallest:
            break
        total += float(match[1]) * scale
        at, smallest = match.end(), scale
    if at == 0 or at != len(stripped):
        raise PlanError(
            field, f"cannot read {text!r} as a duration; write it like '10s', '1m30s' or '250ms'"
        )
    return total


def _parse_scaled(text: str, field: str, example: str) -> float:
    stripped = text.strip()
    number, suffix = stripped, ""
    if stripped[-1:] in ("k", "M"):
        number, suffix = stripped[:-1], stripped[-1]
    if not _NUMBER.fullmatch(number):
        raise PlanError(field, f"cannot read {text!r} as a number; write {example}")
    return float(number) * _SCALES[suffix]


def _show(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def duration_text(seconds: float) -> str:
    """A duration as a person would say it: three figures and a unit, "-" for one that is not."""
    if seconds != seconds:
        return "-"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        # Just under a unit, three figures would round up to 1000 of the one below.
        if seconds >= scale * 0.9995:
            return f"{_figures(seconds / scale)} {unit}"
    return f"{seconds * 1e9:.0f} ns" if seconds > 0 else "0 s"


def bytes_text(size: float) -> str:
    """A size in decimal units with three figures."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= scale * 0.9995:
            return f"{_figures(size / scale)} {unit}"
    return f"{size:.0f} B"


def number_text(value: float) -> str:
    """A count or rate, thousands set apart; a fraction only where it matters."""
    if value != value:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.3g}"


def _figures(value: float) -> str:
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{decimals}f}"
