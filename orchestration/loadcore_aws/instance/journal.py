"""The journal's entries, read as `journalctl -o json` prints them.

Source: systemd, "Journal JSON Format" and journalctl(1).
"""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True)
class Entry:
    """One line of a log; `time_ms` since 1970, `cursor` its place in the journal."""

    time_ms: int
    message: str
    cursor: str


def entry(line: bytes) -> Entry | None:
    """None for what is no entry: a line that a full disk cut off, say."""
    try:
        told = json.loads(line)
        time_ms = int(told["__REALTIME_TIMESTAMP"]) // 1000
        return Entry(time_ms, _text(told.get("MESSAGE")), told["__CURSOR"])
    except (ValueError, KeyError, TypeError):
        return None


def _text(message: Any) -> str:
    """A field is a string, an array of bytes where it is not printable, or an array of those where
    it occurs more than once."""
    if isinstance(message, str):
        return message
    if isinstance(message, list):
        if all(isinstance(byte, int) for byte in message):
            return bytes(message).decode(errors="replace")
        return "\n".join(map(_text, message))
    return ""


def command(units: Sequence[str], cursor: str) -> list[str]:
    """Prints everything from `cursor` on, that entry first, and goes on with what comes.

    Not --after-cursor: where the entry is no longer there, that leaves out one that is new.
    """
    call = ["journalctl", "--follow", "--no-tail", "--all", "--quiet", "--output=json"]
    # What an earlier boot wrote last, too: --follow alone leaves it out.
    call += ["--merge"]
    call += ["--output-fields=MESSAGE"]  # and the fields with __, always
    call += [f"--unit={unit}" for unit in units]
    return [*call, f"--cursor={cursor}"] if cursor else call


@contextmanager
def following(
    units: Sequence[str],
    cursor: str,
    start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
) -> Iterator[IO[bytes]]:
    """The lines of journalctl, which ends with the block. It waits while nobody reads.

    Raises lc.RunError where there is no journalctl.
    """
    try:
        process = start(command(units, cursor), stdout=subprocess.PIPE)
    except OSError as error:
        raise lc.RunError(f"journalctl: {error.strerror}; the log is read through it") from None
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            process.terminate()
