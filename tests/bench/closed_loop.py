"""Closed loop, 64 connections, keep-alive: requests per second of the client's CPU."""

from __future__ import annotations

from statistics import median

from . import clients, servers
from .clients import LOADCORE, Client, Run
from .process import BenchError
from .report import Report, Settings, count, table, verdict

# loadcore's requests per CPU-second over the peer's, at least.
TARGETS = {
    clients.WRK.name: 1.0,
    clients.OHA.name: 1.4,
    clients.HEY.name: 4.0,
    clients.K6.name: 10.0,
    clients.LOCUST_FAST.name: 25.0,
}


def measure(settings: Settings) -> Report:
    asked = (LOADCORE, clients.WRK) if settings.quick else clients.EVERYBODY
    versions = {client.name: client.version() for client in asked}
    contestants = [client for client in asked if versions[client.name]]
    left_out = [client.name for client in asked if not versions[client.name]]
    with servers.target() as server:
        runs = _rounds(contestants, server.url, settings)
    sentence = f"Left out, not installed: {', '.join(left_out)}.\n\n" if left_out else ""
    return Report(
        sentence
        + f"Against {server.name}, {settings.rounds} rounds of {settings.seconds} s each.\n\n"
        + _table(contestants, versions, runs),
        {f"ratio_to_{name}": median(ratios) for name, ratios in _ratios(runs).items()},
    )


def _rounds(contestants: list[Client], url: str, settings: Settings) -> dict[str, list[Run]]:
    """Everybody once a round; who goes first moves on, so that nobody always follows the same."""
    runs: dict[str, list[Run]] = {client.name: [] for client in contestants}
    for client in contestants:
        client.closed_loop(url, 1)  # programs and pages are in memory from here on
    for number in range(settings.rounds):
        start = number % len(contestants)
        for client in contestants[start:] + contestants[:start]:
            run = client.closed_loop(url, settings.seconds)
            if run.requests == 0:
                raise BenchError(f"{client.name} had no answer in {settings.seconds} s")
            runs[client.name].append(run)
    return runs


def _ratios(runs: dict[str, list[Run]]) -> dict[str, list[float]]:
    """loadcore's requests per CPU-second over each peer's in the same round."""
    ours = [run.requests_per_cpu_second for run in runs[LOADCORE.name]]
    return {
        name: [mine / run.requests_per_cpu_second for mine, run in zip(ours, peer, strict=True)]
        for name, peer in runs.items()
    }


def _table(
    contestants: list[Client], versions: dict[str, str | None], runs: dict[str, list[Run]]
) -> str:
    ratios = _ratios(runs)
    heading = ["client", "requests per CPU-second", "loadcore / this", "rounds", "wanted"]
    return table(
        [*heading, "requests/s", "peak memory, MB"],
        [
            [
                f"{client.name} {versions[client.name]}",
                count(median(run.requests_per_cpu_second for run in runs[client.name])),
                *_compared(client, ratios[client.name]),
                count(median(run.requests / run.cost.wall_s for run in runs[client.name])),
                _peak(runs[client.name]),
            ]
            for client in contestants
        ],
    )


def _compared(client: Client, ratios: list[float]) -> list[str]:
    if client is LOADCORE:
        return ["", "", ""]
    middle = median(ratios)
    bound = TARGETS.get(client.name)
    return [
        f"{middle:.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        "" if bound is None else verdict(middle, bound, at_least=True),
    ]


def _peak(runs: list[Run]) -> str:
    peaks = [run.cost.peak_rss_mb for run in runs if run.cost.peak_rss_mb is not None]
    return f"{median(peaks):.1f}" if peaks else ""
