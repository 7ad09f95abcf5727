"""The command `loadcore`: arguments in, one sentence and an exit code out.

0 done · 2 bad arguments, nothing sent · 3 a threshold missed · 4 it could not be carried out ·
130 interrupted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from loadcore._errors import FileError, LoadcoreError, PlanError
from loadcore.cli import _output
from loadcore.cli._group import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, BAD_ARGUMENTS, NOT_CARRIED_OUT, INTERRUPTED = 0, 2, 4, 130
# A group that was given no command; older releases of click print its help by themselves.
_NO_COMMAND: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; `arguments` default to the process's."""
    _output.prepare()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = commands.main(given or ["--help"], prog_name="loadcore", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except (click.Abort, KeyboardInterrupt) as error:
        return _failed(error, "interrupted", INTERRUPTED)
    except _NO_COMMAND as error:
        _output.complain(error.format_message())
        return BAD_ARGUMENTS
    except Exception as error:
        return _failed(error, *_explained(error))


def _explained(error: Exception) -> tuple[str, int]:
    """What to say, and the exit code."""
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, (PlanError, FileError)):
        return str(error), BAD_ARGUMENTS
    if isinstance(error, LoadcoreError):
        return str(error), NOT_CARRIED_OUT
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", NOT_CARRIED_OUT
    kind = type(error).__name__
    return f"an error in loadcore itself, {kind}: {error}; --debug says where", NOT_CARRIED_OUT


def _failed(error: BaseException, sentence: str, code: int) -> int:
    if _output.debug:
        import traceback

        _output.complain("".join(traceback.format_exception(error)).rstrip())
    _output.complain(f"loadcore: {' '.join(sentence.split())}")
    return code
