"""The exceptions of loadcore, the whole tree.

    Exception
      LoadcoreError            everything below, to catch at once
        PlanError              also a ValueError: an argument that cannot be carried out
        RunError               also a RuntimeError: sound, but it could not be carried out here
          DataError            a data directory that cannot be used as it is
        FileError              also a ValueError: a saved run that cannot be read
        MissingLibraryError    also an ImportError: an optional library that is not installed
    KeyboardInterrupt
      Interrupted              Ctrl-C during `run`; carries what was measured

A failed request is none of these: it is counted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadcore import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore._run import Run


class LoadcoreError(Exception):
    """Whatever loadcore raises on purpose; `str()` is one sentence saying what to do."""


class PlanError(LoadcoreError, ValueError):
    """An argument that cannot be carried out; raised before anything is sent.

    `field` is the argument at fault, `sentence` what is wrong with it and what to do.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(field, sentence)
        self.field = field
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}"


class RunError(LoadcoreError, RuntimeError):
    """What was asked for is sound but could not be carried out: nobody listens there, say."""


class DataError(RunError):
    """A data directory in use, damaged, of a newer version, or not readable or writable."""


class FileError(LoadcoreError, ValueError):
    """A file that is not a saved run, or is damaged, or was written by a newer loadcore."""


class MissingLibraryError(LoadcoreError, ImportError):
    """A library that loadcore itself does without is needed for this."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C stopped a run; `run` holds what was measured until then."""

    def __init__(self, run: Run) -> None:
        super().__init__("interrupted; .run holds what was measured")
        self.run = run


@contextmanager
def translated() -> Iterator[None]:
    """Turns the core's exceptions into the public ones."""
    try:
        yield
    except _core.PlanError as error:
        field, sentence = error.args
        # Some of its sentences begin with the field, which str() puts there anyway.
        raise PlanError(field, sentence.removeprefix(f"{field} ")) from None
    except _core.DataError as error:
        raise DataError(str(error)) from None
    except _core.RunError as error:
        raise RunError(str(error)) from None
