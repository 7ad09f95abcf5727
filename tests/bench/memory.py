"""Peak memory of a Python process that does one run, above that of an interpreter doing nothing."""

from __future__ import annotations

import resource
import sys

from . import process, servers
from .clients import CONNECTIONS
from .report import Report, Settings, count, table, verdict

SMALL_MAX_MB = 12.0
MANY_MAX_MB = 100.0
MANY = 10_000
# A run may have its histograms of another 55 intervals on top; that has to stay below this.
GROWTH_MAX_MB = 2.0

# VmHWM is of this program alone; ru_maxrss would start with what its parent had at the fork.
PEAK = """
import re
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""
RUN = """
import loadcore as lc
run = lc.run({url!r}, connections={connections}, threads=1, duration={seconds})
assert run.requests.completed >= {connections}, run.requests
"""


def measure(settings: Settings) -> Report:
    many = min(MANY, 200 if settings.quick else _connections_max())
    short, long = (1, 2) if settings.quick else (5, 60)
    idle = _peak_mb("pass")
    with servers.target() as server:

        def above_idle(connections: int, seconds: int) -> float:
            run = RUN.format(url=server.url, connections=connections, seconds=seconds)
            return _peak_mb(run, timeout_s=seconds + 60) - idle

        small = above_idle(CONNECTIONS, short)
        small_long = above_idle(CONNECTIONS, long)
        large = above_idle(many, short)
    growth = small_long - small
    row_small = [f"{CONNECTIONS} connections, {short} s", f"{small:.1f}"]
    row_long = [f"{CONNECTIONS} connections, {long} s", f"{small_long:.1f}"]
    row_large = [f"{count(many)} connections, {short} s", f"{large:.1f}"]
    row_growth = [f"growth from {short} s to {long} s", f"{growth:.1f}"]
    rows = [
        [*row_small, verdict(small, SMALL_MAX_MB, at_least=False)],
        [*row_long, verdict(small_long, SMALL_MAX_MB, at_least=False)],
        [*row_growth, verdict(growth, GROWTH_MAX_MB, at_least=False)],
        [*row_large, verdict(large, MANY_MAX_MB, at_least=False)],
    ]
    return Report(
        f"Against {server.name}; the interpreter itself takes {idle:.1f} MB.\n\n"
        + table(["lc.run at", "peak MB above the interpreter", "wanted"], rows),
        {"small_mb": small, "growth_mb": growth, "many_mb": large},
    )


def _connections_max() -> int:
    """As many as the file descriptors of one process allow, less what it has open anyway."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100


def _peak_mb(program: str, *, timeout_s: float = 30) -> float:
    finished = process.run([sys.executable, "-c", program + PEAK], timeout_s=timeout_s)
    return float(finished.output.split()[-1])
