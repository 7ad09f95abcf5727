"""loadcore likes: care for a data directory."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from loadcore import _core
from loadcore._errors import PlanError, translated
from loadcore._files import replacing
from loadcore._units import bytes_text, seconds
from loadcore.cli import _likes_text as text
from loadcore.cli._interrupts import interruptible
from loadcore.cli._output import check_writable, debug_option, emit

if TYPE_CHECKING:
    from collections.abc import Iterator

DAMAGED = 3
DISAGREES = 3
PIECE_BYTES = 1 << 20

_directory = click.argument("directory", metavar="DIR")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
_key_age = click.option(
    "--key-age",
    metavar="TIME",
    default="24h",
    show_default=True,
    help="As given to loadcore serve: how long an Idempotency-Key is remembered.",
)


@click.group(name="likes")
@debug_option
def command() -> None:
    """Care for a data directory of the likes service.

    No service may have it open meanwhile.
    """


@command.command()
@_directory
@_key_age
@_json
@debug_option
@click.pass_context
def check(ctx: click.Context, directory: str, key_age: str, as_json: bool) -> None:
    """Read all of DIR, say what is there and what is damaged, and change nothing.

    Exit code 3 if something is damaged. Half a batch at the end of the log is not: the machine
    stopped while it was written, nobody was told that it counts, and the service cuts it off.
    """
    with _care():
        report = _core.likes_check(directory, key_age_ms=_milliseconds(key_age))
    if as_json:
        _emit_json("check", directory, sound=not report["damage"], **report)
    else:
        emit("\n".join(text.checked(directory, report)))
    if report["damage"]:
        ctx.exit(DAMAGED)


@command.command()
@_directory
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@_key_age
@_json
@debug_option
def repair(directory: str, dry_run: bool, key_age: str, as_json: bool) -> None:
    """Keep what can be kept of a damaged DIR; leave a sound one alone.

    What is kept goes into a new snapshot with a new log behind it. The files there were stay, as
    damaged-NAME or replaced-NAME, for whoever wants to look; the service does not need them.
    """
    with _care():
        milliseconds = _milliseconds(key_age)
        report = _core.likes_repair(directory, key_age_ms=milliseconds, dry_run=dry_run)
    if as_json:
        _emit_json("repair", directory, dry_run=dry_run, **report)
    else:
        emit("\n".join(text.repaired(directory, report, dry_run=dry_run)))


@command.command()
@_directory
@_key_age
@_json
@debug_option
@click.pass_context
def audit(ctx: click.Context, directory: str, key_age: str, as_json: bool) -> None:
    """Recount DIR from the log and hold that against its newest snapshot.

    The recount begins with an older snapshot, or with the first frame where the log still has it.
    Exit code 3 if the two disagree about any user or Idempotency-Key.
    """
    with _care():
        report = _core.likes_audit(directory, key_age_ms=_milliseconds(key_age))
    if as_json:
        _emit_json("audit", directory, agrees=not report["differences"], **report)
    else:
        emit("\n".join(text.audited(directory, report)))
    if report["differences"]:
        ctx.exit(DISAGREES)


@command.command(name="export")
@_directory
@click.option("-o", "--output", "path", metavar="FILE", help="Written whole or not at all.")
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="userId,likes under a header, or one JSON object a line.",
)
@debug_option
def export_command(directory: str, path: str | None, kind: str) -> None:
    """Write every user's likes as text to stdout, in no particular order.

    Idempotency-Keys stay behind.
    """
    check_writable(path, "-o/--output")
    with _care():
        export = _core.LikesExport(directory, json_lines=kind == "jsonl")
        if path is None or path == "-":
            _write(export, sys.stdout.buffer)
            return
        with replacing(path) as file:
            _write(export, file)
            size = file.tell() if file.seekable() else None
    written = f", {bytes_text(size)}" if size is not None else ""
    emit(f"{path}: {text.holdings({'users': export.users, 'likes': export.likes})}{written}")


@command.command(name="import")
@_directory
@click.argument("path", metavar="[FILE]", default="-")
@_key_age
@_json
@debug_option
def import_command(directory: str, path: str, key_age: str, as_json: bool) -> None:
    """Add the likes in FILE, or on standard input, to those in DIR.

    FILE is what export writes, CSV or JSON lines. Likes are added to what a user has, so the same
    file imported twice counts twice. Either every line is counted or, where one is wrong or the
    import is cut short, none. DIR is made where there is none.
    """
    source = "standard input" if path == "-" else path
    with _care(), _opened(path) as file:
        importing = _core.LikesImport(directory, key_age_ms=_milliseconds(key_age))
        try:
            while piece := file.read(PIECE_BYTES):
                importing.take(piece)
            report = importing.finish()
        except _core.PlanError as error:
            line, sentence = error.args
            sentence = f"{source}, {line}: {sentence}; nothing of it was counted"
            raise click.UsageError(sentence) from error
    if as_json:
        _emit_json("import", directory, **report)
    else:
        emit("\n".join(text.imported(directory, source, report)))


@contextmanager
def _care() -> Iterator[None]:
    with interruptible(), translated():
        try:
            yield
        except PlanError as error:
            raise click.UsageError(f"--{error.field}: {error.sentence}") from error


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - what goes wrong later is not about opening it
    except OSError as error:
        why = f"{path} cannot be read ({error.strerror}): name a file, or - for standard input"
        raise click.UsageError(why) from error
    with file:
        yield file


def _milliseconds(key_age: str) -> int:
    return round(seconds(key_age, "key-age") * 1000)


def _write(export: _core.LikesExport, file: BinaryIO) -> None:
    while piece := export.next():
        file.write(piece)
    file.flush()


def _emit_json(kind: str, directory: str, **report: Any) -> None:
    emit(json.dumps({"schema": f"loadcore.likes-{kind}/1", "directory": directory, **report}))
