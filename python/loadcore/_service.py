"""The likes service in this process, on threads of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from loadcore import _core
from loadcore._errors import PlanError, translated
from loadcore._limits import ServiceLimits
from loadcore._plan import usable_cpus
from loadcore._units import count, nanoseconds, seconds

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from loadcore._units import Count, Duration

DRAIN_DEFAULT_S = 5.0
USERS_MAX_DEFAULT = 10_000_000
KEYS_MAX_DEFAULT = 1_048_576
KEY_AGE_DEFAULT_S = 86_400.0
SNAPSHOT_LOG_BYTES_DEFAULT = 67_108_864
LIMITS_DEFAULT = ServiceLimits()

Durability = Literal["memory", "os", "fsync"]
LogDetail = Literal["off", "events", "requests"]


class Service:
    """A likes service that accepts connections; `serve` makes it. Safe to use from any thread.

    As a context manager it drains and stops at the end of the block.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        threads: int,
        data: str,
        durability: Durability,
        users_max: int,
        keys_max: int,
        key_age_ns: int,
        snapshot_log_bytes: int,
        admin_host: str,
        admin_port: int | None,
        log: LogDetail,
        listener: int | None,
        limits: ServiceLimits,
    ) -> None:
        with translated():
            self._service = _core.Service(
                host=host,
                port=port,
                threads=threads,
                data=data,
                durability=durability,
                users_max=users_max,
                keys_max=keys_max,
                key_age_ns=key_age_ns,
                snapshot_log_bytes=snapshot_log_bytes,
                admin_host=admin_host,
                admin_port=admin_port,
                log=log,
                listener=listener,
                limits=limits.for_core(),
            )
        self._durability: Durability = durability

    @property
    def durability(self) -> Durability:
        """What the answer to a like promises: "memory", "os" or "fsync"."""
        return self._durability

    @property
    def url(self) -> str:
        """Where it listens, such as "http://127.0.0.1:8080"."""
        return self._service.url

    @property
    def admin_url(self) -> str | None:
        """Where the admin listener answers /metrics, if there is one."""
        return self._service.admin_url or None

    @property
    def port(self) -> int:
        return self._service.port

    def stats(self) -> dict[str, Any]:
        """Counts so far: requests by route and status, connections, users, likes, the log."""
        return dict(self._service.stats())

    def stop(self, drain: Duration = DRAIN_DEFAULT_S) -> bool:
        """Drains, then stops; safe to call twice.

        False if connections had to be cut off after `drain`.
        """
        return self._service.stop(nanoseconds(seconds(drain, "drain", zero=True)))

    def wait(self, timeout: Duration | None = None) -> bool:
        """True once it has stopped; False after `timeout`."""
        if timeout is None:
            return self._service.wait(None)
        return self._service.wait(nanoseconds(seconds(timeout, "timeout", zero=True)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<likes service at {self.url}>"


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    threads: Count | None = None,
    data: str | os.PathLike[str] | None = None,
    durability: Durability | None = None,
    users_max: Count = USERS_MAX_DEFAULT,
    keys_max: Count = KEYS_MAX_DEFAULT,
    key_age: Duration = KEY_AGE_DEFAULT_S,
    snapshot_log_bytes: Count = SNAPSHOT_LOG_BYTES_DEFAULT,
    admin_host: str = "127.0.0.1",
    admin_port: int | None = None,
    log: LogDetail = "off",
    listener: int | None = None,
    limits: ServiceLimits = LIMITS_DEFAULT,
) -> Service:
    """Starts the likes service; it accepts connections when this returns.

    port: 0 picks a free one. threads: half of the CPUs that this process may use, unless given.
    data: a directory of its own to keep likes in; without it they are in memory.
    durability: what the answer to a like promises: "fsync" (with data, unless told otherwise: it
    survives a loss of power), "os" (it survives the process), "memory" (without data: nothing).
    users_max: likes of users beyond that many are refused.
    keys_max, key_age: how many Idempotency-Keys are remembered, and how long.
    snapshot_log_bytes: a snapshot is taken once the log is this long and half as long as the last
    snapshot. Shorter: a faster start and less disk, more writing.
    admin_host, admin_port: where GET /metrics (for Prometheus) and GET /v1/healthcheck are answered
    too; nowhere without a port, a free one for 0.
    log: JSON lines on stderr: "events" for start, end and what goes wrong, "requests" for each
    request as well, up to 1,000 a second and thread.
    listener: the descriptor of a TCP socket that listens already, in place of host and port.
    limits: on connections, and on how slow a client may be.

    Raises PlanError for an argument, DataError for a directory that cannot be used, and RunError
    where it cannot listen there.
    """
    thread_count = max(1, usable_cpus() // 2) if threads is None else count(threads, "threads")
    directory = "" if data is None else os.fspath(data)
    if data is not None and not directory:
        raise PlanError("data", "is empty; name a directory")
    if durability is None:
        durability = "fsync" if directory else "memory"
    return Service(
        host=host,
        port=_port(port, "port"),
        threads=thread_count,
        data=directory,
        durability=durability,
        users_max=count(users_max, "users_max"),
        keys_max=count(keys_max, "keys_max"),
        key_age_ns=nanoseconds(seconds(key_age, "key_age", zero=True)),
        snapshot_log_bytes=count(snapshot_log_bytes, "snapshot_log_bytes"),
        admin_host=admin_host,
        admin_port=None if admin_port is None else _port(admin_port, "admin_port"),
        log=log,
        listener=listener,
        limits=limits,
    )


def _port(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65_535:
        raise PlanError(field, f"must be from 0 (any that is free) to 65535, not {value!r}")
    return value
