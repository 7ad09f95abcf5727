"""The stall test: a server frozen for two seconds shows in the percentiles as arithmetic says.

Of 10 s at a constant rate, a request that is due t seconds before the server comes back waits t. So
latency at percentile p is stall - duration x (1 - p), whatever the rate is. The rate here is low
enough for the backlog to take no time worth mentioning on a slow machine. A machine that is busy
just when the stall begins or ends adds to it: then the figures are asked for again.
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
from open_loop import assert_all_due

import loadcore as lc

RATE = 100
DURATION_S = 10
STALL_S = 2.0
CONNECTIONS = 10
ROUNDS = 5


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
        connections=CONNECTIONS,
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
    wrong: list[str] = []
    for _ in range(ROUNDS):
        with _service() as (url, pid):
            run, frozen_s = _run_with_stall(url, pid)
        assert_all_due(run.requests, RATE * DURATION_S)
        assert run.latency.count == run.requests.sent
        wrong = _unlike_arithmetic(run, frozen_s)
        if not wrong:
            return
    raise AssertionError("; ".join(wrong))


def _unlike_arithmetic(run: lc.Run, frozen_s: float) -> list[str]:
    """A sentence for each figure that is not what the stall alone explains."""
    figures = [
        (f"p{at}", run.latency.percentile(at), frozen_s - DURATION_S * (1 - at / 100), 0.03)
        for at in (95, 99, 99.9)
    ]
    # A few requests were under way at a time; all others of the stall waited for a connection.
    figures.append(("blocked.max", run.blocked.max, frozen_s, 0.2))
    wrong = [
        f"{name} is {value:.3f} s, not {expected:.3f} s"
        for name, value, expected, tolerance in figures
        if value != pytest.approx(expected, rel=tolerance)
    ]
    # The fault is not the generator's.
    if (late_s := run.generator_late.p95) >= 0.05 * frozen_s:
        wrong.append(f"the generator is {late_s:.3f} s late")
    return wrong
