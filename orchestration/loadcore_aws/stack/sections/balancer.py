"""[balancer]: the load balancer, and the health that it asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadcore_aws._faults import Fault
from loadcore_aws.stack.sections.checks import port_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = re.compile(r"/[\w.~!$&'()*+,;=:@/?%-]{0,1023}", re.ASCII)
"""a path and its query (RFC 3986, section 3.3; "HealthCheckPath", CreateTargetGroup, Elastic Load
Balancing API Reference)"""


@dataclass(frozen=True)
class Health:
    """How the balancer asks each instance whether it is well: every `interval_s` for `path`, with
    `timeout_s` to answer; `healthy` good answers in a row, or `unhealthy` bad ones, decide."""

    path: str = "/v1/readiness"
    interval_s: int = 10
    timeout_s: int = 5
    healthy: int = 2
    unhealthy: int = 3

    def faults(self) -> Iterator[Fault]:
        if not self.path.startswith("/"):
            yield Fault(("path",), f"is {self.path!r}; it begins with /")
        elif not PATH.fullmatch(self.path):
            yield Fault(("path",), f"is {self.path!r}; take what a URL takes, 1024 characters at "
                                   "most, the rest as %20 and so on")  # fmt: skip
        if not 5 <= self.interval_s <= 300:
            yield Fault(("interval_s",), "must be from 5 to 300")
        if not 2 <= self.timeout_s <= 120:
            yield Fault(("timeout_s",), "must be from 2 to 120")
        elif self.timeout_s >= self.interval_s:
            yield Fault(("timeout_s",), "must be below interval_s")
        for key in ("healthy", "unhealthy"):
            if not 2 <= getattr(self, key) <= 10:
                yield Fault((key,), "must be from 2 to 10")


@dataclass(frozen=True)
class Balancer:
    """The application load balancer, its listener and its target group. With a `certificate` (an
    ARN) it speaks HTTPS."""

    port: int = 80
    certificate: str = ""
    algorithm: Literal["round_robin", "least_outstanding_requests"] = "round_robin"
    deregistration_delay_s: int = 30
    idle_timeout_s: int = 60
    internal: bool = False
    health: Health = Health()

    def faults(self) -> Iterator[Fault]:
        yield from port_faults(("port",), self.port)
        if self.certificate and not self.certificate.startswith("arn:"):
            yield Fault(("certificate",), "must be an ARN of AWS Certificate Manager")
        if not 0 <= self.deregistration_delay_s <= 3600:
            yield Fault(("deregistration_delay_s",), "must be from 0 to 3600")
        if not 1 <= self.idle_timeout_s <= 4000:
            yield Fault(("idle_timeout_s",), "must be from 1 to 4000")
