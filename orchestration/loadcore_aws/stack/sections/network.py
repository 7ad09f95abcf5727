"""[network] and [access]: where instances are, and who may reach what."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IPV4, IPV6 = ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("2000::/3")
"""all that is reachable; of IPv6 the global unicast space (RFC 4291, section 2.4, as IANA gives it
out)"""
PREFIX_MAX = 24


@dataclass(frozen=True)
class Network:
    """`default` is the account's default VPC. `own` makes one with two public and two private
    subnets in two zones; instances are in the private ones where `nat` is set, else in the public
    ones, since they could not reach their package otherwise."""

    kind: Literal["default", "own"] = "default"
    cidr: str = "10.20.0.0/16"
    nat: bool = False

    def faults(self) -> Iterator[Fault]:
        yield from self._cidr_faults()
        if self.nat and self.kind == "default":
            yield Fault(("nat",), 'needs kind = "own": the default VPC has no private subnets')

    def _cidr_faults(self) -> Iterator[Fault]:
        """The longest prefix leaves room for four subnets of the size that a balancer needs."""
        if faults := list(cidr_faults(("cidr",), self.cidr)):
            yield from faults
            return
        network = ipaddress.ip_network(self.cidr)
        if network.version != 4:
            yield Fault(("cidr",), f"is {self.cidr}; a VPC begins with IPv4, such as 10.20.0.0/16")
        elif not 16 <= network.prefixlen <= PREFIX_MAX:
            yield Fault(("cidr",), f"is a /{network.prefixlen}; take /16 to /{PREFIX_MAX}")


@dataclass(frozen=True)
class Access:
    """Who may reach what: `clients` the balancer; `ssh` the instances, and `metrics` the port of
    their metrics page (nobody unless told)."""

    clients: tuple[str, ...] = ("0.0.0.0/0",)
    ssh: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def faults(self) -> Iterator[Fault]:
        for key in ("clients", "ssh", "metrics"):
            for index, cidr in enumerate(getattr(self, key)):
                yield from cidr_faults((key, index), cidr)
        for key in ("ssh", "metrics"):
            if open_to_all(getattr(self, key)):
                yield Fault((key,), "is open to the whole Internet; name your own addresses")
        for index, cidr in enumerate(self.metrics):
            if not any(cidr_faults((), cidr)) and ipaddress.ip_network(cidr).version != 4:
                yield Fault(("metrics", index), f"is {cidr!r}; that port listens on IPv4 alone, "
                                                "give one such as 10.20.0.0/16")  # fmt: skip


def cidr_faults(where: tuple[str | int, ...], cidr: str) -> Iterator[Fault]:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        yield Fault(where, f"is {cidr!r}: {error}; give one such as 10.20.0.0/16")


def open_to_all(cidrs: Iterable[str]) -> bool:
    """Whether they hold the whole Internet, however it is written or cut up; what is no CIDR does
    not count."""
    v4, v6 = [], []
    for cidr in cidrs:
        if not any(cidr_faults((), cidr)):
            network = ipaddress.ip_network(cidr)
            if isinstance(network, ipaddress.IPv4Network):
                v4.append(network)
            else:
                v6.append(network)
    return any(map(IPV4.subnet_of, ipaddress.collapse_addresses(v4))) or any(
        map(IPV6.subnet_of, ipaddress.collapse_addresses(v6))
    )
