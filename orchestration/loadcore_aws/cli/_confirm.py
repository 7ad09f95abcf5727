"""The question before anything is changed."""

from __future__ import annotations

import sys

import click

NOT_CONFIRMED = 130


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
    click.echo(f"Are you sure? Only 'yes' will {what}: ", nl=False, err=True)
    try:
        answer = input()
    except (EOFError, KeyboardInterrupt):
        click.echo("", err=True)
        answer = ""
    if answer.strip() != "yes":
        click.echo("Nothing was changed.", err=True)
        ctx.exit(NOT_CONFIRMED)
