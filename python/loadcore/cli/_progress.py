"""One line on a terminal, rewritten while a run is under way; nothing where there is none."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from loadcore._engine import INTERRUPTED_DRAIN_S
from loadcore._units import duration_text, number_text

if TYPE_CHECKING:
    from loadcore._engine import Progress, RunHandle
    from loadcore._plan import Plan
    from loadcore._run import Run

_REDRAW_S = 0.2


def watch(handle: RunHandle) -> tuple[Run, bool]:
    """Waits for the end of the run. Interrupted, it stops the run and returns True beside it."""
    line = _Line()
    try:
        while True:
            line.draw(progress_text(handle.progress(), handle.plan))
            try:
                return handle.wait(timeout=_REDRAW_S if line.shown else None), False
            except TimeoutError:
                continue
    except KeyboardInterrupt:
        line.draw("stopping; Ctrl-C again to give up what was measured")
        handle.stop(drain=INTERRUPTED_DRAIN_S)
        return handle.wait(), True
    finally:
        line.clear()


def progress_text(progress: Progress, plan: Plan) -> str:
    """Rate, percentiles, errors and what is left."""
    if progress.phase == "connecting":
        return f"connecting to {plan.url}"
    parts = [f"{number_text(progress.rate)}/s"]
    if progress.p99:
        parts.append(f"p50 {duration_text(progress.p50)}, p99 {duration_text(progress.p99)}")
    failed = progress.requests.failed.total
    parts.append(f"{failed:,} failed")
    if progress.phase == "warmup":
        parts.append("warming up")
    elif progress.phase == "draining":
        parts.append("waiting for the last answers")
    elif progress.remaining is not None:
        parts.append(f"{progress.remaining:.0f} s left")
    elif plan.requests is not None:
        ended = progress.requests.completed + failed - progress.requests.failed.status
        parts.append(f"{ended:,} of {plan.requests:,} requests")
        if progress.rate > 0:
            parts.append(f"{max(0, plan.requests - ended) / progress.rate:.0f} s left")
    return " · ".join(parts)


class _Line:
    """Rewritten with a carriage return, which every terminal knows."""

    def __init__(self) -> None:
        self.shown = sys.stderr is not None and sys.stderr.isatty()
        self._width = 0

    def draw(self, text: str) -> None:
        if not self.shown:
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r{text}{' ' * (self._width - len(text))}")
        sys.stderr.flush()
        self._width = len(text)

    def clear(self) -> None:
        self.draw("")
        if self.shown:
            sys.stderr.write("\r")
            sys.stderr.flush()
