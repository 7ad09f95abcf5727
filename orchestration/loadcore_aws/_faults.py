"""What is wrong with a file or a value, gathered so that all of it is told at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Fault:
    """`where` is the way to the setting, as in ("policy", 2, "target"); `sentence` goes on from its
    name. `line` counts from 1; 0 where there is no file."""

    where: tuple[str | int, ...]
    sentence: str
    line: int = 0

    def under(self, *parents: str | int) -> Fault:
        return Fault((*parents, *self.where), self.sentence, self.line)

    @property
    def setting(self) -> str:
        """Such as `policy[2].target`."""
        text = ""
        for part in self.where:
            text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
        return text or "file"

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.setting} {self.sentence}"


class SpecError(lc.PlanError):
    """All faults of one file or value; str() is one line with a clause for each."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__(source, "; ".join(map(str, faults)))


def no_name(name: str) -> Iterator[Fault]:
    if not NAME.fullmatch(name):
        yield Fault(("name",), f"is {name!r}; take 1 to 32 of a-z, 0-9 and - (not at either end)")
