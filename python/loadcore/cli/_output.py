"""What the commands write, and where."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import click

debug = False
"""Whether to show tracebacks; --debug sets it, before or after the command's name."""


def prepare() -> None:
    """A terminal that cannot show a character shows a question mark, not a traceback."""
    global debug
    debug = False
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _set_debug(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    global debug
    debug = debug or value


def debug_option(command: Any) -> Any:
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show a traceback with an error.",
    )(command)


def emit(text: str) -> None:
    """Writes to stdout. A reader that has left, as `head` does, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        give_up(sys.stdout)


def complain(text: str) -> None:
    """Writes to stderr; that nobody takes it changes no exit code."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Lets whatever is still written to it, at exit above all, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def in_color() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def check_writable(path: str | None, flag: str) -> None:
    """Raises click.UsageError where `path` cannot be written: before a run rather than after it."""
    if path is None or path == "-":
        return
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        raise click.UsageError(f"{flag}: {path} is a folder; name a file")
    if not os.path.isdir(folder):
        raise click.UsageError(f"{flag}: there is no folder {folder}; make it first")
    exists = os.path.exists(path)
    if not os.access(folder, os.W_OK) and not (exists and not os.path.isfile(path)):
        raise click.UsageError(f"{flag}: {folder} cannot be written to; name another place")
