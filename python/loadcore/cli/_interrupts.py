"""Ctrl-C and SIGTERM: the first ends in order, the second at once."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ABORTED = 130


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it the first signal raises KeyboardInterrupt, and a second one ends the process.

    It ends without a word to anybody: whatever hung then must not hold it up. To be entered on the
    main thread.
    """
    seen = False

    def handle(_number: int, _frame: FrameType | None) -> NoReturn:
        nonlocal seen
        if seen:
            os._exit(_ABORTED)
        seen = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
