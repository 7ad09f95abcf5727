"""The C++ core. Times are integers in nanoseconds here; the package turns them into seconds."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TypedDict

class PlanError(ValueError):
    """A plan that cannot be carried out; `args` is (field, sentence)."""

class RunError(RuntimeError):
    """Something sound that could not be carried out here."""

class DataError(RunError):
    """A data directory that cannot be used as it is."""

class Histogram:
    """Counts of durations from 1 ns to 1 h, to three significant digits, in fixed memory.

    Bucketed as HdrHistogram does (hdrhistogram.org; lowest 1, highest 3.6e12, 3 digits). Copies,
    pickles and compares by its counts; unhashable. Counts stop at 2**63 - 1, they never wrap.
    """

    def __init__(self) -> None: ...
    def record(self, value_ns: int, count: int = 1) -> None:
        """Values outside the range are counted at its nearer end."""
    def merge(self, other: Histogram) -> None:
        """Adds every count of `other`: exactly what recording both would have given."""
    def reset(self) -> None: ...
    def value_at_percentile(self, percentile: float) -> int:
        """The smallest value, to the end of its bucket, that at least `percentile` (0 to 100)
        percent of the observations do not exceed; the smallest observation at 0; 0 when empty.
        Raises ValueError outside 0 to 100."""
    def values_at_percentiles(self, percentiles: Sequence[float]) -> list[int]:
        """The same for each, in the order given, in one walk."""
    def count_between(self, low_ns: int, high_ns: int) -> int:
        """Observations from `low_ns` to `high_ns`, both included, to the precision of buckets."""
    def mean(self) -> float: ...
    def stddev(self) -> float:
        """Standard deviation of the population."""
    def encode(self) -> bytes:
        """The HdrHistogram V2 payload with its header, not compressed."""
    @staticmethod
    def decode(data: bytes) -> Histogram:
        """What encode(), or another HdrHistogram, wrote; raises ValueError for anything else."""
    def buckets(self) -> list[tuple[int, int, int]]:
        """(lowest ns, highest ns, count) of every bucket that holds something, ascending."""
    @property
    def count(self) -> int: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...
    def __copy__(self) -> Histogram: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Histogram: ...
    def __eq__(self, other: object) -> bool: ...
    __hash__: None  # type: ignore[assignment]

class Counts(TypedDict):
    """The accounting of the contract: scheduled = sent + dropped + unsent, and
    sent = completed + connect + timeout + reset + protocol."""

    scheduled: int
    sent: int
    completed: int
    dropped: int
    unsent: int
    connect: int
    timeout: int
    reset: int
    protocol: int
    status: int

class IntervalRow(Counts):
    start_ns: int
    length_ns: int
    bytes_sent: int
    bytes_received: int
    latency: bytes
    service: bytes
    send_lag: bytes

class ThreadRow(TypedDict):
    cpu_ns: int
    wall_ns: int
    connections: int
    sent: int
    late_p50_ns: int
    late_p99_ns: int
    late_max_ns: int

class Progress(TypedDict):
    phase: str  # "connecting", "warmup", "running", "draining", "done"
    elapsed_ns: int
    remaining_ns: int | None
    counts: Counts
    rate_rps: float  # completed a second over the last whole interval
    p50_ns: int  # of the last whole interval
    p99_ns: int

class Result(TypedDict):
    outcome: str  # "completed", "stopped", "unreachable"
    reason: str  # of "unreachable": what the last attempt to connect said
    started_unix_ns: int
    duration_ns: int  # up to the end of sending
    elapsed_ns: int  # up to the last answer
    counts: Counts
    warmup_counts: Counts
    status_codes: dict[int, int]
    bytes_sent: int
    bytes_received: int
    connects: int
    latency: Histogram
    service: Histogram
    send_lag: Histogram
    generator_late: Histogram
    blocked: Histogram
    intervals: list[IntervalRow]
    threads: list[ThreadRow]
    verdict: str
    reasons: list[str]

class Engine:
    """One load run. Its threads never touch Python."""

    def __init__(
        self,
        *,
        url: str,
        name: str = "request",
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        rate_rps: float | None = None,
        requests: int | None = None,
        duration_ns: int | None = None,
        warmup_ns: int = 0,
        think_time_ns: int = 0,
        drop_after_ns: int | None = None,
        connections: int = 64,
        threads: int = 1,
        timeout_ns: int = 10_000_000_000,
        connect_timeout_ns: int = 5_000_000_000,
        interval_ns: int = 1_000_000_000,
    ) -> None:
        """Checks the plan; raises PlanError."""
    def start(self) -> None:
        """Starts the threads and returns."""
    def stop(self, drain_ns: int | None = None) -> None:
        """Starts nothing new; outstanding answers are waited for, up to the request timeout or
        `drain_ns` if that is given."""
    def wait(self, timeout_ns: int | None = None) -> bool:
        """True once the run is over. Lets Ctrl-C through (raises KeyboardInterrupt)."""
    def progress(self) -> Progress: ...
    def result(self) -> Result:
        """Of a run that is over."""

class Service:
    """The likes service on threads of its own."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 1,
        data: str = "",
        durability: str = "memory",
        users_max: int = 10_000_000,
        keys_max: int = 1_048_576,
        key_age_ns: int = 86_400_000_000_000,
        snapshot_log_bytes: int = 67_108_864,
        admin_host: str = "127.0.0.1",
        admin_port: int | None = None,
        log: str = "off",
        listener: int | None = None,
        limits: Mapping[str, int] = ...,
    ) -> None:
        """Recovers what `data` holds, then listens; raises PlanError for the arguments, DataError
        for the directory and RunError for a port in use."""
    @property
    def port(self) -> int: ...
    @property
    def url(self) -> str: ...
    @property
    def admin_url(self) -> str:
        """Empty without an admin listener."""
    def stop(self, drain_ns: int = 5_000_000_000) -> bool:
        """Drains, then stops; False if connections had to be cut off. Safe to call twice."""
    def wait(self, timeout_ns: int | None = None) -> bool:
        """True once it has stopped. Lets Ctrl-C through."""
    def stats(self) -> Mapping[str, Any]:
        """Counts so far: requests by route and status, connections, users, likes."""
    def __enter__(self) -> Service: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

def likes_check(path: str, *, key_age_ms: int) -> dict[str, Any]:
    """Reads a data directory that nobody has open and changes nothing: files, damage, counts.

    This and the calls below raise DataError for a directory in use, missing, unreadable or of a
    newer version, and let Ctrl-C through. `key_age_ms`: the service's own --key-age.
    """

def likes_repair(path: str, *, key_age_ms: int, dry_run: bool = False) -> dict[str, Any]:
    """Keeps what can be kept of a damaged directory; leaves a sound one alone."""

def likes_audit(path: str, *, key_age_ms: int) -> dict[str, Any]:
    """Holds the newest snapshot and its log against a recount from further back."""

class LikesExport:
    """A directory's counts as text, in no particular order. Of one thread at a time."""

    def __init__(self, path: str, *, json_lines: bool = False) -> None:
        """CSV unless `json_lines`."""
    @property
    def users(self) -> int: ...
    @property
    def likes(self) -> int: ...
    def next(self) -> bytes:
        """The next whole lines; empty at the end."""

class LikesImport:
    """Adds such text to a directory: all of it or nothing. Of one thread at a time."""

    def __init__(self, path: str, *, key_age_ms: int) -> None: ...
    def take(self, text: bytes) -> None:
        """The next bytes, cut anywhere; raises PlanError, whose field names the line."""
    def finish(self) -> dict[str, Any]:
        """Makes it count, in one step; makes the directory where there is none."""
