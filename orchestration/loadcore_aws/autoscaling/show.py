"""A simulation as text and as HTML for a notebook."""

from __future__ import annotations

import io
import math
from html import escape
from typing import TYPE_CHECKING

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadcore_aws.autoscaling.result import Simulation

WIDTH = 80
LABEL = 18
BARS = " ▁▂▃▄▅▆▇█"
MARKS = {"OK": "·", "ALARM": "!", "INSUFFICIENT_DATA": "?"}
LOUDEST = ("ALARM", "INSUFFICIENT_DATA", "OK")
ACTIVITIES_MAX = 20


def text(simulation: Simulation, *, whole: bool = False) -> str:
    """Facts, a small chart over time, and the scaling activities; no newline at the end. It is 80
    columns wide with ACTIVITIES_MAX activities at most, but for `whole`, which has all to its end.
    """
    group = simulation.scaling.group
    head = f"{simulation.source}, {group.min} to {group.max} instances"
    lines = [head if whole else _clip(head), ""]
    lines += [f"{label:<{LABEL}}{value}" for label, value in facts(simulation)]
    return "\n".join([*lines, "", *_chart(simulation), "", *_activities(simulation, whole=whole)])


def html(simulation: Simulation) -> str:
    """The facts and the plot; where matplotlib is missing, the chart as text."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(label)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for label, value in facts(simulation)
    )
    table = f"<table>{rows}</table>"
    try:
        return table + svg(simulation)
    except lc.MissingLibraryError:
        return f"{table}<pre>{escape(chr(10).join(_chart(simulation)))}</pre>"


def svg(simulation: Simulation) -> str:
    """The plot as one <svg>, to be put into a page."""
    from loadcore_aws.autoscaling.plot import save

    file = io.BytesIO()
    save(simulation.plot(), file, "svg")
    drawn = file.getvalue().decode()
    return drawn[drawn.index("<svg") :]


def facts(simulation: Simulation) -> list[tuple[str, str]]:
    desired = simulation.columns["desired"]
    requests, lost = simulation.requests, simulation.lost
    turns = f"changes of direction {simulation.reversals}"
    share = f" ({lost / requests:.2%})" if lost else ""
    rows = [
        ("time", _time(simulation.duration_s)),
        ("requests", f"{requests:,}, of which lost {lost:,}{share}"),
        ("instances", f"from {desired[0]} up to {max(desired)}, at the end {desired[-1]}"),
        (
            "response",
            f"mean {_duration(simulation.response_mean_s)}, "
            f"p99 at worst {_duration(simulation.response_p99_worst_s)}",
        ),
        (
            "activities",
            f"{len(simulation.activities)}, {turns}",
        ),
    ]
    hours = f"{simulation.instance_hours:.2f} instance hours"
    if simulation.cost is not None:
        hours += f", {simulation.cost:.4f} at {simulation.service.price_per_hour:g} an hour"
    return [*rows, ("cost", hours)]


def _chart(simulation: Simulation) -> list[str]:
    columns = simulation.columns
    width = WIDTH - LABEL - 12
    lines = []
    scales: list[tuple[str, str, Callable[[float], str]]] = [
        ("requests/s", "rate_rps", lambda value: f"{value:.4g}"),
        ("instances", "desired", lambda value: f"{value:g}"),
        ("lost", "lost", lambda value: f"{value:g}"),
        ("p99", "response_p99_s", _duration),
    ]
    for label, column, shown in scales:
        highest = max((v for v in columns[column] if not math.isnan(v)), default=0)
        if highest > 0 or column != "lost":
            bars = _bars(columns[column], width, highest)
            lines.append(f"{label:<{LABEL}}{bars} {shown(highest)} max")
    for name, states in simulation.alarms.items():
        marks = [
            next(MARKS[state] for state in LOUDEST if state in cell)
            for cell in _cells(states, width)
        ]
        lines.append(f"{_clip(name, LABEL - 1):<{LABEL}}{''.join(marks)}")
    end = _time(simulation.duration_s)
    lines.append(f"{'':<{LABEL}}0{end:>{width - 1}}")
    if simulation.alarms:
        lines.append(f"{'':<{LABEL}}! in ALARM   · OK   ? no data")
    return lines


def _bars(values: Sequence[float], width: int, highest: float) -> str:
    """The highest value of each cell; a blank where there is none."""
    drawn = ""
    for cell in _cells(values, width):
        present = [value for value in cell if not math.isnan(value)]
        top = max(present, default=0)
        level = math.ceil(top / highest * (len(BARS) - 1) - 1e-9) if highest and top > 0 else 0
        drawn += BARS[level]
    return drawn


def _cells(values: Sequence[object], width: int) -> list[Sequence]:  # type: ignore[type-arg]
    """`width` runs of neighbours; some values twice where there are fewer."""
    count = len(values)
    edges = [(cell * count // width, (cell + 1) * count // width) for cell in range(width)]
    return [values[left : max(right, left + 1)] for left, right in edges]


def _activities(simulation: Simulation, *, whole: bool) -> list[str]:
    lines = [
        f"{_time(one.at_s):>9}  {one.before} → {one.after}  {one.cause}"
        for one in simulation.activities
    ]
    if whole:
        return lines
    left = len(lines) - ACTIVITIES_MAX
    shown = [_clip(line) for line in lines[:ACTIVITIES_MAX]]
    return [*shown, f"{'':>9}  and {left} more"] if left > 0 else shown


def _time(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}"


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{seconds * 1000:.3g} ms"


def _clip(line: str, width: int = WIDTH) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
