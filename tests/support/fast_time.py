"""Time for the stack's engine in which nobody waits."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

from loadcore_aws.stack.account import Time

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


class FastTime:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds

    def time(self) -> Time:
        return Time(
            now=lambda: self._now,
            sleep=self.sleep,
            jitter=lambda: 0.5,
            date=lambda: NOW + timedelta(seconds=self._now),
        )
