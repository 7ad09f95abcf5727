"""Figures that need this machine: a load run, and the output of a program."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws._signals import handled
from loadcore_aws.autoscaling.control import sources
from loadcore_aws.autoscaling.control.config import Command, LoadRun
from loadcore_aws.autoscaling.control.sources import NoFigure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.control.config import Figure
    from loadcore_aws.autoscaling.control.decide import Group
    from loadcore_aws.autoscaling.control.sources import Clients, Source

OUTPUT_BYTES_MAX = 4096


def source_of(figure: Figure, clients: Clients) -> Source:
    """Whatever reads the figure; nothing is read yet."""
    if isinstance(figure, LoadRun):
        return RunSource(figure)
    if isinstance(figure, Command):
        return CommandSource(figure)
    return sources.source_of(figure, clients)


class RunSource:
    """A run that says more about the generator than about the target gives no figure."""

    def __init__(self, figure: LoadRun) -> None:
        self._plan = figure.plan()
        self._value = figure.value

    def value(self, group: Group) -> float:
        try:
            run = lc.run(self._plan)
        except lc.RunError as error:
            raise NoFigure(str(error)) from None
        if run.verdict.state == "generator-bound":
            raise NoFigure(f"the load generator was the limit: {run.verdict.reasons[0]}")
        if self._value == "rate":
            return run.rate.achieved
        if self._value == "errors":
            return run.requests.failed.total / max(run.requests.scheduled, 1)
        return float(getattr(run.latency, self._value))


class CommandSource:
    """The program runs in a group of its own, so that what it starts ends with it."""

    def __init__(self, figure: Command) -> None:
        self._command = list(figure.command)
        self._timeout_s = figure.timeout_s

    def value(self, group: Group) -> float:
        name = self._command[0]
        process = None
        try:
            with _interrupts_later():
                process = self._begun()
            output = self._output(process)
        finally:
            if process is not None:
                _end(process)
        if process.returncode:
            raise NoFigure(f"{name}: ended with {process.returncode}")
        try:
            return float(output)
        except ValueError:
            raise NoFigure(f"{name}: wrote {output[:80]!r}, which is no number") from None

    def _begun(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise NoFigure(f"{self._command[0]}: {error.strerror or error}") from None

    def _output(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout
        deadline_s = time.monotonic() + self._timeout_s
        output = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(deadline_s - time.monotonic()):
                    raise NoFigure(f"{self._command[0]}: not done after {self._timeout_s:g} s")
                chunk = os.read(process.stdout.fileno(), OUTPUT_BYTES_MAX)
                if not chunk:
                    break
                output += chunk
                if len(output) > OUTPUT_BYTES_MAX:
                    raise NoFigure(f"{self._command[0]}: wrote more than a number")
        try:
            process.wait(max(deadline_s - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise NoFigure(f"{self._command[0]}: not done after {self._timeout_s:g} s") from None
        return output.decode(errors="replace").strip()


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Ctrl-C or SIGTERM just when a program has begun would lose it, and leave it running: they
    come after."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears of it
        yield
        return
    came: list[int] = []
    with handled(lambda number, _frame: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing is left that held the figure up. Until it has been waited for, its process id, which
    is the group's, is nobody else's."""
    assert process.stdout
    process.stdout.close()
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
