"""Faults of the disk under a process, by a library loaded before the C library."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".cpp")


@cache
def _library() -> Path:
    """Compiled once a test run."""
    folder = Path(tempfile.mkdtemp(prefix="loadcore-faults-"))
    atexit.register(shutil.rmtree, folder)
    library = folder / "faulty_disk.so"
    compiler = os.environ.get("CXX", "c++")
    flags = ["-std=c++20", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class FaultyDisk:
    """`environment` puts it under a process; the methods apply to that process at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.environment = {"LD_PRELOAD": str(_library()), "LOADCORE_FAULTS": str(folder)}

    def fail_next_sync(self) -> None:
        """With EIO, once."""
        (self._folder / "sync-fails").touch()

    @property
    def sync_has_failed(self) -> bool:
        return not (self._folder / "sync-fails").exists()

    def slow_down_syncs(self, milliseconds: int) -> None:
        (self._folder / "sync-waits").write_text(str(milliseconds))

    def fill(self) -> None:
        """Every write gets half of itself in, and then there is no room."""
        (self._folder / "disk-full").touch()

    def heal(self) -> None:
        for fault in self._folder.iterdir():
            fault.unlink(missing_ok=True)
