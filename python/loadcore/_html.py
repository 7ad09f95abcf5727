"""A run as HTML: a fragment for a notebook, and a page that needs nothing beside itself."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from loadcore._chart import Axis, Series, chart, linear_axis, log_axis
from loadcore._text import failures_text, plan_text, time_columns, time_rows
from loadcore._units import bytes_text, duration_text, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadcore._run import Run

_VERDICT_COLORS = {"valid": "#2b9348", "suspect": "#b7791f", "generator-bound": "#cf3a3a"}
# Headers whose values are credentials; a page is made to be passed on.
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.2rem; overflow-wrap: anywhere; }}
article {{ margin-bottom: 4rem; }}
summary {{ cursor: pointer; margin-top: 1rem; }}
</style>
</head>
<body>
<h1>loadcore report</h1>
{articles}
</body>
</html>
"""


def page(runs: Sequence[Run]) -> str:
    """A document with one article per run, and nothing in it that is fetched from elsewhere."""
    title = "loadcore: " + ", ".join(dict.fromkeys(run.plan.url for run in runs))
    articles = "\n".join(_article(run) for run in runs)
    return _PAGE.format(title=escape(title), articles=articles)


def fragment(run: Run) -> str:
    """The head, the figures and the timeline."""
    return (
        f'<div style="overflow-x:auto">{_head(run, "strong")}'
        f'<div style="display:flex;flex-wrap:wrap;gap:2em">{_counts(run)}{_times(run)}</div>'
        f"{_timeline_charts(run)}</div>"
    )


def _article(run: Run) -> str:
    return (
        f"<article>{_head(run, 'h2')}"
        f'<div style="display:flex;flex-wrap:wrap;gap:3em">{_counts(run)}{_times(run)}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:2em">'
        f"{_spectrum_chart(run)}{_timeline_charts(run)}</div>"
        f"<details open><summary>Plan</summary>{_table(_plan_rows(run))}</details>"
        f"<details open><summary>Environment</summary>"
        f"{_table((key, str(value)) for key, value in run.environment.items())}</details>"
        f"</article>"
    )


def _head(run: Run, tag: str) -> str:
    state = run.verdict.state
    color = _VERDICT_COLORS.get(state, "currentColor")
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in run.verdict.reasons)
    interrupted = " · interrupted" if run.interrupted else ""
    return (
        f"<{tag}>{escape(f'{run.plan.method} {run.plan.url}')}</{tag}>"
        f"<div>{escape(plan_text(run.plan))}{interrupted}</div>"
        f'<div>verdict: <b style="color:{color}">{escape(state)}</b></div>'
        + (f"<ul>{reasons}</ul>" if reasons else "")
    )


def _counts(run: Run) -> str:
    requests, rate = run.requests, run.rate
    target = "" if rate.target is None else f" of {number_text(rate.target)}/s"
    codes = ", ".join(f"{code}: {count:,}" for code, count in run.status_codes.items())
    return _table(
        [
            ("duration", duration_text(run.duration)),
            ("rate", f"{number_text(rate.achieved)}/s{target}"),
            ("scheduled", f"{requests.scheduled:,}"),
            ("sent", f"{requests.sent:,}"),
            ("completed", f"{requests.completed:,}"),
            ("dropped", f"{requests.dropped:,}"),
            ("unsent", f"{requests.unsent:,}"),
            ("failed", failures_text(requests.failed)),
            ("statuses", codes or "none"),
            ("bytes sent", bytes_text(run.bytes.sent)),
            ("bytes received", bytes_text(run.bytes.received)),
            ("connections made", f"{run.connects:,}"),
        ]
    )


def _times(run: Run) -> str:
    columns = time_columns(run)
    head = "".join(f'<th style="{_NUMBER_CELL}">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th style="text-align:left">{label}</th>'
        + "".join(f'<td style="{_NUMBER_CELL}">{duration_text(figure)}</td>' for figure in figures)
        + "</tr>"
        for label, figures in time_rows(columns.values())
    )
    return f'<table style="{_TABLE}"><tr><th></th>{head}</tr>{body}</table>'


def _timeline_charts(run: Run) -> str:
    """Throughput and latency over time; empty for a run without an interval."""
    timeline = run.timeline()
    if not timeline.row_count:
        return ""
    intervals = list(zip(timeline["start_s"], timeline["length_s"], strict=True))
    middles = [start + length / 2 for start, length in intervals]
    end = sum(intervals[-1])
    x = linear_axis([end], _tick_text)._replace(high=max(end, 1e-9))
    x = x._replace(ticks=[tick for tick in x.ticks if tick <= x.high])
    rates = [Series("completed", timeline["rate"], _mean)]
    if any(timeline["errors"]):
        failed = [
            errors / length if length else 0.0
            for errors, (_, length) in zip(timeline["errors"], intervals, strict=True)
        ]
        rates.append(Series("failed", failed))
    y = linear_axis([value for one in rates for value in one.ys], number_text)
    times = [Series(name, timeline[name]) for name in ("p50", "p99", "max")]
    y_times = log_axis([value for one in times for value in one.ys], _tick_text)
    return chart("Requests a second", middles, x, y, rates) + chart(
        f"{_latency_name(run)} over time", middles, x, y_times, times
    )


def _spectrum_chart(run: Run) -> str:
    """Latency by percentile, each nine as wide as the one before; empty without a value."""
    if not run.latency.count:
        return ""
    nines_max = max(1.0, math.log10(run.latency.count))
    places = [nines_max * step / 200 for step in range(200)] + [nines_max]
    percentiles = [100 * (1 - 10**-place) for place in places[:-1]] + [100.0]
    series = [
        Series(name, [times.percentile(percentile) for percentile in percentiles])
        for name, times in time_columns(run).items()
        if times.count and name != "send lag"
    ]
    ticks = [0.0, -math.log10(0.5), *range(1, int(nines_max) + 1)]
    x = Axis(0.0, nines_max, ticks, _percentile_text)
    y = log_axis([value for one in series for value in one.ys], _tick_text)
    return chart(f"{_latency_name(run)} by percentile", places, x, y, series)


def _percentile_text(place: float) -> str:
    return f"{100 * (1 - 10**-place):.{max(0, round(place) - 2)}f}%"


def _tick_text(seconds: float) -> str:
    """A round number needs no decimals."""
    figures, unit = duration_text(seconds).split(" ")
    return f"{figures.rstrip('0').rstrip('.') if '.' in figures else figures} {unit}"


def _latency_name(run: Run) -> str:
    return "Latency" if run.corrected else "Service time"


def _plan_rows(run: Run) -> Iterable[tuple[str, str]]:
    for key, value in run.plan.to_dict().items():
        if key == "headers":
            for name, text in value:
                hidden = name.lower() in _SECRET_HEADERS
                yield "header", f"{name}: {'(not shown)' if hidden else text}"
        elif key == "body":
            size = len(run.plan.body)
            yield key, "none" if not size else bytes_text(size)
        elif value is not None:
            yield key, str(value)


_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
_NUMBER_CELL = "text-align:right;padding-left:1.2em"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f'<tr><th style="text-align:left;padding-right:1.2em">{escape(label)}</th>'
        f'<td style="text-align:left;overflow-wrap:anywhere">{escape(text)}</td></tr>'
        for label, text in rows
    )
    return f'<table style="{_TABLE}">{body}</table>'


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
