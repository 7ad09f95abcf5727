"""The command `loadcore` as a process, on pipes or on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

LOADCORE = (sys.executable, "-m", "loadcore")


def loadcore(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs it to its end; output is captured."""
    return subprocess.run(
        [*LOADCORE, *arguments], capture_output=True, text=True, timeout=60, **options
    )


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Starts it; output goes to pipes. It does not outlive the block."""
    process = subprocess.Popen(
        [*LOADCORE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


# The first terminal that a session leader opens is the one whose Ctrl-C reaches it.
_IN_CONTROL = (
    "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A process whose terminal this is; its stdout too, unless that is a file.

    As a context manager it ends the process at the end of the block.
    """

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = LOADCORE,
        stdout: int | None = None,
        cwd: Path | None = None,
        **environment: str,
    ) -> None:
        self._descriptor, terminal = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _IN_CONTROL, *command, *arguments],
            stdin=terminal,
            stdout=terminal if stdout is None else stdout,
            stderr=terminal,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
            start_new_session=True,
        )
        os.close(terminal)
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._descriptor)

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def read_until(self, text: str, timeout_s: float = 20) -> None:
        end = time.monotonic() + timeout_s
        while text not in self.output:
            left = end - time.monotonic()
            assert left > 0, f"no {text!r} in {self.output!r}"
            if not self._read(left):
                raise AssertionError(f"it ended without {text!r}: {self.output!r}")

    def exit_code(self, timeout_s: float = 30) -> int:
        """Reads to the end of the output and waits for the end of the process."""
        end = time.monotonic() + timeout_s
        while self._read(max(0.0, end - time.monotonic())):
            assert time.monotonic() < end, f"it goes on and on: {self.output!r}"
        return self._process.wait()

    def _read(self, timeout_s: float) -> bool:
        """False at the end of the output."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.output += data.decode(errors="replace")
        return bool(data)
