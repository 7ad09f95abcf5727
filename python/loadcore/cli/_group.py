"""The commands, each imported when it is called, and those of other distributions.

A distribution adds commands with the entry-point group `loadcore.commands`: the name is the
command's, the object a click command.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from loadcore._version import __version__
from loadcore.cli._output import debug_option, give_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "loadcore.commands"
_OWN = {"run": "_run", "serve": "_serve", "likes": "_likes", "demo": "_demo", "report": "_report"}
# What is known of commands that are not here: how to get them.
_EXTRAS = {"stack": "aws", "autoscale": "aws"}


class Commands(click.Group):
    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _readers_may_leave():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _readers_may_leave():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_OWN, *sorted(set(_plug_ins()) - set(_OWN))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OWN:
            return cast("click.Command", import_module(f"loadcore.cli.{_OWN[cmd_name]}").command)
        plug_in = _plug_ins().get(cmd_name)
        if plug_in is None:
            return None
        try:
            return _with_debug(plug_in.load())
        except ImportError as error:
            raise click.UsageError(_missing(cmd_name, str(error.__cause__ or error))) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is not None:
            return name, command, args[1:]
        if name in _EXTRAS:
            raise click.UsageError(_missing(name, "it is not installed"))
        if name.startswith("-"):
            raise click.UsageError(f"there is no option {name}; see loadcore --help")
        names = ", ".join(self.list_commands(ctx))
        raise click.UsageError(f"there is no command {name!r}; there are {names}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            try:
                command = self.get_command(ctx, name)
            except click.UsageError as error:
                rows.append((name, f"(not available: {error.message})"))
            else:
                rows.append((name, command.get_short_help_str(60) if command else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@contextmanager
def _readers_may_leave() -> Iterator[None]:
    """As `head` does: no error of ours, of which click would make exit code 1."""
    try:
        yield
    except BrokenPipeError:
        give_up(sys.stdout)
        raise click.exceptions.Exit(0) from None


def _with_debug(command: click.Command) -> click.Command:
    """With --debug behind its name and those of the commands in it, as our own have it."""
    if all(each.name != "debug" for each in command.params):
        debug_option(command)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _with_debug(each)
    return command


def _plug_ins() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _missing(name: str, why: str) -> str:
    if extra := _EXTRAS.get(name):
        return f"{name}: {why}; run  pip install '.[{extra}]'  in loadcore's folder"
    return f"{name}: {why}; reinstall the distribution that brings it"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loadcore", message="%(prog)s %(version)s")
@debug_option
def commands() -> None:
    """Load that can be believed: drive an HTTP service, and see what it really did.

    Exit codes: 0 done, 2 bad arguments and nothing sent, 3 a threshold missed, 4 the run could
    not be carried out, 130 interrupted.
    """
