"""loadcore report: a page of a saved run."""

from __future__ import annotations

import click

from loadcore._errors import FileError
from loadcore._run import load
from loadcore.cli._output import check_writable, debug_option


@click.command(name="report")
@click.argument("path", metavar="A.run")
@click.option("-o", "--output", metavar="FILE", default="report.html", show_default=True)
@debug_option
def command(path: str, output: str) -> None:
    """Write one self-contained page about a saved run."""
    check_writable(output, "-o/--output")
    try:
        run = load(path)
    except FileError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"A.run: cannot read {path!r}: {error.strerror}") from error
    run.report(output)
