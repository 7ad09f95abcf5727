"""[network] and [access]: where instances are, and who may reach what."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Network:
    """`default` is the account's default VPC. `own` makes one with two public and two private
    subnets in two zones; instances are in the private ones where `nat` is set, else in the public
    ones, since they could not reach their package otherwise."""

    kind: Literal["default", "own"] = "default"
    cidr: str = "10.20.0.0/16"
    nat: bool = False

    def faults(self) -> Iterator[Fault]:
        yield from cidr_faults(("cidr",), self.cidr, prefix_max=24)
        if self.nat and self.kind == "default":
            yield Fault(("nat",), 'needs kind = "own": the default VPC has no private subnets')


@dataclass(frozen=True)
class Access:
    """Who may reach what: `clients` the balancer, `ssh` the instances (nobody unless told)."""

    clients: tuple[str, ...] = ("0.0.0.0/0",)
    ssh: tuple[str, ...] = ()

    def faults(self) -> Iterator[Fault]:
        for key in ("clients", "ssh"):
            for index, cidr in enumerate(getattr(self, key)):
                yield from cidr_faults((key, index), cidr)
        if "0.0.0.0/0" in self.ssh or "::/0" in self.ssh:
            yield Fault(("ssh",), "is open to the whole Internet; name your own addresses")


def cidr_faults(
    where: tuple[str | int, ...], cidr: str, prefix_max: int | None = None
) -> Iterator[Fault]:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        yield Fault(where, f"is {cidr!r}: {error}; give one such as 10.20.0.0/16")
        return
    if prefix_max is not None and not 16 <= network.prefixlen <= prefix_max:
        yield Fault(where, f"is a /{network.prefixlen}; take /16 to /{prefix_max}")
