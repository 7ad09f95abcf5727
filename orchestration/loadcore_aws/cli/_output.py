"""What the commands write. Stdout may go away, as where `head` has read enough, Ctrl-C has ended
`tee`, or the disk is full; what is being done to an account then goes on, and is told on stderr.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO, cast

import click
from rich.console import Console

import loadcore as lc
from loadcore_aws._plain import CONTROLS, plain

if TYPE_CHECKING:
    from typing import IO

    from rich.text import Text

# JSON itself asks for this below U+0020 only; it is the same text to whoever reads the JSON.
_ESCAPED = {code: f"\\u{code:04x}" for code in CONTROLS if code >= 0x20}


class Stream:
    """A text stream that never raises OSError. From the first one on all goes nowhere, and `lost`
    is why. For any number of threads, as far as the stream below is."""

    def __init__(self, below: TextIO) -> None:
        self._below = below
        self.lost: OSError | None = None

    @property
    def encoding(self) -> str:
        return self._below.encoding

    def isatty(self) -> bool:
        return self._below.isatty()

    def fileno(self) -> int:
        return self._below.fileno()

    def write(self, text: str) -> int:
        if self.lost is None:
            try:
                return self._below.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        if self.lost is None:
            try:
                self._below.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = error
        # What is still buffered is written once more when the process ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._below.fileno())
        os.close(nowhere)


class Output(Console):
    """A Stream in rich's hands; colours only where it is a terminal that wants them, and nothing
    else that tells a terminal what to do."""

    def __init__(self, below: TextIO) -> None:
        self.stream = Stream(below)
        file = cast("IO[str]", self.stream)
        super().__init__(file=file, highlight=False, soft_wrap=True, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """What rich does with each string it is given; the colours come after it."""
        return super().render_str(plain(text), **options)


def stdout() -> Output:
    """This command's, the same one until its end."""
    return _output("stdout", sys.stdout)


def stderr() -> Output:
    return _output("stderr", sys.stderr)


def _output(name: str, below: TextIO | None) -> Output:
    context = click.get_current_context()
    key = f"{__name__}.{name}"
    if key not in context.meta:
        # None: whoever started us closed it, as `>&-` does.
        context.meta[key] = Output(below or context.with_resource(nowhere()))
    return cast("Output", context.meta[key])


def nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def show(lines: Iterable[str]) -> None:
    """Lines in rich's markup. That nobody reads them is no error.

    Raises loadcore.RunError where they cannot be written otherwise.
    """
    out = stdout()
    for line in lines:
        out.print(line)
    _check(out)


def say(lines: Iterable[str], *, markup: bool = True) -> None:
    """As show(), of what is being done or was done: on stderr where stdout is lost. It never
    raises, for either."""
    lines = list(lines)
    out = stdout()
    if out.stream.lost is None:
        _print(out, lines, markup=markup)
    if out.stream.lost is not None:
        _print(stderr(), lines, markup=markup)


def _print(on: Output, lines: list[str], *, markup: bool) -> None:
    for line in lines:
        on.print(line, markup=markup)


def emit(text: str) -> None:
    """Text as it is, and a newline; otherwise as show()."""
    out = stdout()
    out.stream.write(f"{text}\n")
    out.stream.flush()
    _check(out)


def emit_json(value: object) -> None:
    emit(json.dumps(value, indent=2, ensure_ascii=False).translate(_ESCAPED))


def tell(sentence: str) -> None:
    """On stderr, as a command's last error is told. Never raises."""
    err = stderr().stream
    err.write(f"loadcore: {plain(' '.join(sentence.split()))}\n")
    err.flush()


def _check(out: Output) -> None:
    lost = out.stream.lost
    if lost is not None and lost.errno != errno.EPIPE:
        raise lc.RunError(f"stdout cannot be written ({lost.strerror}); send it elsewhere")
