"""What an open loop has to have done, on a machine that may be busy."""

from __future__ import annotations

import loadcore as lc


def assert_all_due(requests: lc.Requests, number: int) -> None:
    """So many were due, and each that was sent was answered.

    What waits for a connection when sending ends is rightly unsent, and a machine that stands still
    just then makes some wait. With a connection for each request nothing waits: such a run may be
    asked for exact counts.
    """
    sent = number - requests.unsent
    assert sent > 0
    assert requests == lc.Requests(
        scheduled=number,
        sent=sent,
        completed=sent,
        dropped=0,
        unsent=requests.unsent,
        failed=lc.Failures(),
    )
