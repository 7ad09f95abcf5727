"""loadcore demo: the likes service driven both ways, in one process."""

from __future__ import annotations

import click

from loadcore import _service
from loadcore._engine import start
from loadcore._files import write_atomically
from loadcore._text import render
from loadcore.cli._interrupts import interruptible
from loadcore.cli._output import check_writable, debug_option, emit, in_color
from loadcore.cli._progress import watch

INTERRUPTED = 130
OPEN_LOOP_RATE = 2_000
DURATION_S = 4


@click.command(name="demo")
@click.option("-o", "--report", "path", metavar="FILE", default="report.html", show_default=True)
@debug_option
@click.pass_context
def command(ctx: click.Context, path: str) -> None:
    """Start the likes service, drive it, write report.html.

    First an open loop, 2,000 likes a second whatever the service does, then a closed loop, as many
    as it takes. About 10 seconds, nothing but this machine's loopback.
    """
    check_writable(path, "-o/--report")
    runs, interrupted = [], False
    with interruptible(), _service.serve() as service:
        emit(f"The likes service listens at {service.url}.\n")
        for rate in (OPEN_LOOP_RATE, None):
            handle = start(
                f"{service.url}/v1/alice/likes",
                method="POST",
                rate=rate,
                duration=DURATION_S,
                interval=0.25,
                name="like",
            )
            run, interrupted = watch(handle)
            runs.append(run)
            emit(render(run, color=in_color()) + "\n")
            if interrupted:
                break
        answered = sum(run.requests.completed for run in runs)
        emit(f"{service.stats()['likes']:,} likes in the service, {answered:,} answers here.")
        from loadcore._html import page

        write_atomically(path, page(runs).encode())
    emit(f"{path} has the charts; loadcore run --help says how to drive your own service.")
    if interrupted:
        ctx.exit(INTERRUPTED)
