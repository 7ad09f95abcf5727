"""The question before anything is changed."""

from __future__ import annotations

import sys

import click

from loadcore_aws.cli._options import INTERRUPTED
from loadcore_aws.cli._output import stderr


def confirm(ctx: click.Context, *, yes: bool, what: str) -> None:
    """Returns where `what` is to be done; else ends the command, and nothing has been changed.

    Raises click.UsageError where there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"there is no terminal to ask on whether to {what}; add --yes if you are sure"
        )
    # On stderr, so that stdout may go to a file.
    err = stderr()
    err.print(f"Are you sure? Only 'yes' will {what}: ", end="", markup=False)
    try:
        answer = input()
    except (EOFError, KeyboardInterrupt):
        err.print()
        answer = ""
    if answer.strip() != "yes":
        err.print("Nothing was changed.")
        ctx.exit(INTERRUPTED)
