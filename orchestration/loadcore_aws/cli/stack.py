"""loadcore stack: the autoscaled service on AWS, planned, applied, looked at and removed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

import loadcore as lc
from loadcore_aws.cli import _options, _service
from loadcore_aws.cli._confirm import confirm
from loadcore_aws.cli._cost_text import cost_lines
from loadcore_aws.cli._options import (
    INTERRUPTED,
    as_duration,
    aws_errors,
    aws_options,
    open_head,
    open_stack,
    stack_file,
)
from loadcore_aws.cli._output import emit_json, say, show, stdout, tell
from loadcore_aws.cli._progress import Progress, stoppable
from loadcore_aws.cli._status_text import standing_lines, status_lines
from loadcore_aws.stack import converge, find, plan, sweep
from loadcore_aws.stack.plan_text import plan_dict, plan_lines, removal_lines
from loadcore_aws.stack.status import look, url_of

if TYPE_CHECKING:
    from loadcore_aws.cli._options import OpenedWhole
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.plan import Plan
    from loadcore_aws.stack.progress import Outcome
    from loadcore_aws.stack.resource import Found
    from loadcore_aws.stack.sweep import Standing

_expires_in = click.option(
    "--expires-in",
    metavar="TIME",
    callback=as_duration,
    help="Time to live, such as 4h, for loadcore stack sweep.",
)
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.group()
def stack() -> None:
    """Run the autoscaled likes service on AWS.

    STACK.toml says what there should be; what there is, is what carries the stack's tag in the
    account: there is no state file to keep or to lose.
    """


@stack.command(name="plan")
@stack_file
@_expires_in
@_json
def plan_command(
    path: str,
    profile: str | None,
    endpoint_url: str | None,
    expires_in: timedelta | None,
    as_json: bool,
) -> None:
    """Show what apply would do and what it costs; change nothing."""
    opened = open_stack(path, profile, endpoint_url)
    made = _plan(opened, expires_in)
    cost = made.cost
    if as_json:
        emit_json({**plan_dict(made), "cost": cost.to_dict()})
    else:
        show([*plan_lines(made), "", *cost_lines(cost)])


@stack.command()
@stack_file
@_expires_in
@_yes
@click.pass_context
def apply(
    ctx: click.Context,
    path: str,
    profile: str | None,
    endpoint_url: str | None,
    expires_in: timedelta | None,
    yes: bool,
) -> None:
    """Make the account what STACK.toml says.

    May be repeated at any time, and goes on where an earlier one was interrupted or failed.
    """
    opened = open_stack(path, profile, endpoint_url)
    made = _plan(opened, expires_in)
    show([*plan_lines(made), "", *cost_lines(made.cost), ""])
    # Where nothing is to be changed it still waits for what an interrupted one left unready.
    if not made.empty:
        confirm(ctx, yes=yes, what="make these changes")
    carry_out = partial(converge.apply, made, opened.account)
    outcome = _carried_out(ctx, carry_out, f"loadcore stack apply {shlex.quote(path)}")
    say([f"The stack stands: {url_of(outcome.known)}",
         f"next: loadcore stack validate {shlex.quote(path)}"])  # fmt: skip


@stack.command()
@stack_file
@_yes
@click.pass_context
def destroy(
    ctx: click.Context, path: str, profile: str | None, endpoint_url: str | None, yes: bool
) -> None:
    """Remove all that the account has of the stack.

    What carries the stack's tag goes. Of its file the name and the region count, and the account
    where it is given; the rest may be missing, or wrong.
    """
    opened = open_head(path, profile, endpoint_url)
    found = _look(opened.account, opened.owner)
    if not found:
        show([f"Stack {opened.owner.stack} has nothing in {opened.owner.region}."])
        return
    _show_found(opened.owner, found)
    confirm(ctx, yes=yes, what="remove all of it")
    again = f"loadcore stack destroy {shlex.quote(path)}"
    _carried_out(ctx, partial(converge.destroy, opened.owner, opened.account), again)
    say(["What is left: nothing."])


@stack.command()
@stack_file
@_json
def status(path: str, profile: str | None, endpoint_url: str | None, as_json: bool) -> None:
    """Show what there is of the stack, and how it is."""
    opened = open_head(path, profile, endpoint_url)
    with aws_errors("looking at the stack"):
        seen = look(opened.account, opened.owner)
    if as_json:
        emit_json(seen.to_dict())
    else:
        show(status_lines(seen))


@stack.command(name="sweep")
@click.argument("path", metavar="[STACK.toml]", required=False)
@click.option("--region", metavar="REGION", help="Where to look, in place of a file's.")
@aws_options
@_yes
@click.pass_context
def sweep_command(
    ctx: click.Context,
    path: str | None,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
    yes: bool,
) -> None:
    """Remove the stacks that have outlived their --expires-in.

    Of one region: that of STACK.toml, or of --region.
    """
    if (path is None) == (region is None):
        raise click.UsageError("say where to look: give either STACK.toml or --region")
    if path is not None:
        account = open_head(path, profile, endpoint_url).account
    else:
        account = _options.account_of(str(region), profile, endpoint_url)
    with aws_errors("looking for stacks"):
        standing, now = sweep.standing(account), account.time.date()
    show(standing_lines((each for each in standing if each.untold is None), now))
    failed = _doubtful(standing, now)
    over = [each for each in standing if each.outlived(now)]
    if over:
        for each in over:
            _show_found(each.owner, list(each.found))
        confirm(ctx, yes=yes, what=f"remove {', '.join(each.owner.stack for each in over)}")
        failed += _swept(ctx, account, [each.owner for each in over])
    else:
        show([f"No stack in {account.region} has outlived its end."])
    if failed:
        raise lc.RunError(
            f"not done with {', '.join(failed)}; mend what is said above, then repeat the command"
        )


def _doubtful(standing: list[Standing], now: datetime) -> list[str]:
    """Says of which stacks it is not clear whether they are over; the names of those that AWS will
    not tell of."""
    for each in standing:
        if each.past(now) and each.endless:
            show([f"  {each.owner.stack} stays: {each.endless[0]} carries no end; "
                  "loadcore stack apply gives all of it the same"])  # fmt: skip
        if each.untold is not None:
            tell(f"stack {each.owner.stack}: {each.untold}")
    return [each.owner.stack for each in standing if each.untold is not None]


def _swept(ctx: click.Context, account: Account, over: list[Owner]) -> list[str]:
    """The names of the stacks that could not be removed, which keep none of the others from it.
    Ends the command where it is interrupted."""
    failed = []
    for owner in over:
        try:
            # Since the question, and while others went, it may have been given a later end.
            there = sweep.look(account, owner)
            if there.found and not there.outlived(account.time.date()):
                say([f"Stack {owner.stack} has another end by now, and stays."])
                continue
            remove = partial(converge.destroy, owner, account)
            _carried_out(ctx, remove, "the same command", more=owner != over[-1])
        except lc.LoadcoreError as error:
            tell(f"stack {owner.stack}: {error}")
            failed.append(owner.stack)
        else:
            say([f"What is left of {owner.stack}: nothing."])
    return failed


def _plan(opened: OpenedWhole, expires_in: timedelta | None) -> Plan:
    expires = None if expires_in is None else opened.account.time.date() + expires_in
    with aws_errors("planning"):
        return plan.make(opened.stack, opened.account, expires=expires)


def _look(account: Account, owner: Owner) -> list[Found]:
    with aws_errors("looking for what there is"):
        return find.everything(account, owner)


def _show_found(owner: Owner, found: list[Found]) -> None:
    show([f"[bold]Stack {owner.stack}[/] in {owner.region}", "", *removal_lines(found), ""])


def _carried_out(
    ctx: click.Context, carry_out: Callable[..., Outcome], again: str, *, more: bool = False
) -> Outcome:
    """The outcome where all of it is done; else says what is not, and that `again` goes on there.
    Ends the command where it is interrupted and anything is left to do, here or (`more`) after it.

    Raises loadcore.RunError where something failed.
    """
    out = stdout()
    try:
        with (
            Progress(out, time.monotonic) as progress,
            stoppable(progress, say) as stop,
            aws_errors("the last look"),
        ):
            outcome = carry_out(on_event=progress, stop=stop)
    except lc.LoadcoreError as untold:
        if not stop.is_set():
            raise
        tell(str(untold))
        ctx.exit(INTERRUPTED)
    counts = f"{len(outcome.done)} done, {len(outcome.failed)} failed, " \
             f"{len(outcome.skipped)} not carried out"  # fmt: skip
    if outcome.complete and not (more and stop.is_set()):
        if out.stream.lost is not None:
            tell(f"stdout was lost ({out.stream.lost.strerror}), not the work: {counts}")
        return outcome
    for _, error in outcome.failed:
        tell(str(error))
    if outcome.left:
        say(["What is left:", *(f"  {each.address}  {each.id}" for each in outcome.left)])
    said = f"{counts}; {again} goes on from there"
    if stop.is_set():
        say([f"Interrupted: {said}"])
        ctx.exit(INTERRUPTED)
    raise lc.RunError(said)


for command in _service.COMMANDS:
    stack.add_command(command)
