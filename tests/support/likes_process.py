"""`loadcore serve` as a process of its own: what it holds, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from command import started

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class LikesProcess:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    def memory_bytes(self) -> int:
        """Resident now."""
        with open(f"/proc/{self._process.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE_BYTES

    def cpu_s(self) -> float:
        """Used so far."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self, timeout_s: float) -> int:
        """Raises subprocess.TimeoutExpired where it has not ended by then."""
        return self._process.wait(timeout_s)


@contextmanager
def likes_process(*arguments: str, **options: Any) -> Iterator[LikesProcess]:
    """One on a free port, with one thread and without a log unless `arguments` say otherwise."""
    usual = ("--port", "0", "--threads", "1", "--log", "off")
    with started("serve", *usual, *arguments, **options) as process:
        assert process.stdout is not None
        port = urlsplit(json.loads(process.stdout.readline())["url"]).port
        assert port is not None
        yield LikesProcess(process, port)
