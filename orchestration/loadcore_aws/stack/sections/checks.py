"""What settings of several tables must be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def port_faults(where: tuple[str | int, ...], port: int) -> Iterator[Fault]:
    if not 1 <= port <= 65_535:
        yield Fault(where, f"is {port}; a port is from 1 to 65535")


def environment_faults(environment: Mapping[str, str]) -> Iterator[Fault]:
    """Of what a shell and a unit file of systemd can carry."""
    for name, text in environment.items():
        if not VARIABLE.fullmatch(name):
            sentence = "is no name of a variable; take letters, digits and _, no digit first"
            yield Fault(("environment", name), sentence)
        if not text.isprintable():
            yield Fault(("environment", name), "must be one printable line; encode what has more")


def argument_faults(arguments: Sequence[str]) -> Iterator[Fault]:
    for index, argument in enumerate(arguments):
        if not argument.isprintable():
            yield Fault(("arguments", index), "must be one printable line")
