"""The stall test: a server that freezes for a second under a constant rate.

A tenth of the requests of a 10 s run is due while the server does not answer, and waits evenly
between nothing and the length of the stall. So by arithmetic the latency from the intended start at
percentile p is stall - duration x (1 - p): p95 500 ms, p99 900 ms, p99.9 990 ms. A tool that waits
for the server before it starts its clock shows less, and that is what it hides.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import clients, process, servers
from .clients import K6, OHA, command_of
from .process import BenchError
from .report import Report, Settings, count, table, verdict

PERCENTILES = (0.95, 0.99, 0.999)
ERROR_MAX_PERCENT = 3.0
SEND_LAG_MAX_US = 60.0

K6_OPEN = """
import http from 'k6/http';
export const options = { discardResponseBodies: true,
  summaryTrendStats: ['p(50)', 'p(95)', 'p(99)', 'p(99.9)'],
  scenarios: { load: { executor: 'constant-arrival-rate', rate: %(rate)d, timeUnit: '1s',
    duration: '%(seconds)ds', preAllocatedVUs: %(connections)d, maxVUs: %(connections)d } } };
export default function () { http.get(__ENV.TARGET); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics) }; }
"""


@dataclass(frozen=True)
class Load:
    rate: int = 2_000
    seconds: int = 10
    connections: int = 50
    stall_s: float = 1.0

    @property
    def requests(self) -> int:
        return self.rate * self.seconds

    def expected_ms(self, percentile: float, stall_s: float) -> float:
        return 1e3 * (stall_s - self.seconds * (1 - percentile))


@dataclass(frozen=True)
class Seen:
    """What a tool says about one run."""

    answered: int
    latency_ms: tuple[float, ...]  # at p50 and at PERCENTILES
    note: str = ""
    stall_s: float = 0.0  # as long as it really was: a busy machine wakes us up late


Tool = Callable[[str, Load], Seen]


def measure(settings: Settings) -> Report:
    load = Load(rate=500, seconds=2, stall_s=0.2) if settings.quick else Load()
    tools: list[tuple[str, Tool]] = [("loadcore --rate", _loadcore)]
    if not settings.quick:
        peers = [("oha -q --latency-correction", OHA, _oha), ("hey -q", clients.HEY, _hey)]
        peers.append(("k6 constant-arrival-rate", K6, _k6))
        tools += [(name, tool) for name, client, tool in peers if client.version()]
    with servers.target() as server:
        seen = {name: _under_stall(tool, server, load) for name, tool in tools}
        lag_us, cpu_percent = _without_stall(server.url, load)
    ours = seen["loadcore --rate"]
    error = max(
        abs(value / load.expected_ms(percentile, ours.stall_s) - 1) * 100
        for percentile, value in zip(PERCENTILES, ours.latency_ms[1:], strict=True)
    )
    return Report(
        f"{count(load.rate)} requests/s for {load.seconds} s over {load.connections} connections, "
        f"{server.name} stopped for {load.stall_s:g} s in the middle.\n\n{_table(seen, load)}\n\n"
        + table(
            ["loadcore", "measured", "wanted"],
            [
                _checked("furthest from the arithmetic, %", error, ERROR_MAX_PERCENT),
                _checked("median send lag without the stall, µs", lag_us, SEND_LAG_MAX_US),
                ["its core in use without the stall, %", f"{cpu_percent:.0f}", ""],
            ],
        ),
        {
            "answered": ours.answered,
            "scheduled": load.requests,
            "error_percent": error,
            "send_lag_us": lag_us,
        },
    )


def _checked(what: str, value: float, bound: float) -> list[str]:
    return [what, f"{value:.1f}", verdict(value, bound, at_least=False)]


def _table(seen: dict[str, Seen], load: Load) -> str:
    arithmetic = [f"{load.expected_ms(each, load.stall_s):.0f}" for each in PERCENTILES]
    rows = [["by arithmetic", "", *arithmetic, count(load.requests), ""]]
    for name, run in seen.items():
        values = [f"{run.latency_ms[0]:.2f}", *(f"{each:.0f}" for each in run.latency_ms[1:])]
        rows.append([name, *values, count(run.answered), run.note])
    heading = ["latency, ms", "p50", *(f"p{each * 100:g}" for each in PERCENTILES)]
    return table([*heading, "answered", "says also"], rows)


def _under_stall(tool: Tool, server: servers.Server, load: Load) -> Seen:
    frozen_s = 0.0

    def freeze() -> None:
        nonlocal frozen_s
        os.kill(server.pid, signal.SIGSTOP)
        started = time.monotonic()
        time.sleep(load.stall_s)
        os.kill(server.pid, signal.SIGCONT)
        frozen_s = time.monotonic() - started

    stall = threading.Timer((load.seconds - load.stall_s) / 2 + 0.5, freeze)
    stall.start()
    try:
        seen = tool(server.url, load)
    finally:
        stall.cancel()
        stall.join()
    return replace(seen, stall_s=frozen_s)


def _loadcore(url: str, load: Load) -> Seen:
    report, _ = clients.run_loadcore(url, *_options(load), timeout_s=load.seconds + 30)
    counts, latency = report["requests"], report["latency_ms"]
    assert isinstance(counts, dict)
    assert isinstance(latency, dict)
    if counts["scheduled"] != counts["sent"] + counts["dropped"] + counts["unsent"]:
        raise BenchError(f"loadcore does not account for every request: {counts}")
    names = ("p50", *(f"p{each * 100:g}" for each in PERCENTILES))
    return Seen(int(counts["completed"]), tuple(float(latency[name]) for name in names))


def _without_stall(url: str, load: Load) -> tuple[float, float]:
    """The median send lag in µs, and the client's CPU in percent of a core, start-up included."""
    report, cost = clients.run_loadcore(url, *_options(load), timeout_s=load.seconds + 30)
    lag = report["send_lag_ms"]
    assert isinstance(lag, dict)
    return float(lag["p50"]) * 1e3, 100 * cost.cpu_s / cost.wall_s


