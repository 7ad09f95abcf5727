"""How long to go on after an error, and how long to wait in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import loadcore as lc
from loadcore_aws.stack.errors import Meaning, explained, meaning

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Time

Answer = TypeVar("Answer")

PAUSE_S_MIN = 0.5
PAUSE_S_MAX = 10.0
POLL_S_MIN = 1.0
POLL_S_MAX = 15.0

FIRST_CALL_WITHIN_S = 15.0
WITHIN_S = {
    Meaning.THROTTLED: 300.0,
    Meaning.UNKNOWN: 120.0,
    Meaning.NOT_YET: 120.0,
    Meaning.IN_USE: 120.0,
    Meaning.GONE: 30.0,
}


class StoppedError(Exception):
    """Somebody asked for the end of it; what is under way in AWS goes on there."""


class Patience:
    """One step's. Pauses double up to PAUSE_S_MAX, each cut at random to between half of it and all
    ("Exponential Backoff And Jitter", AWS Architecture Blog). Not for several threads at once."""

    def __init__(self, time: Time, doing: str, stop: threading.Event | None = None) -> None:
        self._time = time
        self._doing = doing
        self._stop = stop
        self._begin: dict[Meaning, float] = {}
        self._pauses = 0

    def wait_after(self, error: Exception, *, within_s: float | None = None) -> Meaning:
        """Waits, and tells what the error meant; `within_s` in place of what its meaning allows.

        Raises what is to be told where waiting is no use, or has been long enough.
        """
        what = meaning(error)
        now = self._time.now()
        begin = self._begin.setdefault(what, now)
        limit_s = WITHIN_S.get(what, 0.0) if within_s is None else within_s
        if what is Meaning.REFUSED or now - begin >= limit_s:
            raise explained(error, self._doing) from error
        self._pauses += 1
        self.pause(min(PAUSE_S_MAX, PAUSE_S_MIN * 2 ** min(self._pauses - 1, 10)))
        return what

    def recovered(self) -> None:
        """What was waited for has gone well: another error begins its own time."""
        self._begin.clear()
        self._pauses = 0

    def poll(self, count: int) -> None:
        """Between looks at something that takes its time; the later, the longer."""
        self.pause(min(POLL_S_MAX, POLL_S_MIN * 1.3 ** min(count, 30)))

    def pause(self, seconds: float) -> None:
        if self._stop is not None and self._stop.is_set():
            raise StoppedError
        self._time.sleep(seconds * (1 + self._time.jitter()) / 2)
        if self._stop is not None and self._stop.is_set():
            raise StoppedError


def asked(
    time: Time, doing: str, call: Callable[[], Answer], *, within_s: float | None = None
) -> Answer:
    """What `call` answers, which only looks and so may be repeated as it is. `within_s` is for a
    first call, where no answer means that there is nobody rather than a lost answer.

    Raises loadcore.LoadcoreError where AWS will not tell.
    """
    patience = Patience(time, doing)
    while True:
        try:
            return call()
        except Exception as error:
            patience.wait_after(error, within_s=within_s)


def check_time(time: Time, begin: float, within_s: float, sentence: str) -> None:
    """Raises loadcore.RunError where it has taken too long."""
    if time.now() - begin >= within_s:
        raise lc.RunError(f"{sentence}, and {within_s:.0f} s have passed; repeat the command to go "
                          "on waiting")  # fmt: skip
