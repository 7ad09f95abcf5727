"""Starting a run, watching it, and waiting for its end."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from loadcore import _core, _environment
from loadcore._errors import Interrupted, PlanError, RunError, translated
from loadcore._plan import Plan
from loadcore._run import Failures, Requests, Run, requests_of
from loadcore._units import nanoseconds, seconds

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from loadcore._plan import PlanOptions
    from loadcore._units import Duration

# How long outstanding answers are waited for after Ctrl-C: a person is waiting too.
INTERRUPTED_DRAIN_S = 1.0

__all__ = ["Failures", "Progress", "Requests", "RunHandle", "run", "start"]


class Progress(NamedTuple):
    """How far a run is. Times are in seconds."""

    phase: str
    """ "connecting", "warmup", "running", "draining" or "done"."""
    elapsed: float
    """Since the start of what is measured."""
    remaining: float | None
    """Of sending; None where the plan is bounded by a count."""
    requests: Requests
    """Up to the last whole interval."""
    rate: float
    """Completed a second over the last whole interval."""
    p50: float
    """Latency over the last whole interval, 0 before there is one."""
    p99: float


class RunHandle:
    """A run under way, on threads of its own; `start` makes it. Safe to use from any thread.

    As a context manager it stops the run, if it is not over, and waits for its end.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._environment = _environment.describe()
        with translated():
            self._engine = _core.Engine(**plan.engine_arguments())
            self._engine.start()

    def progress(self) -> Progress:
        now = self._engine.progress()
        remaining_ns = now["remaining_ns"]
        return Progress(
            phase=now["phase"],
            elapsed=now["elapsed_ns"] / 1e9,
            remaining=None if remaining_ns is None else remaining_ns / 1e9,
            requests=requests_of(now["counts"]),
            rate=now["rate_rps"],
            p50=now["p50_ns"] / 1e9,
            p99=now["p99_ns"] / 1e9,
        )

    def stop(self, drain: Duration | None = None) -> None:
        """Starts nothing new, and returns at once.

        Outstanding answers are waited for up to `drain`, the plan's timeout if that is None; what
        has not come by then counts as timed out.
        """
        drain_ns = None if drain is None else nanoseconds(seconds(drain, "drain", zero=True))
        self._engine.stop(drain_ns)

    def wait(self, timeout: Duration | None = None) -> Run:
        """The finished run, once it is over.

        Raises TimeoutError if it is not over within `timeout`, and RunError if the target could
        not be reached from the start. Ctrl-C raises KeyboardInterrupt and leaves the run alone.
        """
        timeout_ns = None
        if timeout is not None:
            timeout_ns = nanoseconds(seconds(timeout, "timeout", zero=True))
        if not self._engine.wait(timeout_ns):
            raise TimeoutError(f"the run is not over after {timeout}")
        result = self._engine.result()
        if result["outcome"] == "unreachable":
            raise RunError(
                f"cannot reach {self.plan.url}: {result['reason']}; "
                f"check the address and that something listens there"
            )
        return Run(self.plan, result, self._environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._engine.stop(None if kind is None else nanoseconds(INTERRUPTED_DRAIN_S))
        self._engine.wait(None)

    def __repr__(self) -> str:
        progress = self.progress()
        return f"<RunHandle {self.plan.url}: {progress.phase}, {progress.elapsed:.1f} s>"


def start(url: str | Plan, **options: Unpack[PlanOptions]) -> RunHandle:
    """Starts a run and returns at once; takes the arguments of `Plan.of`, or a Plan.

    Raises PlanError before anything is sent.
    """
    if not isinstance(url, Plan):
        return RunHandle(Plan.of(url, **options))
    if options:
        raise PlanError(next(iter(options)), "is in the plan already: give a plan or arguments")
    return RunHandle(url)


def run(url: str | Plan, **options: Unpack[PlanOptions]) -> Run:
    """Carries out a run and returns it; takes the arguments of `Plan.of`, or a Plan.

    Raises PlanError before anything is sent, and RunError if the target could not be reached from
    the start. Ctrl-C stops the run, waits a second at most for outstanding answers and raises
    Interrupted, whose `run` is what was measured until then; another Ctrl-C ends it at once.
    """
    handle = start(url, **options)
    try:
        return handle.wait()
    except KeyboardInterrupt:
        handle.stop(drain=INTERRUPTED_DRAIN_S)
        try:
            measured = handle.wait()
        except BaseException:
            handle.stop(drain=0)
            raise
        raise Interrupted(measured) from None


def _show_arguments(function: Any) -> None:
    """Lets help() and editors see the arguments that `**options` stands for."""
    shown = inspect.signature(Plan.of)
    returns = inspect.signature(function).return_annotation
    function.__signature__ = shown.replace(return_annotation=returns)


_show_arguments(start)
_show_arguments(run)
