"""How a stack stands, as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from loadcore_aws.stack.names import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from loadcore_aws.stack.status import Status
    from loadcore_aws.stack.sweep import Standing

GOOD = {"InService", "Healthy", "healthy", "OK", "Successful", "active", "available", "ACTIVE"}
BAD = {"ALARM", "Unhealthy", "unhealthy", "Failed", "failed", "unavailable"}


def status_lines(status: Status) -> Iterator[str]:
    """In rich's markup, a part for each kind of thing there is."""
    yield f"[bold]Stack {status.stack}[/] in {status.region}, account {status.account}"
    yield f"URL: {escape(status.url) or 'none yet'}"
    if status.expires:
        yield f"until {status.expires}; loadcore stack sweep removes it then"
    if size := status.size:
        yield (
            f"size: {size.running} in service of {size.desired} desired, {size.min} to {size.max}"
        )
    yield from _part(
        "instances",
        (
            (each.id, each.type, each.zone, each.lifecycle, each.health, _version(each.version))
            for each in status.instances
        ),
    )
    yield from _part(
        "targets", ((each.id, str(each.port), each.state, each.reason) for each in status.targets)
    )
    yield from _part(
        "alarms", ((each.name, each.state, each.since, each.reason) for each in status.alarms)
    )
    yield from _part(
        "last activities",
        ((each.began, each.status, each.description) for each in status.activities),
    )
    yield from _part(
        "resources", ((each.address, each.state, each.id) for each in status.resources)
    )


def _version(version: str) -> str:
    return f"version {version}" if version else ""


def _part(title: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they need to be."""
    table = [list(row) for row in rows]
    if not table:
        return
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    yield ""
    yield f"[bold]{title}[/]"
    for row in table:
        # The last one may be long: nothing stands behind it.
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  " + "  ".join(_colored(cell) for cell in [*padded, row[-1]]).rstrip()


def _colored(cell: str) -> str:
    word = cell.strip()
    style = "green" if word in GOOD else "red" if word in BAD else ""
    return f"[{style}]{escape(cell)}[/]" if style else escape(cell)


def standing_lines(standing: Iterable[Standing], now: datetime) -> Iterator[str]:
    """Stacks of a region and their ends."""
    for each in standing:
        end = "without an end" if each.expires is None else f"until {format_time(each.expires)}"
        over = ", which is [red]over[/]" if each.outlived(now) else ""
        yield f"  {escape(each.owner.stack)}  {end}{over}"
