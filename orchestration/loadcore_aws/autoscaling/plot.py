"""A simulation as a picture: load, instances, response time and alarms over time.

Needs matplotlib. `loadcore autoscale simulate --plot FILE` draws the same.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadcore_aws.autoscaling.result import Simulation

LOAD, COUNT, MEAN, P99, LOST = "#2f7fd6", "#2b9348", "#a34fc4", "#d1711b", "#cf3a3a"
STATES = {"OK": "#cfe8d5", "ALARM": "#cf3a3a", "INSUFFICIENT_DATA": "#c9c9c9"}
POINTS_MAX = 500


def figure(simulation: Simulation, title: str = "") -> Any:
    """A matplotlib.figure.Figure that belongs to no window and no global state.

    Raises loadcore.MissingLibraryError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        sentence = "matplotlib is needed for this: pip install matplotlib"
        raise lc.MissingLibraryError(sentence) from None
    strips = len(simulation.alarms)
    heights = [2.0, 2.0, 2.0, *([0.25 + 0.28 * strips] if strips else [])]
    drawn = Figure(figsize=(8.0, 1.0 + sum(heights)), layout="constrained")
    axes = drawn.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    drawn.suptitle(title or simulation.source, fontsize=11)
    _draw_load(axes[0], simulation)
    _draw_instances(axes[1], simulation)
    _draw_times(axes[2], simulation)
    if strips:
        _draw_alarms(axes[3], simulation)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.set_xlim(0, simulation.duration_s / 60)
    axes[-1].set_xlabel("minutes")
    return drawn


def save(drawn: Any, path: Any, kind: str) -> None:
    """Writes a figure as "svg" or "png" to a path or a binary file: the same bytes each time, and
    in an SVG text that stays text. Raises OSError."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "loadcore"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        drawn.savefig(path, format=kind, dpi=120, metadata=metadata)


def _draw_load(axes: Any, simulation: Simulation) -> None:
    minutes = _minutes(simulation)
    axes.plot(minutes, _thinned(simulation.columns["rate_rps"]), color=LOAD, label="requests/s")
    if simulation.lost:
        lost = [count / simulation.step_s for count in simulation.columns["lost"]]
        axes.fill_between(minutes, _thinned(lost), color=LOST, label="lost/s")
        _legend(axes)
    axes.set_ylabel("requests/s")
    axes.set_ylim(bottom=0)


def _draw_instances(axes: Any, simulation: Simulation) -> None:
    minutes, columns, group = _minutes(simulation), simulation.columns, simulation.scaling.group
    axes.fill_between(
        minutes, _thinned(columns["in_service"]), step="post", color=COUNT, alpha=0.3,
        label="answering",
    )  # fmt: skip
    axes.step(minutes, _thinned(columns["desired"]), where="post", color=COUNT, label="desired")
    for limit in {group.min, group.max}:
        axes.axhline(limit, color="grey", linewidth=0.8, linestyle=":")
    axes.set_ylabel("instances")
    axes.set_ylim(0, max(*columns["instances"], group.max) * 1.1)
    axes.yaxis.get_major_locator().set_params(integer=True)
    _legend(axes)


def _draw_times(axes: Any, simulation: Simulation) -> None:
    minutes, columns = _minutes(simulation), simulation.columns
    for name, color, label in (("response_p99_s", P99, "p99"), ("response_mean_s", MEAN, "mean")):
        times = [time_s * 1000 for time_s in columns[name]]
        axes.plot(minutes, _thinned(times), color=color, label=label)
    axes.set_ylabel("response, ms")
    present = [time_s * 1000 for time_s in columns["response_p99_s"] if not math.isnan(time_s)]
    if present and max(present) > 50 * min(present):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    _legend(axes)


def _draw_alarms(axes: Any, simulation: Simulation) -> None:
    from matplotlib.patches import Patch

    step_minutes = simulation.step_s / 60
    for row, states in enumerate(simulation.alarms.values()):
        at = 0
        for state, same in groupby(states):
            length = len(list(same))
            span = [(at * step_minutes, length * step_minutes)]
            axes.broken_barh(span, (row + 0.1, 0.8), color=STATES[state])
            at += length
    count = len(simulation.alarms)
    axes.set_yticks([row + 0.5 for row in range(count)], list(simulation.alarms))
    axes.set_ylim(count, 0)
    shown = {state for states in simulation.alarms.values() for state in states}
    patches = [Patch(color=color, label=state) for state, color in STATES.items() if state in shown]
    _legend(axes, handles=patches)


def _legend(axes: Any, **options: Any) -> None:
    """Above the plot, where it hides no line."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 0.97), ncols=3, frameon=False, fontsize=8, **options
    )


def _minutes(simulation: Simulation) -> list[float]:
    times = simulation.columns["time_s"]
    return [times[at] / 60 for at in range(0, len(times), _stride(len(times)))]


def _thinned(values: Sequence[float]) -> list[float]:
    """At most as many points as can be seen: the highest of each run, so that no peak is lost."""
    stride = _stride(len(values))
    runs = (values[at : at + stride] for at in range(0, len(values), stride))
    return [max((v for v in run if not math.isnan(v)), default=math.nan) for run in runs]


def _stride(count: int) -> int:
    return -(-count // POINTS_MAX)
