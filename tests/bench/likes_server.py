"""The in-memory likes service against nginx `return 200`: one core, the same client, in pairs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from statistics import median

from . import clients, process, servers
from .clients import CONNECTIONS, command_of
from .report import Report, Settings, count, table, verdict

RATIO_MIN = 1.1
METHODS = ("POST", "GET")


@dataclass(frozen=True)
class Served:
    per_second: float
    per_cpu_second: float  # of the server
    cpu_percent: float  # of its core, while it was driven


def measure(settings: Settings) -> Report:
    rows = []
    figures = {}
    with servers.nginx() as nginx, servers.likes() as likes:
        for method in METHODS:
            pairs = _pairs(likes, nginx, method, settings)
            rate = median(ours.per_second / theirs.per_second for ours, theirs in pairs)
            cpu = median(ours.per_cpu_second / theirs.per_cpu_second for ours, theirs in pairs)
            rows.append(_row(f"likes, {method}", [ours for ours, _ in pairs]))
            rows.append(_row(f"nginx, {method}", [theirs for _, theirs in pairs]))
            bound = verdict(rate, RATIO_MIN, at_least=True)
            rows.append([f"likes / nginx, {method}", f"{rate:.2f}", bound, f"{cpu:.2f}", ""])
            figures[f"ratio_{method.lower()}"] = rate
    heading = ["server", "requests/s", "wanted", "requests per CPU-second", "of its core"]
    return Report(
        f"{settings.rounds} pairs of {settings.seconds} s a method, {CONNECTIONS} connections.\n\n"
        + table(heading, rows),
        figures,
    )


def _pairs(
    likes: servers.Server, nginx: servers.Server, method: str, settings: Settings
) -> list[tuple[Served, Served]]:
    """One after the other on the same core; who goes first alternates."""
    for server in (likes, nginx):
        _drive(server, method, 1)
    pairs = []
    for number in range(settings.rounds):
        order = (likes, nginx) if number % 2 == 0 else (nginx, likes)
        served = {server.name: _drive(server, method, settings.seconds) for server in order}
        pairs.append((served[likes.name], served[nginx.name]))
    return pairs


def _drive(server: servers.Server, method: str, seconds: int) -> Served:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.method = "{method}"\n')
        script.flush()
        command = [command_of("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
        before = process.cpu_seconds(server.pid)
        page = f"{server.url}/v1/alice/likes"
        output = process.run([*command, "-s", script.name, page], timeout_s=seconds + 30).output
    cpu_s = process.cpu_seconds(server.pid) - before
    if "Non-2xx" in output:
        raise process.BenchError(f"{server.name} answers {method} with other than 2xx")
    requests = clients.number_in(r"(\d+) requests in", output, "wrk")
    return Served(
        per_second=clients.number_in(r"Requests/sec:\s+([\d.]+)", output, "wrk"),
        per_cpu_second=requests / cpu_s,
        cpu_percent=100 * cpu_s / seconds,
    )


def _row(name: str, served: list[Served]) -> list[str]:
    return [
        name,
        count(median(each.per_second for each in served)),
        "",
        count(median(each.per_cpu_second for each in served)),
        f"{median(each.cpu_percent for each in served):.0f} %",
    ]
