"""Progress of apply and destroy: a live table on a terminal, a line for each event elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from loadcore_aws._signals import handled
from loadcore_aws.cli._options import INTERRUPTED
from loadcore_aws.stack.progress import Event

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

SIGNS = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[yellow]·[/]"}


class Progress:
    """Told of each event, on whichever thread, one at a time. A context manager.

    What has ended is printed for good; what is under way stands below that while it is on a
    terminal. Elsewhere each step's begin and end are a line, and so is whatever it waits for anew.
    """

    def __init__(self, console: Console, now: Callable[[], float]) -> None:
        self._console = console
        self._now = now
        self._running: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._spinner = Spinner("dots")
        self._live = (
            Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        # Not printed under the lock: the table is drawn under rich's own, and asks for ours then.
        with self._lock:
            known = self._running.pop(event.address, None)
            under_way = event.phase in ("begin", "waiting")
            if under_way:
                begin = known[0] if known else self._now() - event.seconds
                self._running[event.address] = (begin, event.detail)
        if not under_way:
            took = f" ({event.seconds:.0f} s)" if event.seconds >= 1 else ""
            # Why it failed is told at the end, on stderr.
            detail = "failed" if event.phase == "failed" else event.detail
            self._say(SIGNS[event.phase], event.address, f"{detail}{took}")
        elif self._live is None and (known is None or known[1] != event.detail):
            self._say(" ", event.address, event.detail or "begins")

    def leave(self) -> None:
        """The terminal as it should be, for a process that ends at once."""
        if self._live is not None:
            self._console.show_cursor(True)

    def _say(self, sign: str, address: str, detail: str) -> None:
        line = f"{sign} {escape(address)}: {escape(detail)}"
        self._console.print(line, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        with self._lock:
            for address, (begin, detail) in self._running.items():
                elapsed = f"{self._now() - begin:.0f} s"
                table.add_row(self._spinner, escape(address), f"[dim]{escape(detail)}[/]", elapsed)
        return table


@contextmanager
def stoppable(
    progress: Progress, say: Callable[[Iterable[str]], None]
) -> Iterator[threading.Event]:
    """The event is set by the first Ctrl-C or SIGTERM; the second ends the process where it stands.
    To be entered on the main thread. `say` must not raise: it would, wherever that thread is."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            progress.leave()
            os._exit(INTERRUPTED)
        stop.set()
        say(["[bold]Stopping: nothing new begins; what is under way is waited for. "
             "Ctrl-C again to leave at once.[/]"])  # fmt: skip

    with handled(handle):
        yield stop
