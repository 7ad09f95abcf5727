"""A finished run: counts, times, verdict, and where and how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from loadcore._distribution import Distribution
from loadcore._environment import utc_text
from loadcore._errors import FileError
from loadcore._timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore._core import Counts, Result
    from loadcore._files import PathText
    from loadcore._plan import Plan

SCHEMA = "loadcore.run/1"


class Failures(NamedTuple):
    """Requests that failed, by kind.

    The first four got no complete answer; `status` and `check` count answers that did not satisfy
    the plan.
    """

    connect: int = 0
    timeout: int = 0
    reset: int = 0
    protocol: int = 0
    status: int = 0
    check: int = 0

    @property
    def total(self) -> int:
        return sum(self)


class Requests(NamedTuple):
    """Where every request went.

    scheduled = sent + dropped + unsent, and
    sent = completed + failed.connect + failed.timeout + failed.reset + failed.protocol.
    """

    scheduled: int
    sent: int
    completed: int
    dropped: int
    unsent: int
    failed: Failures

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "failed": self.failed._asdict()}


class Rate(NamedTuple):
    """Requests a second: asked for (None in a closed loop), and completed."""

    target: float | None
    achieved: float


class Bytes(NamedTuple):
    sent: int
    received: int


class Verdict(NamedTuple):
    """Whether the figures describe the target ("valid") or maybe ("suspect") or surely
    ("generator-bound") the generator, and why, the worst reason first."""

    state: str
    reasons: tuple[str, ...]


class Run:
    """What a run measured. Times are in seconds. Not to be changed; safe to share.

    In an open loop `latency` is response time, from the intended start of each request to the last
    byte of its answer; in a closed loop it is service time, and `corrected` is False.
    """

    def __init__(self, plan: Plan, result: Result, environment: Mapping[str, Any]) -> None:
        """From what the core returned. Raises AssertionError if the accounting does not balance."""
        self._plan = plan
        self._result = result
        self._environment = dict(environment)
        self._requests = requests_of(result["counts"])
        _check_accounting(self._requests)

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def environment(self) -> dict[str, Any]:
        """The machine, versions and start of the run; a copy."""
        return {"started": utc_text(self._result["started_unix_ns"]), **self._environment}

    @property
    def duration(self) -> float:
        """Measured: from the first intended start to the end of sending."""
        return self._result["duration_ns"] / 1e9

    @property
    def elapsed(self) -> float:
        """From the first intended start to the last answer."""
        return self._result["elapsed_ns"] / 1e9

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before the end of its plan."""
        return self._result["outcome"] == "stopped"

    @property
    def corrected(self) -> bool:
        """Whether `latency` counts the time that a request waited to be sent (open loop)."""
        return self._plan.open_loop

    @property
    def latency(self) -> Distribution:
        return Distribution(self._result["latency" if self.corrected else "service"])

    @property
    def service_time(self) -> Distribution:
        """From the first byte of the request written to the last byte of the answer."""
        return Distribution(self._result["service"])

    @property
    def send_lag(self) -> Distribution:
        """Actual less intended start; empty in a closed loop, which intends none."""
        return Distribution(self._result["send_lag"])

    @property
    def generator_late(self) -> Distribution:
        """The part of the send lag when our loop was behind."""
        return Distribution(self._result["generator_late"])

    @property
    def blocked(self) -> Distribution:
        """The part of the send lag when no connection was free."""
        return Distribution(self._result["blocked"])

    @property
    def requests(self) -> Requests:
        return self._requests

    @property
    def warmup_requests(self) -> Requests:
        """Those sent before the run, which no other figure counts."""
        return requests_of(self._result["warmup_counts"])

    @property
    def status_codes(self) -> dict[int, int]:
        """How many answers had which status, ascending."""
        return dict(sorted(self._result["status_codes"].items()))

    @property
    def rate(self) -> Rate:
        """Over the time of sending; over all of it where the plan ends by a count, because the
        last request may be sent long before its answer."""
        span = self.duration if self._plan.requests is None else self.elapsed
        return Rate(self._plan.rate, self._requests.completed / span if span else 0.0)

    @property
    def bytes(self) -> Bytes:
        return Bytes(self._result["bytes_sent"], self._result["bytes_received"])

    @property
    def connects(self) -> int:
        """Connections made, reconnections included."""
        return self._result["connects"]

    @property
    def verdict(self) -> Verdict:
        return Verdict(self._result["verdict"], tuple(self._result["reasons"]))

    def timeline(self) -> Timeline:
        """One row per interval: a mapping of columns."""
        kind = "latency" if self.corrected else "service"
        return Timeline(self._result["intervals"], latency=kind)

    def to_dict(self) -> dict[str, Any]:
        """The run in JSON's types, as the command line's --json writes it; times in ms there."""
        latency = {**self.latency.to_dict_ms(), "corrected": self.corrected}
        service = self.service_time.to_dict_ms()
        by_name = {
            "requests": self._requests.to_dict(),
            "status_codes": {str(code): count for code, count in self.status_codes.items()},
            "latency_ms": latency,
            "service_ms": service,
        }
        return {
            "schema": SCHEMA,
            "plan": self._plan.to_dict(),
            "environment": self.environment,
            "duration_s": self.duration,
            "elapsed_s": self.elapsed,
            "interrupted": self.interrupted,
            "requests": self._requests.to_dict(),
            "status_codes": by_name["status_codes"],
            "rate_rps": self.rate._asdict(),
            "bytes": self.bytes._asdict(),
            "latency_ms": latency,
            "service_ms": service,
            "send_lag_ms": self.send_lag.to_dict_ms(),
            "generator_late_ms": self.generator_late.to_dict_ms(),
            "blocked_ms": self.blocked.to_dict_ms(),
            "verdict": {"state": self.verdict.state, "reasons": list(self.verdict.reasons)},
            "thresholds": [],
            "requests_by_name": {self._plan.name: by_name},
            "warmup": {"requests": self.warmup_requests.to_dict()},
            "connections": {"kept": self._plan.connections, "made": self.connects},
            "threads": self._threads(),
            "intervals": self._intervals(),
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as text, without a newline at its end."""
        import json

        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def save(self, path: PathText) -> None:
        """Writes everything, histograms included, into one file for `loadcore.load`.

        The file appears whole or not at all. Raises OSError.
        """
        from loadcore import _saved

        _saved.save(self._plan, self._result, self._environment, path)

    def report(self, path: PathText) -> None:
        """Writes one self-contained HTML page. Raises OSError."""
        from loadcore._files import write_atomically
        from loadcore._html import page

        write_atomically(path, page([self]).encode())

    def __repr__(self) -> str:
        import sys

        from loadcore._text import render

        return render(self, color=sys.stdout is not None and sys.stdout.isatty())

    def _repr_html_(self) -> str:
        from loadcore._html import fragment

        return fragment(self)

    def _threads(self) -> list[dict[str, Any]]:
        return [
            {
                "connections": row["connections"],
                "sent": row["sent"],
                "cpu_s": row["cpu_ns"] / 1e9,
                "wall_s": row["wall_ns"] / 1e9,
                "late_ms": {
                    "p50": row["late_p50_ns"] / 1e6,
                    "p99": row["late_p99_ns"] / 1e6,
                    "max": row["late_max_ns"] / 1e6,
                },
            }
            for row in self._result["threads"]
        ]

    def _intervals(self) -> list[dict[str, Any]]:
        timeline = self.timeline()
        kind = "latency" if self.corrected else "service"
        return [
            {
                "start_s": row["start_ns"] / 1e9,
                "length_s": row["length_ns"] / 1e9,
                "scheduled": row["scheduled"],
                "sent": row["sent"],
                "completed": row["completed"],
                "dropped": row["dropped"],
                "unsent": row["unsent"],
                "failed": _failures(row)._asdict(),
                "bytes": {"sent": row["bytes_sent"], "received": row["bytes_received"]},
                "latency_ms": times.to_dict_ms(),
            }
            for row, times in zip(
                self._result["intervals"], timeline.distributions(kind), strict=True
            )
        ]


def load(path: PathText) -> Run:
    """The run that `Run.save` wrote into `path`.

    Raises FileError where the file is something else, damaged or from a newer loadcore, and
    OSError where it cannot be opened.
    """
    from loadcore import _saved

    plan, result, environment = _saved.load(path)
    try:
        return Run(plan, result, environment)
    except AssertionError as error:
        raise FileError(f"{path} is a damaged run: {error}") from None


def _failures(counts: Mapping[str, Any]) -> Failures:
    return Failures(
        connect=counts["connect"],
        timeout=counts["timeout"],
        reset=counts["reset"],
        protocol=counts["protocol"],
        status=counts["status"],
    )


def requests_of(counts: Counts) -> Requests:
    return Requests(
        scheduled=counts["scheduled"],
        sent=counts["sent"],
        completed=counts["completed"],
        dropped=counts["dropped"],
        unsent=counts["unsent"],
        failed=_failures(counts),
    )


def _check_accounting(requests: Requests) -> None:
    """Stays on under -O: figures that do not add up must not reach anybody."""
    failed = requests.failed
    answered = requests.completed + failed.connect + failed.timeout + failed.reset + failed.protocol
    if requests.scheduled != requests.sent + requests.dropped + requests.unsent:
        raise AssertionError(f"scheduled is not sent + dropped + unsent: {requests}")
    if requests.sent != answered:
        raise AssertionError(f"sent is not completed + failed: {requests}")
