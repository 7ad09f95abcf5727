"""What a part of the benchmark hands back, and where the documentation keeps it."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Settings:
    quick: bool  # smallest amounts that still go through everything; the figures mean nothing
    rounds: int  # of interleaved measurements
    seconds: int  # that a client runs in one round


@dataclass(frozen=True)
class Report:
    """The tables in Markdown, and the figures by name for tests and scripts."""

    markdown: str
    figures: dict[str, float] = field(default_factory=dict)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]
    lines = [_line(heading, widths)]
    lines.append("|" + "|".join(_rule(i, width) for i, width in enumerate(widths)) + "|")
    lines += [_line(row, widths) for row in rows]
    return "\n".join(lines)


def _rule(column: int, width: int) -> str:
    return "-" * (width + 2) if column == 0 else "-" * (width + 1) + ":"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "| " + " | ".join([first, *rest]) + " |"


def count(value: float) -> str:
    return f"{value:,.0f}"


def verdict(value: float, bound: float, *, at_least: bool) -> str:
    """The bound, and whether the figure keeps it."""
    met = value >= bound if at_least else value <= bound
    return f"{'≥' if at_least else '≤'} {bound:,g}: {'met' if met else 'missed'}"


def today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def machine() -> str:
    """One line on what all of this ran on."""
    info = Path("/proc/cpuinfo").read_text()
    names = re.findall(r"^model name\s*: (.+)$", info, re.M)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    virtual = ", a virtual machine" if " hypervisor" in info else ""
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, "
        f"{memory_gb:.0f} GB{virtual}; Linux {platform.release()}, {system}; "
        f"CPython {platform.python_version()}"
    )


def write(part: str, markdown: str) -> None:
    """Replaces what the document has between the markers of `part`."""
    text = DOCUMENT.read_text()
    begin, end = f"<!-- bench:{part} -->\n", f"<!-- /bench:{part} -->"
    before, marker, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not marker or not last:
        raise ValueError(f"{DOCUMENT.name} has no markers for {part}")
    DOCUMENT.write_text(f"{before}{begin}{markdown}\n{end}{after}")
