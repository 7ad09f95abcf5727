"""What the commands have in common: their options, how they begin, and their exit codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click
from botocore.exceptions import BotoCoreError, ClientError

from loadcore_aws.stack import spec
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.errors import explained
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.plan import owner_of

if TYPE_CHECKING:
    from loadcore_aws.stack.spec import Head, Stack

Function = TypeVar("Function", bound=Callable[..., Any])

THRESHOLD_MISSED, INTERRUPTED = 3, 130
"""Exit codes; those of errors are the command line's own. An answer other than yes is an
interruption, too."""

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
DAYS_MAX = 3650
"""far from where dates end, and longer than anything here is meant to last"""


def as_duration(
    _ctx: click.Context, _parameter: click.Parameter, value: str | None
) -> timedelta | None:
    """An option's callback: such as 90s, 10m, 4h or 1h30m; DAYS_MAX days at most."""
    if value is None:
        return None
    total_s = seconds_of(value)
    if not total_s:
        raise click.BadParameter(f"{value!r} is no duration; write it like 90s, 10m, 4h or 1h30m")
    if total_s > DAYS_MAX * UNITS_S["d"]:
        raise click.BadParameter(f"{value!r} is too long; give {DAYS_MAX}d or less")
    return timedelta(seconds=total_s)


def seconds_of(text: str) -> float | None:
    """Of 90s, 10m, 4h, 1h30m and the like; None for what is no such duration."""
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * UNITS_S[unit] for number, unit in parts)


@dataclass(frozen=True)
class Opened:
    """Whose stack a file is of, and the account that has it."""

    path: str
    account: Account
    owner: Owner


@dataclass(frozen=True)
class OpenedWhole(Opened):
    """Beside that, what the file says."""

    stack: Stack


def aws_options(function: Function) -> Function:
    """Where they are left out, what the AWS command line would take counts: AWS_PROFILE,
    AWS_ENDPOINT_URL, ~/.aws."""
    function = click.option(
        "--endpoint-url", metavar="URL", help="Of another AWS than the real one."
    )(function)
    return click.option("--profile", metavar="NAME", help="Of ~/.aws; AWS_PROFILE else.")(function)


def stack_file(function: Function) -> Function:
    return click.argument("path", metavar="STACK.toml")(aws_options(function))


def open_head(path: str, profile: str | None, endpoint_url: str | None) -> Opened:
    """Reads which stack the file is of, and nothing else of it, and asks AWS who we are. So what
    costs money can be seen and removed whatever is wrong with the rest.

    Raises loadcore.PlanError and loadcore.RunError with the remedy.
    """
    return Opened(path, *_owned(spec.read_head(path), profile, endpoint_url))


def open_stack(path: str, profile: str | None, endpoint_url: str | None) -> OpenedWhole:
    """As open_head(), with all that the file says."""
    stack = spec.read(path)
    return OpenedWhole(path, *_owned(stack, profile, endpoint_url), stack)


def _owned(head: Head, profile: str | None, endpoint_url: str | None) -> tuple[Account, Owner]:
    account = account_of(head.region, profile, endpoint_url)
    with aws_errors("asking who we are"):
        return account, owner_of(head, account)


def account_of(region: str, profile: str | None, endpoint_url: str | None) -> Account:
    return Account(region, profile=profile, endpoint_url=endpoint_url)


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turns what AWS says no with into one sentence."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explained(error, doing) from error
