"""Where a run was made: what a reader of its figures needs to know of the machine."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from loadcore._plan import usable_cpus
from loadcore._version import __version__


def describe() -> dict[str, Any]:
    """This machine and process, in JSON's types. What cannot be found out is left out."""
    system = os.uname()
    environment: dict[str, Any] = {
        "loadcore": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "host": system.nodename,
        "system": f"{system.sysname} {system.release}",
        "machine": system.machine,
        "cpus": os.cpu_count() or 1,
        "cpus_usable": usable_cpus(),
    }
    if model := _first_value("/proc/cpuinfo", "model name"):
        environment["cpu"] = model
    if memory := _first_value("/proc/meminfo", "MemTotal").removesuffix("kB").strip():
        environment["memory_bytes"] = int(memory) * 1024
    environment["load_average_1m"] = round(os.getloadavg()[0], 2)
    return environment


def utc_text(unix_ns: int) -> str:
    """ISO 8601 with milliseconds."""
    seconds, rest_ns = divmod(unix_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest_ns // 1_000_000:03d}Z"


def _first_value(path: str, name: str) -> str:
    """What stands behind `name :` in a file of /proc; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == name:
                    return value.strip()
    except OSError:
        pass
    return ""
