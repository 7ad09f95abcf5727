"""loadcore autoscale control: the periodic controller."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

import loadcore as lc
from loadcore_aws._signals import handled
from loadcore_aws.autoscaling.control import config, loop
from loadcore_aws.autoscaling.control.lock import FileLock
from loadcore_aws.cli._options import INTERRUPTED, aws_errors, aws_options
from loadcore_aws.cli._output import say, stdout
from loadcore_aws.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from loadcore_aws.autoscaling.control.controller import Controller, Report

COLORS = {"out": "green", "in": "cyan", "limits": "yellow", "busy": "yellow", "error": "red"}


@click.command()
@click.argument("path", metavar="CONTROL.toml")
@click.option("--once", is_flag=True, help="One reading, then end: for a line of cron.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines on a terminal too.")
@click.option(
    "--state",
    "state_file",
    metavar="FILE",
    help="Where counts and cooldown are kept; ~/.local/state/loadcore/ unless given.",
)
@aws_options
@click.pass_context
def control(
    ctx: click.Context,
    path: str,
    once: bool,
    dry_run: bool,
    as_json: bool,
    state_file: str | None,
    profile: str | None,
    endpoint_url: str | None,
) -> None:
    """Scale a group by a business figure: queue length, p99, any program's number.

    Reads the figure every every_s seconds, tells a line for each reading, and sets the group's
    capacity. Ctrl-C ends it with exit code 130, SIGTERM with 0; a second one ends it at once.
    """
    rules = config.read(path)
    session = Session(region=rules.region or None, profile=profile, endpoint_url=endpoint_url)
    state = Path(state_file) if state_file else loop.state_path(rules, session.region)
    _make_folder(state, own=state_file is None, dry_run=dry_run)
    tell = _teller(as_json or not stdout().is_terminal)
    with _stoppable() as stop:
        try:
            with aws_errors(loop.DOING), ExitStack() as stack:
                if not dry_run:
                    stack.enter_context(FileLock(state.with_name(f"{state.name}.lock")))
                controller = loop.make(rules, session, state, dry_run=dry_run)
                stack.callback(controller.release)
                if once:
                    _one_round(controller, tell)
                else:
                    loop.run(controller, rules.every_s, tell)
        except KeyboardInterrupt:
            ctx.exit(0 if stop.number == signal.SIGTERM else INTERRUPTED)


def _one_round(controller: Controller, tell: Callable[[Report], None]) -> None:
    report = controller.round()
    tell(report)
    if report.action == "standby":
        raise lc.RunError(f"{report.reason}; end that one, or wait until its lease has expired")


def _make_folder(state: Path, *, own: bool, dry_run: bool) -> None:
    if own and not dry_run:
        state.parent.mkdir(parents=True, exist_ok=True)
    elif not own and not state.absolute().parent.is_dir():
        folder = state.absolute().parent
        raise click.UsageError(f"--state: there is no folder {folder}; make it first")


def _teller(as_json: bool) -> Callable[[Report], None]:
    """Whoever reads it may leave; the group is controlled for its own sake."""

    def tell(report: Report) -> None:
        if as_json:
            say([json.dumps(report.record())], markup=False)
        else:
            say([_line(report)])

    return tell


def _line(report: Report) -> str:
    """For people, in rich's markup: when, which group, what, and why."""
    when = datetime.fromtimestamp(report.time_s, timezone.utc).astimezone()
    word = f"{report.action:<7}"
    if color := COLORS.get(report.action):
        word = f"[{color}]{word}[/]"
    dry = "would be " if report.dry_run and report.capacity != report.desired else ""
    if report.desired is None:
        sizes = ""
    elif report.capacity in (None, report.desired):
        sizes = f"{report.desired} instances: "
    else:
        sizes = f"{dry}{report.desired} → {report.capacity} instances: "
    more = f" ({report.detail})" if report.figure is not None and " " in report.detail else ""
    why = escape(f"{sizes}{report.reason}{more}")
    return f"{when:%H:%M:%S}  {escape(report.group)}  {word} {why}"


@dataclass
class _Stop:
    number: int = 0
    """of the signal that came first"""


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    """The first Ctrl-C or SIGTERM raises KeyboardInterrupt, wherever the loop is: what it leaves
    half done, the next start makes up for. The second ends the process where it stands. To be
    entered on the main thread."""
    stop = _Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.number:
            os._exit(INTERRUPTED)
        stop.number = number
        raise KeyboardInterrupt

    with handled(handle):
        yield stop
