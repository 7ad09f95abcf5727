"""Runs one client at a time on one core and says what it cost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE = min(os.sched_getaffinity(0))
CLIENT_CORE = max(os.sched_getaffinity(0))
GNU_TIME = Path("/usr/bin/time")


class BenchError(Exception):
    """A sentence for whoever runs the benchmark: why a figure could not be had."""


@dataclass(frozen=True)
class Finished:
    """A client that exited with 0."""

    output: str
    errors: str
    wall_s: float
    cpu_s: float  # user and system, of the process and all that it waited for, start-up included
    peak_rss_mb: float | None  # of its largest process; None where GNU time is not installed


def pinned(command: Sequence[str], core: int) -> list[str]:
    """The command, kept on one core (util-linux's taskset)."""
    return ["taskset", "--cpu-list", str(core), *command]


def run(
    command: Sequence[str],
    *,
    core: int = CLIENT_CORE,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Runs to the end. Raises BenchError if it fails or is still there after `timeout_s`.

    The peak memory comes from GNU time: the figure that the kernel keeps for a child starts with
    what its parent had at the fork, and this interpreter is larger than most of the peers.
    """
    with tempfile.TemporaryDirectory(prefix="loadcore-bench-") as folder:
        peak = Path(folder, "peak")
        timed = [str(GNU_TIME), "-o", str(peak), "-f", "%M", *command]
        started = time.monotonic()
        with Path(folder, "out").open("w+") as out, Path(folder, "err").open("w+") as err:
            child = subprocess.Popen(
                pinned(timed if GNU_TIME.exists() else command, core),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
            watchdog = threading.Timer(timeout_s, os.killpg, (child.pid, signal.SIGKILL))
            watchdog.start()
            try:
                _, status, usage = os.wait4(child.pid, 0)
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                raise
            finally:
                watchdog.cancel()
            wall_s = time.monotonic() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            output, errors = out.read(), err.read()
        if child.returncode != 0:
            said = (errors or output).strip().splitlines()[-3:]
            raise BenchError(
                f"{Path(command[0]).name} ended with {child.returncode} after {wall_s:.1f} s"
                + (f": {' '.join(said)}" if said else "")
            )
        return Finished(
            output=output,
            errors=errors,
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_rss_mb=int(peak.read_text().split()[-1]) / 1024 if peak.exists() else None,
        )


def cpu_seconds(pid: int) -> float:
    """User and system time of a live process so far, to the kernel's tick of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loadcore() -> list[str]:
    """The command line under test: the one of the interpreter that runs the benchmark."""
    return [sys.executable, "-m", "loadcore"]
