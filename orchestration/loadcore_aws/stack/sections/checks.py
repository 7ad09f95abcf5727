"""What settings of several tables must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator


def port_faults(where: tuple[str | int, ...], port: int) -> Iterator[Fault]:
    if not 1 <= port <= 65_535:
        yield Fault(where, f"is {port}; a port is from 1 to 65535")
