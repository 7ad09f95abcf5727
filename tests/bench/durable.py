"""Likes kept on the disk: against memory, against nginx and against Redis, hot and spread out.

All servers stand on the same core, one at a time under load, and take turns.
"""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from . import clients, process, servers
from .clients import command_of
from .process import BenchError
from .report import Report, Settings, count, table, verdict

USERS = 1_000_000
CONNECTIONS = (64, 256)
MEMORY_TO_NGINX_MIN = 1.1
FSYNC_TO_MEMORY_MIN = 0.6  # at 256 connections
FSYNC_TO_REDIS_MIN = 1.0

# Ids of 24 bytes either way.
HOT = """
wrk.method = "POST"
wrk.path = "/v1/user-0000000000000000042/likes"
"""
UNIFORM = """
local users, seed = %(users)d, %(seed)d
function init(args)
  math.randomseed(seed)
end
function request()
  return string.format("POST /v1/user-%%019d/likes HTTP/1.1\\r\\nHost: bench\\r\\n\\r\\n",
                       math.random(0, users - 1))
end
"""


class Case(NamedTuple):
    pattern: str
    connections: int


class Drive(NamedTuple):
    per_second: float
    per_cpu_second: float  # of the server


Driver = Callable[[servers.Server, Case, int], Drive]


def measure(settings: Settings) -> Report:
    """Half of the seconds a turn, since there are sixteen turns a round."""
    seconds = max(1, settings.seconds // 2)
    with ExitStack() as stack:
        contestants: list[tuple[servers.Server, Driver]] = [
            (stack.enter_context(servers.likes()), _post),
            (stack.enter_context(servers.durable_likes()), _post),
            (stack.enter_context(servers.nginx()), _post),
            (stack.enter_context(servers.redis()), _incr),
        ]
        rows: list[list[str]] = []
        figures: dict[str, float] = {}
        for connections in CONNECTIONS:
            for pattern in ("hot", "uniform"):
                case = Case(pattern, connections)
                driven = _rounds(contestants, case, settings.rounds, seconds)
                rows += _rows(case, driven, figures)
    heading = ["server", "users", "connections", "answers/s", "a CPU-second", "ratio", "wanted"]
    rounds = f"{settings.rounds} interleaved rounds of {seconds} s, ids of 24 bytes"
    return Report(f"{rounds}, uniform over {USERS:,} users.\n\n{table(heading, rows)}", figures)


def _rounds(
    contestants: list[tuple[servers.Server, Driver]], case: Case, rounds: int, seconds: int
) -> list[list[Drive]]:
    """Of each contestant, by round; who goes first changes from round to round."""
    driven: list[list[Drive]] = [[] for _ in contestants]
    for server, drive in contestants:
        drive(server, case, 1)
    for number in range(rounds):
        order = list(range(len(contestants)))
        for index in order[number % len(order) :] + order[: number % len(order)]:
            server, drive = contestants[index]
            driven[index].append(drive(server, case, seconds))
    return driven


def _rows(case: Case, driven: list[list[Drive]], figures: dict[str, float]) -> list[list[str]]:
    memory, fsync, nginx, redis = driven

    def ratio(ours: list[Drive], theirs: list[Drive], name: str, bound: float | None) -> list[str]:
        value = median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))
        figures[f"{name}_{case.pattern}_{case.connections}"] = value
        return [f"{value:.2f}", "" if bound is None else verdict(value, bound, at_least=True)]

    of_memory = FSYNC_TO_MEMORY_MIN if case.connections == max(CONNECTIONS) else None
    return [
        _row("nginx `return 200`", case, nginx, ["", ""]),
        _row(
            "memory, to nginx",
            case,
            memory,
            ratio(memory, nginx, "memory_to_nginx", MEMORY_TO_NGINX_MIN),
        ),
        _row("fsync, to memory", case, fsync, ratio(fsync, memory, "fsync_to_memory", of_memory)),
        _row("Redis `INCR`, `appendfsync always`", case, redis, ["", ""]),
        _row(
            "fsync, to Redis",
            case,
            fsync,
            ratio(fsync, redis, "fsync_to_redis", FSYNC_TO_REDIS_MIN),
        ),
    ]


def _row(name: str, case: Case, driven: list[Drive], last: list[str]) -> list[str]:
    rate = median(each.per_second for each in driven)
    of_cpu = median(each.per_cpu_second for each in driven)
    return [name, case.pattern, str(case.connections), count(rate), count(of_cpu), *last]


def _post(server: servers.Server, case: Case, seconds: int) -> Drive:
    script = HOT if case.pattern == "hot" else UNIFORM
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(
            script % {"users": USERS, "seed": random.randrange(2**31)}
            if case.pattern == "uniform"
            else script
        )
        file.flush()
        command = [command_of("wrk"), "-t1", f"-c{case.connections}", f"-d{seconds}s"]
        before = process.cpu_seconds(server.pid)
        finished = process.run([*command, "-s", file.name, server.url], timeout_s=seconds + 30)
    cpu_s = process.cpu_seconds(server.pid) - before
    if "Non-2xx" in finished.output:
        raise BenchError(f"{server.name} answers with other than 2xx")
    answered = clients.number_in(r"(\d+) requests in", finished.output, "wrk")
    rate = clients.number_in(r"Requests/sec:\s+([\d.]+)", finished.output, "wrk")
    return Drive(rate, answered / max(cpu_s, 0.01))


def _incr(server: servers.Server, case: Case, seconds: int) -> Drive:
    """redis-benchmark takes a number of requests; a short run says how many fit the time."""
    few = 20 * case.connections
    before = process.cpu_seconds(server.pid)
    requests = max(few, int(_redis_benchmark(server, case, few) * seconds))
    rate = _redis_benchmark(server, case, requests)
    cpu_s = process.cpu_seconds(server.pid) - before
    return Drive(rate, (few + requests) / max(cpu_s, 0.01))


def _redis_benchmark(server: servers.Server, case: Case, requests: int) -> float:
    """Answers a second."""
    command = [command_of("redis-benchmark"), "-p", server.url.rpartition(":")[2], "--csv"]
    command += ["-c", str(case.connections), "-n", str(requests)]
    if case.pattern == "uniform":
        command += ["-r", str(USERS)]  # twelve digits in the placeholder's stead
    finished = process.run([*command, "INCR", "user-0000000__rand_int__"], timeout_s=120)
    rows = list(csv.DictReader(finished.output.splitlines()))
    return float(rows[0]["rps"])
