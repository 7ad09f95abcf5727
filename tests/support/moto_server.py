"""moto's server as a process, which is asked over HTTP as AWS would be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def moto_server(**settings: str) -> Iterator[str]:
    """Its URL, on a free port of 127.0.0.1 of the caller's network; empty at first. `settings` are
    variables of its environment."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    environment = {**os.environ, **settings}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _url_of(process)
        finally:
            process.terminate()


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if match := re.search(r"Running on (http://\S+)", line):
            # Its log must go somewhere, or it blocks once the pipe is full.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return match[1]
    raise AssertionError("moto's server did not start:\n" + "".join(said))
