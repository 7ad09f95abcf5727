"""The likes service in this process, on threads of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore import _core
from loadcore._errors import PlanError, translated
from loadcore._plan import usable_cpus
from loadcore._units import count, nanoseconds, seconds

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from loadcore._units import Count, Duration

DRAIN_DEFAULT_S = 5.0


class Service:
    """A likes service that accepts connections; `serve` makes it. Safe to use from any thread.

    As a context manager it drains and stops at the end of the block.
    """

    def __init__(self, *, host: str, port: int, threads: int) -> None:
        with translated():
            self._service = _core.Service(host=host, port=port, threads=threads)

    @property
    def url(self) -> str:
        """Where it listens, such as "http://127.0.0.1:8080"."""
        return self._service.url

    @property
    def port(self) -> int:
        return self._service.port

    def stats(self) -> dict[str, Any]:
        """Counts so far: requests by route and status, connections, users, likes."""
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


def serve(*, host: str = "127.0.0.1", port: int = 0, threads: Count | None = None) -> Service:
    """Starts the likes service; it accepts connections when this returns.

    port: 0 picks a free one. threads: half of the CPUs that this process may use, unless given.
    Raises PlanError for an argument, and RunError where it cannot listen there.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
        raise PlanError("port", f"must be from 0 (any that is free) to 65535, not {port!r}")
    thread_count = max(1, usable_cpus() // 2) if threads is None else count(threads, "threads")
    return Service(host=host, port=port, threads=thread_count)
