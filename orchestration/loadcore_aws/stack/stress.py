"""A short load run against the stack's balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import loadcore as lc

if TYPE_CHECKING:
    from loadcore import Run

USER = "loadcore-stress"


def stress(url: str, *, rate: float, duration_s: float, connections: int) -> Run:
    """Likes for one user, at `rate` requests a second for `duration_s`.

    Raises loadcore.PlanError for what cannot be sent, loadcore.RunError where nobody answers and
    loadcore.Interrupted, which holds what was measured, on Ctrl-C.
    """
    return lc.run(
        f"{url.rstrip('/')}/v1/{USER}/likes",
        method="POST",
        rate=rate,
        duration=duration_s,
        connections=connections,
        name="POST likes",
    )
