"""The stall test: a server frozen for a second shows in the percentiles as arithmetic says.

Of 10 s at a constant rate, a request that is due t seconds before the server comes back waits t. So
latency at percentile p is stall - duration x (1 - p), whatever the rate is. The rate here is low
enough for the backlog to take no time worth mentioning on a slow machine.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import loadcore as lc

RATE = 500
DURATION_S = 10
STALL_S = 1.0


@contextmanager
def _service() -> Iterator[tuple[str, int]]:
    """The likes service in a process of its own: its URL and process id."""
    command = [sys.executable, "-m", "loadcore", "serve", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        with process.stdout:
            url = json.loads(process.stdout.readline())["url"]
            yield url, process.pid
    finally:
        process.kill()
        process.wait()


def _run_with_stall(url: str, pid: int) -> tuple[lc.Run, float]:
    """The run, and how long the server was really frozen."""
    with lc.start(
        f"{url}/v1/alice/likes",
        method="POST",
        rate=RATE,
        duration=DURATION_S,
        connections=50,
        threads=1,
    ) as handle:
        time.sleep((DURATION_S - STALL_S) / 2)
        os.kill(pid, signal.SIGSTOP)
        frozen = time.monotonic()
        try:
            time.sleep(STALL_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        frozen_s = time.monotonic() - frozen
        return handle.wait(), frozen_s


def test_a_stall_shows_in_the_percentiles_as_arithmetic_says() -> None:
    with _service() as (url, pid):
        run, frozen_s = _run_with_stall(url, pid)

    assert run.requests == lc.Requests(
        scheduled=RATE * DURATION_S,
        sent=RATE * DURATION_S,
        completed=RATE * DURATION_S,
        dropped=0,
        unsent=0,
        failed=lc.Failures(),
    )
    assert run.latency.count == RATE * DURATION_S

    for percentile, value in ((95, run.latency.p95), (99, run.latency.p99)):
        expected = frozen_s - DURATION_S * (1 - percentile / 100)
        assert value == pytest.approx(expected, rel=0.03), f"p{percentile}"
    assert run.latency.percentile(99.9) == pytest.approx(frozen_s - DURATION_S / 1000, rel=0.03)

    # Fifty requests were under way at a time; all others of the stall waited for a connection, and
    # the fault is not the generator's.
    assert run.blocked.max == pytest.approx(frozen_s, rel=0.2)
    assert run.generator_late.percentile(99) < 0.05 * frozen_s
