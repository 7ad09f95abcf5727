"""loadcore run: one load run."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from loadcore._engine import start
from loadcore._errors import PlanError
from loadcore._plan import Plan
from loadcore._run import Run
from loadcore._text import render
from loadcore.cli._interrupts import interruptible
from loadcore.cli._output import check_writable, debug_option, emit, in_color
from loadcore.cli._progress import watch

INTERRUPTED = 130
# What a user of the command line calls the fields of a plan.
FLAGS = {
    "url": "URL",
    "method": "-X/--method",
    "headers": "-H/--header",
    "body": "-b/--body",
    "connections": "-c/--connections",
    "threads": "-t/--threads",
    "duration": "-d/--duration",
    "requests": "-n/--requests",
    "rate": "-r/--rate",
    "timeout": "--timeout",
    "connect_timeout": "--connect-timeout",
    "warmup": "--warmup",
    "think_time": "--think-time",
    "drop_after": "--drop-after",
    "interval": "--interval",
    "name": "--name",
}


@click.command(name="run")
@click.argument("url")
@click.option("-X", "--method", metavar="METHOD", help="GET, or POST with a body.")
@click.option("-H", "--header", "headers", metavar="'K: V'", multiple=True, help="May be repeated.")
@click.option("-b", "--body", metavar="BODY", help="Text, or @FILE; @- is standard input.")
@click.option("-c", "--connections", metavar="N", default="64", show_default=True)
@click.option("-t", "--threads", metavar="N", help="Half of the usable CPUs unless given.")
@click.option("-d", "--duration", metavar="TIME", help="10s, 1m30s; 10s unless -n is given.")
@click.option("-n", "--requests", metavar="N", help="Ends after so many requests.")
@click.option("-r", "--rate", metavar="RATE", help="Requests a second, open loop; 2000 or 2k.")
@click.option("--timeout", metavar="TIME", default="10s", show_default=True, help="Of a request.")
@click.option("--connect-timeout", metavar="TIME", default="5s", show_default=True)
@click.option("--warmup", metavar="TIME", default="0s", help="Sent before, and not measured.")
@click.option("--think-time", metavar="TIME", default="0s", help="Closed loop: after each answer.")
@click.option("--drop-after", metavar="TIME", help="Open loop: later than this is not sent.")
@click.option("--interval", metavar="TIME", default="1s", show_default=True, help="Of a row.")
@click.option("--name", metavar="NAME", default="request", help="Of the request, in results.")
@click.option("--json", "json_path", metavar="FILE", help="Write the result; - is stdout, alone.")
@click.option("--save", "save_path", metavar="FILE.run", help="Save all of it, for loadcore.load.")
@click.option("--report", "report_path", metavar="FILE.html", help="Write one page.")
@debug_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    headers: tuple[str, ...],
    body: str | None,
    json_path: str | None,
    save_path: str | None,
    report_path: str | None,
    **options: Any,
) -> None:
    """Drive URL and print what it did.

    Without --rate a closed loop: each connection sends its next request after its last answer.
    With it an open loop: requests start by the schedule, and latency counts from the intended
    start. Times are written like 250ms, 10s or 1m30s.
    """
    for path, flag in ((json_path, "--json"), (save_path, "--save"), (report_path, "--report")):
        check_writable(path, flag)
    try:
        plan = Plan.of(headers=_headers(headers), body=_body(body), **options)
        with interruptible():
            run, interrupted = watch(start(plan))
            if save_path:
                run.save(save_path)
            if report_path:
                run.report(report_path)
            _show(run, json_path)
    except PlanError as error:
        flag = FLAGS.get(error.field, error.field)
        raise click.UsageError(f"{flag}: {error.sentence}") from error
    if interrupted:
        ctx.exit(INTERRUPTED)


def _show(run: Run, json_path: str | None) -> None:
    if json_path == "-":
        emit(run.to_json())
        return
    if json_path:
        from loadcore._files import write_atomically

        write_atomically(json_path, f"{run.to_json()}\n".encode())
    emit(render(run, color=in_color()))


def _headers(lines: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise PlanError("headers", f"cannot read {line!r}; write it like 'Name: value'")
        # Only blanks go: a newline is for the core to refuse, not to vanish here.
        pairs.append((name.strip(" \t"), value.strip(" \t")))
    return pairs


def _body(text: str | None) -> bytes | None:
    if text is None:
        return None
    if not text.startswith("@"):
        return os.fsencode(text)  # the bytes that were typed, be they UTF-8 or not
    path = text[1:]
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise PlanError("body", f"cannot read {path!r}: {why}; name a file after the @") from None
