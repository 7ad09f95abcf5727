"""A run as a table for a terminal, 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore._distribution import PERCENTILES
from loadcore._units import bytes_text, duration_text, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loadcore._distribution import Distribution
    from loadcore._plan import Plan
    from loadcore._run import Failures, Run

WIDTH = 80
_LABEL_WIDTH = 12
_BOLD, _DIM, _GREEN, _YELLOW, _RED = "1", "2", "32", "33", "31"
_VERDICT_COLORS = {"valid": _GREEN, "suspect": _YELLOW, "generator-bound": _RED}


def render(run: Run, *, color: bool) -> str:
    """The whole table, without a newline at its end."""

    def paint(text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if color and style else text

    lines = [paint(_clip(f"{run.plan.method} {run.plan.url}", WIDTH), _BOLD)]
    lines.append(paint(_clip(plan_text(run.plan), WIDTH), _DIM))
    lines.append("")
    for label, text, style in _facts(run):
        parts = _wrap(text, WIDTH - _LABEL_WIDTH)
        for number, part in enumerate(parts):
            head = label if number == 0 else ""
            lines.append(f"{head:<{_LABEL_WIDTH}}{paint(part, style)}")
    lines += ["", *_times(run, paint)]
    return "\n".join(lines)


def plan_text(plan: Plan) -> str:
    """What the plan does, in one line."""
    if plan.rate is None:
        loop = "closed loop"
        if plan.think_time:
            loop += f" thinking {duration_text(plan.think_time)}"
    else:
        loop = f"open loop at {number_text(plan.rate)}/s"
    extent = (
        f"for {duration_text(plan.duration)}"
        if plan.duration is not None
        else f"of {number_text(plan.requests or 0)} requests"
    )
    warmup = f" after {duration_text(plan.warmup)} of warm-up" if plan.warmup else ""
    return (
        f"{loop} {extent}{warmup}, {counted(plan.connections, 'connection')}, "
        f"{counted(plan.threads, 'thread')}"
    )


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def failures_text(failed: Failures) -> str:
    """Only the kinds that there were."""
    kinds = [f"{count:,} {kind}" for kind, count in failed._asdict().items() if count]
    return ", ".join(kinds) or "none"


def _facts(run: Run) -> Iterable[tuple[str, str, str]]:
    """Label, text and style of every line between the head and the table of times."""
    requests, rate, verdict = run.requests, run.rate, run.verdict
    if run.interrupted:
        yield "interrupted", f"after {duration_text(run.duration)} of its plan", _YELLOW
    yield "requests", _requests_text(run), ""
    target = "" if rate.target is None else f" of {number_text(rate.target)}/s asked for"
    span = run.duration if run.plan.requests is None else run.elapsed
    yield "rate", f"{number_text(rate.achieved)}/s{target}, over {duration_text(span)}", ""
    yield "failed", failures_text(requests.failed), _RED if requests.failed.total else ""
    codes = ", ".join(f"{code}: {count:,}" for code, count in run.status_codes.items())
    yield "statuses", codes or "none", ""
    yield (
        "traffic",
        f"{bytes_text(run.bytes.sent)} sent, {bytes_text(run.bytes.received)} received, "
        f"{counted(run.connects, 'connection')} made",
        "",
    )
    style = _VERDICT_COLORS.get(verdict.state, "")
    yield "verdict", verdict.state, style
    for reason in verdict.reasons:
        yield "", reason, style


def _requests_text(run: Run) -> str:
    requests = run.requests
    parts = [f"{requests.completed:,} completed of {requests.scheduled:,}"]
    parts += [f"{requests.dropped:,} dropped"] if requests.dropped else []
    parts += [f"{requests.unsent:,} unsent"] if requests.unsent else []
    return ", ".join(parts)


def time_columns(run: Run) -> dict[str, Distribution]:
    """What there is to show: in a closed loop latency is service time, and there is no lag."""
    if not run.corrected:
        return {"latency = service time": run.service_time}
    return {"latency": run.latency, "service time": run.service_time, "send lag": run.send_lag}


def _times(run: Run, paint: Callable[[str, str], str]) -> list[str]:
    columns = time_columns(run)
    width = max(15, *(len(name) + 2 for name in columns))
    head = "".join(f"{name:>{width}}" for name in columns)
    lines = [paint(f"{'':<{_LABEL_WIDTH}}{head}", _BOLD)]
    for label, figures in time_rows(columns.values()):
        cells = "".join(f"{duration_text(figure):>{width}}" for figure in figures)
        lines.append(f"{label:<{_LABEL_WIDTH}}{cells}")
    return lines


def time_rows(columns: Iterable[Distribution]) -> list[tuple[str, list[float]]]:
    """The contract's figures, a row each, of every distribution."""
    times = list(columns)
    return [
        ("min", [column.min for column in times]),
        ("mean", [column.mean for column in times]),
        *(
            (name, [column.percentile(percentile) for column in times])
            for name, percentile in PERCENTILES.items()
        ),
        ("max", [column.max for column in times]),
    ]


def _wrap(text: str, width: int) -> list[str]:
    """Breaks at spaces; a word that is too long is clipped."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(_clip(word, width))
    return lines or [""]


def _clip(text: str, width: int) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"
