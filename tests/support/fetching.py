"""What comes over a network is asked for more than once."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIES = 3
PAUSE_S = 10.0


class FetchError(Exception):
    """A command that fetches something has failed."""


def run(command: list[str], timeout_s: float) -> None:
    """Raises FetchError with the end of what it said, or subprocess.TimeoutExpired."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
    )
    if done.returncode != 0:
        said = done.stdout[-2000:] + done.stderr[-2000:]
        raise FetchError(f"{' '.join(command)}:\n{said}")


def fetch(make: Callable[[Path], None], folder: Path) -> None:
    """Has `make` fill a folder beside `folder`, which is then given that name: whole or not there.

    Raises what `make` raises the last time.
    """
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(TRIES)):
        shutil.rmtree(partial, ignore_errors=True)
        try:
            make(partial)
        except (FetchError, subprocess.TimeoutExpired):
            shutil.rmtree(partial, ignore_errors=True)
            if not left:
                raise
            time.sleep(PAUSE_S)
        else:
            partial.rename(folder)
            return
