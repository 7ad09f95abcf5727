"""The contestants: how each is started, and how many answers it says it had."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import process
from .process import BenchError, Finished

CONNECTIONS = 64
PEERS = Path(__file__).resolve().parents[2] / ".cache" / "peers"

K6_CLOSED = """
import http from 'k6/http';
export const options = { vus: %(connections)d, duration: '%(seconds)ds',
                         discardResponseBodies: true };
export default function () { http.get(__ENV.TARGET); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics) }; }
"""

LOCUST = """
from locust import FastHttpUser, constant, task
class User(FastHttpUser):
    wait_time = constant(0)
    @task
    def get(self):
        self.client.get("/v1/alice/likes")
"""


@dataclass(frozen=True)
class Run:
    requests: int  # answered
    cost: Finished

    @property
    def requests_per_cpu_second(self) -> float:
        return self.requests / self.cost.cpu_s


@dataclass(frozen=True)
class Client:
    name: str
    version: Callable[[], str | None]  # None: it is not installed
    closed_loop: Callable[[str, int], Run]  # (URL, seconds) at CONNECTIONS, keep-alive


def find(program: str) -> str | None:
    """A program of .cache/peers, or one that the machine has."""
    return shutil.which(program, path=str(PEERS / "bin")) or shutil.which(program)


def command_of(program: str) -> str:
    path = find(program)
    if path is None:
        raise BenchError(f"{program} is not here; tests/bench/peers installs it")
    return path


def number_in(pattern: str, text: str, program: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise BenchError(f"{program} said nothing like {pattern}: {text[-300:].strip()}")
    return float(found[1])


def run_loadcore(url: str, *options: str, timeout_s: float) -> tuple[dict[str, object], Finished]:
    """The JSON of one run by the command line, with everything that is on by default."""
    command = [*process.loadcore(), "run", url, "--threads", "1", "--json", "-", *options]
    finished = process.run(command, timeout_s=timeout_s)
    report = json.loads(finished.output)
    assert isinstance(report, dict)
    return report, finished


def _loadcore(url: str, seconds: int) -> Run:
    options = ["--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
    report, cost = run_loadcore(url, *options, timeout_s=seconds + 30)
    counts = report["requests"]
    assert isinstance(counts, dict)
    return Run(int(counts["completed"]), cost)


def _wrk(url: str, seconds: int) -> Run:
    command = [command_of("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    cost = process.run(command, timeout_s=seconds + 30)
    return Run(int(number_in(r"(\d+) requests in", cost.output, "wrk")), cost)


def _oha(url: str, seconds: int) -> Run:
    command = [command_of("oha"), "--no-tui", "--output-format", "json"]
    command += ["-c", str(CONNECTIONS), "-z", f"{seconds}s", url]
    cost = process.run(command, timeout_s=seconds + 60)
    codes = json.loads(cost.output)["statusCodeDistribution"]
    return Run(int(codes["200"]), cost)


def _hey(url: str, seconds: int) -> Run:
    command = [command_of("hey"), "-cpus", "1", "-c", str(CONNECTIONS), "-z", f"{seconds}s", url]
    cost = process.run(command, timeout_s=seconds + 60)
    # The counts by status stop at a million; the rate and the time do not.
    rate = number_in(r"Requests/sec:\s+([\d.]+)", cost.output, "hey")
    return Run(round(rate * number_in(r"Total:\s+([\d.]+) secs", cost.output, "hey")), cost)


def _k6(url: str, seconds: int) -> Run:
    metrics, cost = run_k6(K6_CLOSED % {"connections": CONNECTIONS, "seconds": seconds}, url)
    return Run(int(metrics["http_reqs"]["values"]["count"]), cost)


def run_k6(script: str, url: str) -> tuple[dict[str, dict[str, dict[str, float]]], Finished]:
    """Runs a script that prints its metrics as JSON; sends nothing to k6's makers."""
    with tempfile.NamedTemporaryFile("w", suffix=".js") as file:
        file.write(script)
        file.flush()
        command = [command_of("k6"), "run", "--quiet", "--no-usage-report", file.name]
        cost = process.run(command, timeout_s=120, environment={"TARGET": url})
    metrics: dict[str, dict[str, dict[str, float]]] = json.loads(cost.output)
    return metrics, cost


def _ab(url: str, seconds: int) -> Run:
    # -t alone would stop at 50,000 requests, so -n comes after it.
    command = [command_of("ab"), "-q", "-k", "-c", str(CONNECTIONS), "-t", str(seconds)]
    cost = process.run([*command, "-n", "10000000", url], timeout_s=seconds + 30)
    return Run(int(number_in(r"Complete requests:\s+(\d+)", cost.output, "ab")), cost)


def _h2load(url: str, seconds: int) -> Run:
    command = [command_of("h2load"), "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{seconds}", url]
    cost = process.run(command, timeout_s=seconds + 30)
    return Run(int(number_in(r"(\d+) succeeded", cost.output, "h2load")), cost)


def _locust_program() -> Path:
    return PEERS / "locust" / "bin" / "locust"


def _locust(url: str, seconds: int) -> Run:
    if not _locust_program().exists():
        raise BenchError("locust is not here; tests/bench/peers installs it")
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(LOCUST)
        file.flush()
        command = [str(_locust_program()), "-f", file.name, "--headless", "--json"]
        command += ["--host", url.rpartition("/v1/")[0], "--run-time", f"{seconds}s"]
        command += ["--users", str(CONNECTIONS), "--spawn-rate", str(CONNECTIONS)]
        command += ["--loglevel", "ERROR"]
        cost = process.run(command, timeout_s=seconds + 60)
    rows = json.loads(cost.output)
    return Run(sum(row["num_requests"] - row["num_failures"] for row in rows), cost)


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout + done.stderr).strip()


def debian_version(package: str) -> str:
    return output_of("dpkg-query", "-W", "-f", "${Version}", package)


def _version(program: str, option: str, pattern: str) -> Callable[[], str | None]:
    def ask() -> str | None:
        path = find(program)
        if path is None:
            return None
        found = re.search(pattern, output_of(path, option))
        return found[1] if found else "unknown"

    return ask


def _hey_version() -> str | None:  # it does not say
    return debian_version("hey") if find("hey") else None


def _locust_version() -> str | None:
    if not _locust_program().exists():
        return None
    found = re.search(r"locust (\S+)", output_of(str(_locust_program()), "--version"))
    return found[1] if found else "unknown"


def _loadcore_version() -> str | None:
    return output_of(*process.loadcore(), "--version").split()[-1]


LOADCORE = Client("loadcore", _loadcore_version, _loadcore)
WRK = Client("wrk", _version("wrk", "-v", r"wrk (\S+)"), _wrk)
OHA = Client("oha", _version("oha", "--version", r"oha (\S+)"), _oha)
HEY = Client("hey", _hey_version, _hey)
K6 = Client("k6", _version("k6", "version", r"k6 v(\S+)"), _k6)
AB = Client("ab -k", _version("ab", "-V", r"Version (\S+)"), _ab)
H2LOAD = Client("h2load --h1", _version("h2load", "--version", r"nghttp2/(\S+)"), _h2load)
LOCUST_FAST = Client("Locust FastHttpUser", _locust_version, _locust)
EVERYBODY = (LOADCORE, WRK, OHA, HEY, K6, AB, H2LOAD, LOCUST_FAST)
