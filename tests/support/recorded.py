"""Results as the core returns them, made up, for tests that need no engine."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from loadcore import Histogram, Plan, Run
from loadcore._environment import describe

if TYPE_CHECKING:
    from loadcore._core import Counts, IntervalRow, Result

STARTED_NS = 1_795_000_000_123_000_000
URL = "http://127.0.0.1:8080/v1/alice/likes"
_KINDS = ("connect", "timeout", "reset", "protocol")


def counts(completed: int = 0, **others: int) -> Counts:
    """Balanced: `sent` and `scheduled` follow from the rest."""
    sent = completed + sum(others.get(kind, 0) for kind in _KINDS)
    result: Any = dict.fromkeys(("dropped", "unsent", *_KINDS, "status"), 0)
    result |= {"completed": completed, "sent": sent, **others}
    result["scheduled"] = sent + result["dropped"] + result["unsent"]
    made: Counts = result
    return made


def times(count: int, *, median_ms: float = 1.0, seed: int = 7) -> Histogram:
    """Log-normal, as latencies are."""
    chance, histogram = random.Random(seed), Histogram()
    for _ in range(count):
        histogram.record(int(median_ms * 1e6 * chance.lognormvariate(0, 0.5)))
    return histogram


def merged(parts: list[Histogram]) -> Histogram:
    whole = Histogram()
    for part in parts:
        whole.merge(part)
    return whole


def interval(number: int, completed: int, **others: int) -> IntervalRow:
    own = counts(completed, **others)
    return {
        "start_ns": number * 1_000_000_000,
        "length_ns": 1_000_000_000,
        "scheduled": own["scheduled"],
        "sent": own["sent"],
        "completed": own["completed"],
        "dropped": own["dropped"],
        "unsent": own["unsent"],
        "connect": own["connect"],
        "timeout": own["timeout"],
        "reset": own["reset"],
        "protocol": own["protocol"],
        "status": own["status"],
        "bytes_sent": 100 * own["sent"],
        "bytes_received": 150 * completed,
        "latency": times(completed, median_ms=2, seed=number).encode(),
        "service": times(completed, median_ms=1, seed=number + 100).encode(),
        "send_lag": times(own["sent"], median_ms=0.03, seed=number + 200).encode(),
    }


def result(rows: list[IntervalRow] | None = None, **changes: Any) -> Result:
    """The result that `rows` add up to; `changes` replace what is named."""
    if rows is None:
        rows = [interval(0, 100), interval(1, 90, timeout=2, reset=1, status=5), interval(2, 101)]
    kinds = ("dropped", "unsent", "connect", "timeout", "reset", "protocol", "status")
    sums = {kind: sum(row[kind] for row in rows) for kind in kinds}  # type: ignore[literal-required]
    completed = sum(row["completed"] for row in rows)
    status = sums["status"]
    made: Any = {
        "outcome": "completed",
        "reason": "",
        "started_unix_ns": STARTED_NS,
        "duration_ns": sum(row["length_ns"] for row in rows),
        "elapsed_ns": sum(row["length_ns"] for row in rows) + 2_000_000,
        "counts": counts(completed, **sums),
        "warmup_counts": counts(10),
        "status_codes": {200: completed - status, **({503: status} if status else {})},
        "bytes_sent": sum(row["bytes_sent"] for row in rows),
        "bytes_received": sum(row["bytes_received"] for row in rows),
        "connects": 64,
        "latency": merged([Histogram.decode(row["latency"]) for row in rows]),
        "service": merged([Histogram.decode(row["service"]) for row in rows]),
        "send_lag": merged([Histogram.decode(row["send_lag"]) for row in rows]),
        "generator_late": times(completed, median_ms=0.02),
        "blocked": times(3, median_ms=0.5),
        "intervals": rows,
        "threads": [
            {
                "cpu_ns": 700_000_000,
                "wall_ns": 3_000_000_000,
                "connections": 64,
                "sent": sum(row["sent"] for row in rows),
                "late_p50_ns": 20_000,
                "late_p99_ns": 90_000,
                "late_max_ns": 1_200_000,
            }
        ],
        "verdict": "valid",
        "reasons": [],
    }
    made |= changes
    finished: Result = made
    return finished


def run(rows: list[IntervalRow] | None = None, *, url: str = URL, **changes: Any) -> Run:
    """An open-loop run at 100 requests a second; `changes` as in `result`."""
    plan = Plan.of(url, rate=100, duration=3, threads=1, headers={"Accept": "*/*"})
    return Run(plan, result(rows, **changes), describe())


def closed_run(**changes: Any) -> Run:
    plan = Plan.of(URL, requests=294, threads=1)
    empty = Histogram()
    return Run(plan, result(**{"send_lag": empty, "blocked": empty, **changes}), describe())
