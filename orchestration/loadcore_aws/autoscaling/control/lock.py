"""One controller at a time on this machine."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import loadcore as lc

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class FileLock:
    """Held while it is used as a context manager; the kernel lets go of it when the process ends,
    however that comes about, so that the file itself, with the holder's process id, may stay."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> FileLock:
        """Raises loadcore.RunError where another process holds it, and OSError."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            self._close()
            process = f" (process {holder})" if holder.isdecimal() else ""
            raise lc.RunError(f"another controller of this group is at work here{process}; it "
                              f"holds {self._path}: wait for it or end it") from None  # fmt: skip
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
