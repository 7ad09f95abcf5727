"""loadcore stack: what is done with the service that runs, and the image it runs from."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape

import loadcore as lc
from loadcore_aws.cli._logs_text import LogLines
from loadcore_aws.cli._options import (
    INTERRUPTED,
    THRESHOLD_MISSED,
    Opened,
    as_duration,
    aws_errors,
    open_head,
    open_stack,
    stack_file,
)
from loadcore_aws.cli._output import emit, emit_json, say, show, stdout
from loadcore_aws.stack import find
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.logs_follow import LogReader
from loadcore_aws.stack.publish import publish
from loadcore_aws.stack.spec import Stack
from loadcore_aws.stack.status import url_of
from loadcore_aws.stack.stress import stress
from loadcore_aws.stack.validate import Check, Client, reach, validate

_url = click.option("--url", metavar="URL", help="In place of the balancer's.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.command(name="validate")
@stack_file
@_url
@click.option(
    "--instances",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="How many may answer at most; the largest max of the group and its schedules else.",
)
@click.option("--wait", metavar="TIME", callback=as_duration, default="60s", show_default=True,
              help="For a first answer of any kind.")  # fmt: skip
@_json
@click.pass_context
def validate_command(
    ctx: click.Context,
    path: str,
    profile: str | None,
    endpoint_url: str | None,
    url: str | None,
    instances: int | None,
    wait: timedelta,
    as_json: bool,
) -> None:
    """Check every route of the running service, through its balancer.

    Each instance counts for itself: of one user's answers each must go on with the count of some
    instance. Exit code 3 where a check fails. It leaves likes of users named validate-… behind.
    """
    opened = open_stack(path, profile, endpoint_url)
    client = Client(url or _balancer(opened))
    reach(client, opened.account.time, within_s=wait.total_seconds())
    checks = list(validate(client, instances=instances or _instances_max(opened.stack)))
    if as_json:
        emit_json({"schema": "loadcore.stack.validate/1", "url": client.url,
                   "passed": all(check.passed for check in checks),
                   "checks": [check.to_dict() for check in checks]})  # fmt: skip
    else:
        show([f"[bold]{escape(client.url)}[/]", *map(_check_line, checks)])
    if not all(check.passed for check in checks):
        ctx.exit(THRESHOLD_MISSED)


def _instances_max(stack: Stack) -> int:
    return max([stack.group.max, *(schedule.max or 0 for schedule in stack.schedule)])


def _check_line(check: Check) -> str:
    sign = "[green]pass[/]" if check.passed else "[red]FAIL[/]"
    return f"{sign}  {check.name:<44}  {escape(check.seen)}"


@click.command(name="stress")
@stack_file
@_url
@click.option(
    "-r", "--rate", type=float, default=200.0, show_default=True, help="Requests a second."
)
@click.option(
    "-d", "--duration", metavar="TIME", callback=as_duration, default="10s", show_default=True
)
@click.option("-c", "--connections", type=int, default=64, show_default=True)
@_json
@click.pass_context
def stress_command(
    ctx: click.Context,
    path: str,
    profile: str | None,
    endpoint_url: str | None,
    url: str | None,
    rate: float,
    duration: timedelta,
    connections: int,
    as_json: bool,
) -> None:
    """Drive the balancer for a short while and print what it did.

    An open loop of likes for the user loadcore-stress; loadcore run does anything else.
    """
    target = url or _balancer(open_head(path, profile, endpoint_url))
    try:
        run = stress(
            target, rate=rate, duration_s=duration.total_seconds(), connections=connections
        )
    except lc.Interrupted as interrupted:
        run = interrupted.run
    emit(run.to_json() if as_json else repr(run))
    if run.interrupted:
        ctx.exit(INTERRUPTED)


def _balancer(opened: Opened) -> str:
    """Raises loadcore.RunError where there is none."""
    with aws_errors("looking for the balancer"):
        kinds = [BY_NAME[name] for name in ("load_balancer", "listener")]
        url = url_of(find.everything(opened.account, opened.owner, kinds))
    if not url:
        raise lc.RunError(f"stack {opened.owner.stack} has no balancer yet; run  loadcore stack "
                          "apply  first, or give --url")  # fmt: skip
    return url


@click.command(name="logs")
@stack_file
@click.option("-f", "--follow", is_flag=True, help="Go on as they come, until Ctrl-C.")
@click.option(
    "--since",
    metavar="TIME",
    callback=as_duration,
    default="10m",
    show_default=True,
    help="How far back.",
)
@click.option("--grep", metavar="REGEX", default="", help="Only messages that contain it.")
def logs_command(
    path: str,
    profile: str | None,
    endpoint_url: str | None,
    follow: bool,
    since: timedelta,
    grep: str,
) -> None:
    """Print the instances' logs, merged in the order of time.

    On a terminal each instance has a colour.
    """
    opened = open_head(path, profile, endpoint_url)
    reader, lines = LogReader(opened.account, opened.owner, grep=grep), LogLines()
    with aws_errors("reading logs"):
        for event in reader.follow(since) if follow else reader.since(since):
            show([lines.line(event)])
            if stdout().stream.lost is not None:
                return


@click.command(name="publish")
@stack_file
@click.option("--source", metavar="FOLDER", default=".", show_default=True,
              help="A checkout of loadcore.")  # fmt: skip
def publish_command(path: str, profile: str | None, endpoint_url: str | None, source: str) -> None:
    """Build the container image and push it to the repository.

    Drives docker or podman. The next apply lets the service run it.
    """
    opened = open_stack(path, profile, endpoint_url)
    with aws_errors("publishing"):
        published = publish(
            opened.stack,
            opened.account,
            source=Path(source),
            on_step=lambda step: say([step], markup=False),
        )
    say([f"{escape(published.image)} is {published.digest}",
         f"next: loadcore stack apply {shlex.quote(path)}"])  # fmt: skip


COMMANDS = (validate_command, stress_command, logs_command, publish_command)
