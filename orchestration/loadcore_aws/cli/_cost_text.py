"""What a stack costs, as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loadcore_aws.stack.prices import HOURS_A_MONTH, Span

if TYPE_CHECKING:
    from loadcore_aws.stack.prices import Cost

LABEL_WIDTH = 34
COLUMN_WIDTH = 13


def cost_lines(cost: Cost) -> Iterator[str]:
    """A column for each group size that differs; in rich's markup."""
    columns = _columns(cost.sizes)
    yield f"[bold]Cost[/] in USD an hour, prices of {cost.region} as of {cost.as_of}, before tax"
    yield _row("", [label for label, _ in columns], style="dim")
    for line in cost.lines:
        cells = ["unknown" for _ in columns]
        if line.per_hour is not None:
            cells = [f"{line.per_hour[index]:.4f}" for _, index in columns]
        yield _row(line.what, cells) + (f"  {line.note}" if line.note else "")
    hour, month = cost.per_hour, cost.per_month
    at_least = "at least " if cost.unknown else ""
    yield _row(f"{at_least}an hour", [f"{hour[i]:.4f}" for _, i in columns], style="bold")
    label = f"{at_least}a month of {HOURS_A_MONTH} h"
    yield _row(label, [f"{month[i]:.2f}" for _, i in columns], style="bold")
    if cost.unknown:
        yield f"unknown, and in no sum: {', '.join(cost.unknown)}"
    if cost.by_use:
        yield "and by use: " + ", ".join(
            f"{each.what} {'unknown' if each.price is None else f'{each.price:g}'} per {each.unit}"
            for each in cost.by_use
        )


def _columns(sizes: Span) -> list[tuple[str, int]]:
    """Label, and which figure of a Span."""
    columns: list[tuple[str, int]] = []
    for index, (label, size) in enumerate(sizes._asdict().items()):
        if index and size == sizes[columns[-1][1]]:
            continue
        columns.append((f"{size:g} ({label})", index))
    return columns


def _row(label: str, cells: list[str], style: str = "") -> str:
    row = f"{label:<{LABEL_WIDTH}}" + "".join(f"{cell:>{COLUMN_WIDTH}}" for cell in cells)
    return f"[{style}]{row}[/]" if style else row
