"""What one request costs: system calls (strace) and user-space instructions (callgrind).

Every figure is the difference between a long and a short run, over the difference in requests, so
that starting up, connecting and printing cancel out.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import clients, process, servers
from .clients import CONNECTIONS, command_of
from .process import BenchError
from .report import Report, Settings, count, table, verdict

SYSTEM_CALLS_MAX = 2.15
INSTRUCTIONS_MAX = 2_700
# Both tools slow a client down by one to two orders of magnitude.
TIMEOUT_S = 300


@dataclass(frozen=True)
class Subject:
    name: str
    command: Callable[[int], list[str]]  # of how much to do: requests, or wrk's seconds
    answered: Callable[[int, str], int]  # of that and of what it printed: requests answered
    short: int
    long: int


def measure(settings: Settings) -> Report:
    rows: list[list[str]] = []
    figures: dict[str, float] = {}
    if servers.find_nginx() and not settings.quick:
        with servers.nginx() as server:
            rows += _rows(server, settings, figures)
    with servers.likes() as server:
        rows += _rows(server, settings, figures)
    of_calls = verdict(figures["system_calls"], SYSTEM_CALLS_MAX, at_least=False)
    of_instructions = verdict(figures["instructions"], INSTRUCTIONS_MAX, at_least=False)
    rows.append(["wanted in the last case", "", of_calls, "", of_instructions])
    heading = ["client", "answer", "system calls", "of which", "user-space instructions"]
    return Report(f"{CONNECTIONS} connections, a request.\n\n{table(heading, rows)}", figures)


def _rows(server: servers.Server, settings: Settings, figures: dict[str, float]) -> list[list[str]]:
    """One row a client; leaves loadcore's figures against this server in `figures`."""
    url = f"{server.url}/v1/alice/likes"
    subjects = [_loadcore(url, settings)]
    if clients.WRK.version() and not settings.quick:
        subjects.insert(0, _wrk(url))
    answer = f"{servers.answer_bytes(url)} bytes of {server.name}"
    rows = []
    for subject in subjects:
        calls = _per_request(subject, _system_calls)
        instructions = sum(_per_request(subject, _instructions).values())
        total = sum(calls.values())
        rows.append([subject.name, answer, f"{total:.3f}", _most_of(calls), count(instructions)])
        if subject.name == "loadcore":
            figures.update(system_calls=total, instructions=instructions)
    return rows


def _loadcore(url: str, settings: Settings) -> Subject:
    def command(requests: int) -> list[str]:
        options = ["--connections", str(CONNECTIONS), "--threads", "1", "--json", "-"]
        return [*process.loadcore(), "run", url, "--requests", str(requests), *options]

    short = 2_000 if settings.quick else 50_000
    return Subject("loadcore", command, lambda requests, _: requests, short, 2 * short)


def _wrk(url: str) -> Subject:
    def answered(_: int, output: str) -> int:
        return int(clients.number_in(r"(\d+) requests in", output, "wrk"))

    return Subject(
        "wrk",
        lambda seconds: [command_of("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url],
        answered,
        4,
        12,
    )


def _per_request(
    subject: Subject, counted: Callable[[list[str]], tuple[Counter[str], str]]
) -> dict[str, float]:
    few, output = counted(subject.command(subject.short))
    requests_few = subject.answered(subject.short, output)
    many, output = counted(subject.command(subject.long))
    requests = subject.answered(subject.long, output) - requests_few
    if requests <= 0:
        raise BenchError(f"{subject.name} answered no more in the long run than in the short one")
    return {name: (many[name] - few[name]) / requests for name in many | few}


def _system_calls(command: list[str]) -> tuple[Counter[str], str]:
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as file:
        tracer = [command_of("strace"), "-f", "-c", "-U", "calls,name", "-o", file.name]
        finished = process.run([*tracer, *command], timeout_s=TIMEOUT_S)
        rows = re.findall(r"^ *(\d+) +(\w+)$", Path(file.name).read_text(), re.M)
    return Counter({name: int(calls) for calls, name in rows if name != "total"}), finished.output


def _instructions(command: list[str]) -> tuple[Counter[str], str]:
    with tempfile.NamedTemporaryFile("r", suffix=".callgrind") as file:
        tracer = [command_of("valgrind"), "--tool=callgrind", f"--callgrind-out-file={file.name}"]
        finished = process.run([*tracer, *command], timeout_s=TIMEOUT_S)
        collected = re.search(r"^(?:totals|summary): (\d+)", Path(file.name).read_text(), re.M)
    if collected is None:
        raise BenchError("callgrind wrote no total")
    return Counter(instructions=int(collected[1])), finished.output


def _most_of(calls: dict[str, float]) -> str:
    """The calls that make up what a request costs, the most frequent first."""
    often = sorted(calls.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {each:.3f}" for name, each in often if each >= 0.0005)
