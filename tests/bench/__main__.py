"""tests/bench/run: measures, prints the tables, and on demand puts them into the documentation."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

from . import clients, closed_loop, cost, durable, likes_server, memory, report, stall
from .clients import find, output_of
from .process import BenchError
from .report import Report, Settings
from .servers import find_nginx

PARTS: dict[str, Callable[[Settings], Report]] = {
    "closed": closed_loop.measure,
    "cost": cost.measure,
    "memory": memory.measure,
    "stall": stall.measure,
    "server": likes_server.measure,
    "likes": durable.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run",
        description="Measures loadcore beside its peers; docs/benchmarks.md says how to read it.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (%(default)s)")
    parser.add_argument("--seconds", type=int, default=8, help="a client a round (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="smallest amounts: does it work?")
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures by part and name")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"PART: there is no {unknown[0]}; there are {', '.join(PARTS)}")
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    if arguments.quick and arguments.write:
        parser.error("--write: figures of --quick mean nothing; leave one of them out")
    return arguments


def _machine() -> str:
    """The machine, and every contestant with its version."""
    versions = [f"{client.name} {client.version() or '(absent)'}" for client in clients.EVERYBODY]
    nginx = find_nginx()
    versions.append(output_of(nginx, "-v").rpartition(" ")[2] if nginx else "nginx (absent)")
    redis = re.search(r"v=(\S+)", output_of("redis-server", "-v")) if find("redis-server") else None
    versions.append(f"redis {redis[1] if redis else '(absent)'}")
    return f"{report.machine()}.\n\nMeasured {report.today()} with {', '.join(versions)}."


def main() -> int:
    arguments = _arguments()
    if platform.system() != "Linux" or len(os.sched_getaffinity(0)) < 2:
        print("bench: needs Linux and two cores, one a side", file=sys.stderr)
        return 2
    quick = arguments.quick
    settings = Settings(quick, 1 if quick else arguments.rounds, 1 if quick else arguments.seconds)
    machine = _machine()
    print(machine)
    if arguments.write:
        report.write("machine", machine)
    figures = {}
    left_out = 0
    for part in arguments.parts or PARTS:
        print(f"\n## {part}\n", flush=True)
        try:
            result = PARTS[part](settings)
        except BenchError as error:
            print(f"bench: {part} is left out: {error}", file=sys.stderr, flush=True)
            left_out += 1
            continue
        print(result.markdown, flush=True)
        figures[part] = result.figures
        if arguments.write:
            report.write(part, f"{result.markdown}\n\nMeasured {report.today()}.")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 4 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
