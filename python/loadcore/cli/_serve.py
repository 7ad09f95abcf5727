"""loadcore serve: the likes service, until a signal ends it."""

from __future__ import annotations

import json
import os

import click

from loadcore import _service
from loadcore._errors import PlanError, RunError
from loadcore.cli._interrupts import interruptible
from loadcore.cli._output import debug_option, emit

NOT_DRAINED = 4


@click.command(name="serve")
@click.option("--host", metavar="HOST", default="127.0.0.1", show_default=True)
@click.option("--port", metavar="PORT", type=int, default=8080, help="8080; 0 picks a free one.")
@click.option("--threads", metavar="N", help="Half of the usable CPUs unless given.")
@click.option(
    "--durability",
    type=click.Choice(["memory"]),
    default="memory",
    help="What an answer promises: memory keeps counts until the process ends.",
)
@debug_option
@click.pass_context
def command(ctx: click.Context, host: str, port: int, threads: str | None, durability: str) -> None:
    """Run the likes service.

    The first line on stdout, written once it accepts connections, is a JSON object with its url,
    pid and durability. SIGTERM and Ctrl-C drain it; a second one ends it at once.
    """
    with interruptible():
        try:
            service = _service.serve(host=host, port=port, threads=threads)
        except PlanError as error:
            raise click.UsageError(f"--{error.field}: {error.sentence}") from error
        except RunError as error:
            raise click.UsageError(f"--host/--port: {error}") from error
        try:
            emit(json.dumps({"url": service.url, "pid": os.getpid(), "durability": durability}))
            service.wait()
        except KeyboardInterrupt:
            if not service.stop():
                click.echo("loadcore: some connections had to be cut off", err=True)
                ctx.exit(NOT_DRAINED)
