"""How much load comes when: from a CSV file, from a saved loadcore run, or made up."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws import _toml
from loadcore_aws._faults import Fault, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMNS = ("time_s", "rate_rps")

TIME_S_MAX = 1e9  # thirty years
RATE_RPS_MAX = 1e12  # more than any service sees


@dataclass(frozen=True)
class Load:
    """Made-up load: `users` come at `spawn_per_s` and stay for `hold_s` once all are there, go
    within `ramp_down_s`, and for `idle_s` nobody comes. Each sends `requests_per_s_per_user`."""

    users: int
    spawn_per_s: float
    requests_per_s_per_user: float
    hold_s: float
    ramp_down_s: float = 0
    idle_s: float = 0

    def faults(self) -> Iterator[Fault]:
        if self.users < 1:
            yield Fault(("users",), "must be 1 or more")
        elif self.users * self.requests_per_s_per_user > RATE_RPS_MAX:
            yield Fault(("users",), "times requests_per_s_per_user is more than "
                                    f"{RATE_RPS_MAX:g} requests a second")  # fmt: skip
        for key in ("spawn_per_s", "requests_per_s_per_user"):
            if getattr(self, key) <= 0:
                yield Fault((key,), "must be above 0")
        if self.users > self.spawn_per_s * TIME_S_MAX > 0:
            yield Fault(("spawn_per_s",), f"takes more than {TIME_S_MAX:g} s for all users")
        for key in ("hold_s", "ramp_down_s", "idle_s"):
            if not 0 <= getattr(self, key) <= TIME_S_MAX:
                yield Fault((key,), f"must be from 0 to {TIME_S_MAX:g}")


@dataclass(frozen=True)
class Trace:
    """Requests a second over time: straight lines between `points`, which are (time_s, rate_rps) in
    order of time, from 0 on. Two points of one time make a step. Ends with the last point."""

    points: tuple[tuple[float, float], ...]
    source: str = "trace"

    def __post_init__(self) -> None:
        """Raises SpecError."""
        faults = list(_point_faults(self.points))
        if faults:
            raise SpecError(self.source, faults)

    @cached_property
    def _until(self) -> list[float]:
        """How many requests came before each point."""
        until = [0.0]
        for (left_s, left), (right_s, right) in pairwise(self.points):
            until.append(until[-1] + (right_s - left_s) * (left + right) / 2)
        return until

    @property
    def duration_s(self) -> float:
        return self.points[-1][0]

    @property
    def peak_rps(self) -> float:
        return max(rate for _, rate in self.points)

    @property
    def requests(self) -> float:
        """All of them."""
        return self.requests_until(self.duration_s)

    def requests_until(self, time_s: float) -> float:
        """How many came before `time_s`, as a number with a fraction."""
        until = self._until
        index = bisect_right(self.points, (time_s, math.inf)) - 1
        if index < 0:
            return 0.0
        if index == len(self.points) - 1:
            return until[-1]
        (left_s, left), (right_s, right) = self.points[index : index + 2]
        into_s = time_s - left_s
        rate = left + (right - left) * into_s / (right_s - left_s)
        return until[index] + into_s * (left + rate) / 2

    def then_idle(self, idle_s: float) -> Trace:
        """The same, and then silence: what happens after the load stops is half of the story."""
        end_s = self.duration_s
        return replace(self, points=(*self.points, (end_s, 0.0), (end_s + idle_s, 0.0)))


def constant(rate_rps: float, duration_s: float) -> Trace:
    trace = Trace(((0.0, rate_rps), (duration_s, rate_rps)))
    return replace(trace, source=f"{rate_rps:g} requests/s")  # by now it is a number to write


def generated(load: Load) -> Trace:
    """Users come and go one after another, which is a straight line from here.

    Raises SpecError.
    """
    _toml.check(load, "load")
    full_rps = load.users * load.requests_per_s_per_user
    times = [0.0, load.users / load.spawn_per_s, load.hold_s, load.ramp_down_s, load.idle_s]
    rates = [0.0, full_rps, full_rps, 0.0, 0.0]
    points, now_s = [], 0.0
    for length_s, rate in zip(times, rates, strict=True):
        now_s += length_s
        points.append((now_s, rate))
    return Trace(tuple(points), f"{load.users} users at {load.spawn_per_s:g}/s")


def of_run(run: lc.Run, source: str = "run") -> Trace:
    """What a run meant to send, interval by interval: in an open loop what its schedule said, in a
    closed one what was started."""
    timeline = run.timeline()
    points: list[tuple[float, float]] = []
    columns = (timeline["start_s"], timeline["length_s"], timeline["scheduled"])
    for start_s, length_s, scheduled in zip(*columns, strict=True):
        if length_s > 0:
            # The end of the interval before, if that was rounded up.
            begin_s = max(start_s, points[-1][0] if points else 0.0)
            rate = scheduled / length_s
            points += [(begin_s, rate), (max(start_s + length_s, begin_s), rate)]
    return Trace(tuple(points), source)


def read(path: str | Path) -> Trace:
    """A saved loadcore run where the name ends in .run, else CSV.

    Raises loadcore.PlanError with all that is wrong in the file, each with its line;
    loadcore.FileError for a .run that is none.
    """
    try:
        if Path(path).suffix == ".run":
            return of_run(lc.load(path), str(path))
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise lc.PlanError(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise lc.PlanError(str(path), "is not UTF-8 text; give CSV or a .run") from None
    return parse_csv(text, str(path))


def parse_csv(text: str, source: str = "trace") -> Trace:
    """Columns time_s and rate_rps by a header, in any order; others are passed over."""
    rows = numbers(text, COLUMNS, source)
    faults = list(_point_faults([(row[0], row[1]) for row, _ in rows]))
    if faults:
        lines = [line for _, line in rows]
        raise SpecError(source, [_at_line(fault, lines) for fault in faults])
    return Trace(tuple((row[0], row[1]) for row, _ in rows), source)


def numbers(
    text: str, columns: Sequence[str], source: str, optional: Sequence[str] = ()
) -> list[tuple[list[float], int]]:
    """The named columns of CSV text as numbers, and the line of each row; NaN where an optional
    column is not there. Raises SpecError."""
    header, lines = _csv(text, source)
    missing = [name for name in columns if name not in header]
    if missing:
        sentence = f"has no column {missing[0]}; the first line names {', '.join(columns)}"
        raise SpecError(source, [Fault((), sentence, 1)])
    wanted = [*columns, *(name for name in optional if name in header)]
    rows, faults = [], []
    for row, line in lines:
        values = []
        for name in wanted:
            try:
                values.append(float(row[name] or ""))
            except ValueError:
                values.append(math.nan)
            if not math.isfinite(values[-1]):
                faults.append(Fault((name,), f"is {row[name] or ''!r}, no number", line))
        rows.append((values + [math.nan] * (len(columns) + len(optional) - len(wanted)), line))
    if faults:
        raise SpecError(source, faults)
    return rows


def _csv(text: str, source: str) -> tuple[Sequence[str], list[tuple[dict[str, str], int]]]:
    """The header, and each row with its line."""
    reader = csv.DictReader(text.splitlines())
    try:
        rows = [(row, reader.line_num) for row in reader]
    except csv.Error as error:  # a cell beyond csv.field_size_limit()
        line = reader.reader.line_num
        raise SpecError(
            source, [Fault((), f"is no CSV: {error}; is a quote left open?", line)]
        ) from None
    return reader.fieldnames or (), rows


def _point_faults(points: Sequence[tuple[float, float]]) -> Iterator[Fault]:
    """`where` ends in the point's number, for _at_line."""
    no_numbers = [
        Fault((column, index), sentence)
        for index, point in enumerate(points)
        for column, number in zip(COLUMNS, point, strict=True)
        if (sentence := _toml.no_number(number))
    ]
    if no_numbers:
        yield from no_numbers
        return
    if not points or not points[-1][0] > 0:
        yield Fault((), "holds no time; give two rows or more, the last of them above 0 s")
        return
    if points[0][0] != 0:
        yield Fault(("time_s", 0), f"is {points[0][0]:g} in the first row; begin with 0")
    for index, (time_s, rate) in enumerate(points):
        if time_s > TIME_S_MAX:
            yield Fault(("time_s", index), f"is {time_s:g}; give seconds, {TIME_S_MAX:g} at most")
        elif index and time_s < points[index - 1][0]:
            yield Fault(("time_s", index), f"is {time_s:g}, before the row above; sort by time")
        if not 0 <= rate <= RATE_RPS_MAX:
            said = f"is {rate:g}; a rate is 0 or more, {RATE_RPS_MAX:g} at most"
            yield Fault(("rate_rps", index), said)


def _at_line(fault: Fault, lines: Sequence[int]) -> Fault:
    if not fault.where:
        return fault
    column, index = fault.where
    assert isinstance(index, int)
    return Fault((column,), fault.sentence, lines[index])