def _options(load: Load) -> list[str]:
    return [
        *("--rate", str(load.rate)),
        *("--duration", f"{load.seconds}s"),
        *("--connections", str(load.connections)),
    ]


def _oha(url: str, load: Load) -> Seen:
    command = [command_of("oha"), "--no-tui", "--output-format", "json", "--latency-correction"]
    # Without -w it forgets what is under way at the end.
    command += ["-w", "-q", str(load.rate), "-z", f"{load.seconds}s", "-c", str(load.connections)]
    result = json.loads(process.run([*command, url], timeout_s=load.seconds + 60).output)
    latency = result["latencyPercentiles"]
    return Seen(
        int(result["statusCodeDistribution"]["200"]),
        tuple(1e3 * float(latency[name]) for name in ("p50", "p95", "p99", "p99.9")),
    )


def _hey(url: str, load: Load) -> Seen:
    command = [command_of("hey"), "-cpus", "1", "-z", f"{load.seconds}s", "-o", "csv"]
    command += ["-q", str(load.rate // load.connections), "-c", str(load.connections), url]
    rows = process.run(command, timeout_s=load.seconds + 60).output.splitlines()[1:]
    latency_ms = sorted(1e3 * float(row.partition(",")[0]) for row in rows)
    return Seen(len(rows), tuple(latency_ms[int(len(rows) * each)] for each in (0.5, *PERCENTILES)))


def _k6(url: str, load: Load) -> Seen:
    options = {"rate": load.rate, "seconds": load.seconds, "connections": load.connections}
    metrics, _ = clients.run_k6(K6_OPEN % options, url)
    latency = metrics["http_req_duration"]["values"]
    dropped = metrics.get("dropped_iterations", {"values": {"count": 0}})["values"]["count"]
    return Seen(
        int(metrics["http_reqs"]["values"]["count"]),
        tuple(latency[f"p({each})"] for each in ("50", "95", "99", "99.9")),
        f"{count(dropped)} iterations dropped",
    )
