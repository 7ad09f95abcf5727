"""What the likes service takes from its clients, at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadcore._units import count, nanoseconds, seconds

if TYPE_CHECKING:
    from loadcore._units import Count, Duration

CONNECTIONS_MOST = 1_000_000


@dataclass(frozen=True)
class ServiceLimits:
    """Connections beyond a limit are answered 503 and closed, slow ones 408.

    connections_max: open at once. connections_per_address_max: open at once from one IPv4 address
    or IPv6 /64 network; behind a load balancer all come from a few.
    head_timeout: from a request's first byte to the end of its head; body_timeout: from there to
    the end of its body; idle_timeout: without a request; send_timeout: for a client to take an
    answer.
    """

    connections_max: Count = 16_384
    connections_per_address_max: Count = 8_192
    head_timeout: Duration = "10s"
    body_timeout: Duration = "30s"
    idle_timeout: Duration = "75s"
    send_timeout: Duration = "30s"

    def for_core(self) -> dict[str, int]:
        """Raises PlanError for the first that cannot be read or is out of range."""
        return {
            "connections_max": count(self.connections_max, "connections_max", CONNECTIONS_MOST),
            "connections_per_address_max": count(
                self.connections_per_address_max, "connections_per_address_max", CONNECTIONS_MOST
            ),
            "head_timeout": nanoseconds(seconds(self.head_timeout, "head_timeout")),
            "body_timeout": nanoseconds(seconds(self.body_timeout, "body_timeout")),
            "idle_timeout": nanoseconds(seconds(self.idle_timeout, "idle_timeout")),
            "send_timeout": nanoseconds(seconds(self.send_timeout, "send_timeout")),
        }
