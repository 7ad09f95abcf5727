"""What happened when: one row per interval of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from loadcore._core import Histogram
from loadcore._distribution import Distribution
from loadcore._errors import MissingLibraryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadcore._core import IntervalRow

    Number = int | float

_FAILURES = ("connect", "timeout", "reset", "protocol", "status")


class Timeline(Mapping[str, "Sequence[Number]"]):
    """A mapping of column names to lists of equal length, a row per interval; times in seconds.

    start_s, length_s: the interval, from the start of the run.
    scheduled, requests, completed: intended to start, sent and answered in it; dropped, unsent.
    rate: completed a second. errors: the sum of connect, timeout, reset, protocol and status.
    bytes_sent, bytes_received.
    p50, p90, p99, p999, mean, max: of latency; service_p50, service_p99: of service time;
    send_lag_p50, send_lag_p99: of send lag. NaN where nothing was measured.

    A request counts where it happens: scheduled by its intended start, completed by its answer.
    The histograms are decoded when a column first needs them.
    """

    def __init__(self, rows: Sequence[IntervalRow], *, latency: str) -> None:
        """latency: which histogram of a row is its latency, "latency" or "service"."""
        self._rows = rows
        self._latency = latency
        self._columns: dict[str, list[Number]] = {}
        self._distributions: dict[str, list[Distribution]] = {}

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> list[Number]:
        if name not in self._columns:
            if name in _ROW_FIGURES:
                figure = _ROW_FIGURES[name]
                self._columns[name] = [figure(row) for row in self._rows]
            else:
                kind, read = _TIME_FIGURES[name]
                times = self.distributions(self._latency if kind == "latency" else kind)
                self._columns[name] = [read(distribution) for distribution in times]
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        yield from _ROW_FIGURES
        yield from _TIME_FIGURES

    def __len__(self) -> int:
        return len(_ROW_FIGURES) + len(_TIME_FIGURES)

    def distributions(self, kind: str) -> list[Distribution]:
        """Each interval's "latency", "service" or "send_lag"."""
        if kind not in self._distributions:
            self._distributions[kind] = [
                Distribution(Histogram.decode(payload) if payload else Histogram())
                for payload in (_PAYLOADS[kind](row) for row in self._rows)
            ]
        return self._distributions[kind]

    def to_pandas(self) -> Any:
        """A pandas.DataFrame. Raises MissingLibraryError where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise _missing("pandas") from None
        return pandas.DataFrame(dict(self))

    def to_polars(self) -> Any:
        """A polars.DataFrame. Raises MissingLibraryError where polars is not installed."""
        try:
            import polars
        except ImportError:
            raise _missing("polars") from None
        return polars.DataFrame(dict(self))

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Raises MissingLibraryError where pyarrow is not installed."""
        try:
            import pyarrow
        except ImportError:
            raise _missing("pyarrow") from None
        return pyarrow.table(dict(self))

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule interface, through pyarrow."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<Timeline of {self.row_count} intervals: {', '.join(self)}>"


def _missing(library: str) -> MissingLibraryError:
    return MissingLibraryError(f"{library} is needed for this: pip install {library}")


_ROW_FIGURES: dict[str, Callable[[IntervalRow], Number]] = {
    "start_s": lambda row: row["start_ns"] / 1e9,
    "length_s": lambda row: row["length_ns"] / 1e9,
    "scheduled": lambda row: row["scheduled"],
    "requests": lambda row: row["sent"],
    "completed": lambda row: row["completed"],
    "dropped": lambda row: row["dropped"],
    "unsent": lambda row: row["unsent"],
    "rate": lambda row: row["completed"] * 1e9 / row["length_ns"] if row["length_ns"] else 0.0,
    "errors": lambda row: sum(row[kind] for kind in _FAILURES),  # type: ignore[literal-required]
    "connect": lambda row: row["connect"],
    "timeout": lambda row: row["timeout"],
    "reset": lambda row: row["reset"],
    "protocol": lambda row: row["protocol"],
    "status": lambda row: row["status"],
    "bytes_sent": lambda row: row["bytes_sent"],
    "bytes_received": lambda row: row["bytes_received"],
}

_PAYLOADS: dict[str, Callable[[IntervalRow], bytes]] = {
    "latency": lambda row: row["latency"],
    "service": lambda row: row["service"],
    "send_lag": lambda row: row["send_lag"],
}

_TIME_FIGURES: dict[str, tuple[str, Callable[[Distribution], float]]] = {
    "p50": ("latency", lambda times: times.p50),
    "p90": ("latency", lambda times: times.p90),
    "p99": ("latency", lambda times: times.p99),
    "p999": ("latency", lambda times: times.p999),
    "mean": ("latency", lambda times: times.mean),
    "max": ("latency", lambda times: times.max),
    "service_p50": ("service", lambda times: times.p50),
    "service_p99": ("service", lambda times: times.p99),
    "send_lag_p50": ("send_lag", lambda times: times.p50),
    "send_lag_p99": ("send_lag", lambda times: times.p99),
}
