"""A log group that is read, and time that goes on only when slept."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from loadcore_aws.stack import logs_follow
from loadcore_aws.stack.account import Time
from loadcore_aws.stack.logs_follow import LogReader
from loadcore_aws.stack.names import Owner

OWNER = Owner("likes", "eu-central-1", "123456789012")
NOW = datetime.now(timezone.utc).replace(microsecond=0)
NOW_MS = round(NOW.timestamp() * 1000)


class EnoughError(Exception):
    pass


class Clock:
    """Goes on only when slept: each wait for a poll runs the next of `before`, and EnoughError ends
    it. The tests' own date: by the real clock, NOW is long past at the end of a full run."""

    def __init__(self, *before: Any) -> None:
        self.slept: list[float] = []
        self.before = list(before)

    @property
    def time(self) -> Time:
        return Time(
            now=lambda: sum(self.slept),
            sleep=self.sleep,
            jitter=lambda: 0.5,
            date=lambda: NOW + timedelta(seconds=sum(self.slept)),
        )

    def sleep(self, seconds: float) -> None:
        if seconds == logs_follow.POLL_S:
            if not self.before:
                raise EnoughError
            self.before.pop(0)()
        self.slept.append(seconds)


def nothing() -> None:
    """To do before a poll."""


def followed(account: Any, since: timedelta = timedelta(minutes=5), **options: str) -> list[str]:
    seen = []
    events = LogReader(account, OWNER, **options).follow(since)
    with suppress(EnoughError):
        for event in events:
            seen.append(f"{event.instance} {event.message}")
    return seen


class Pages:
    """A log group that gives `size` events a page, and an empty page after each; and is read at
    most once in a quarter of a second."""

    def __init__(self, events: list[tuple[int, str]], clock: Clock, size: int = 3) -> None:
        self.events: list[dict[str, Any]] = [
            {"eventId": f"{at:04}", "timestamp": NOW_MS - ago_ms, "logStreamName": "i-1",
             "message": f"{text}\n"} for at, (ago_ms, text) in enumerate(events)
        ]  # fmt: skip
        self.time = clock.time
        self.asked_s: list[float] = []
        self.begins: list[int] = []
        self._size = size

    def client(self, service: str) -> Pages:
        assert service == "logs"
        return self

    def filter_log_events(
        self,
        *,
        startTime: int,  # noqa: N803
        endTime: int = NOW_MS * 2,  # noqa: N803
        nextToken: str = "0",  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        self.asked_s.append(self.time.now())
        self.begins.append(NOW_MS - startTime)
        fitting = [each for each in self.events if startTime <= each["timestamp"] <= endTime]
        fitting.sort(key=lambda each: each["timestamp"])
        page = int(nextToken)
        begin = page // 2 * self._size
        last = begin + self._size >= len(fitting) and page % 2 == 1
        events = fitting[begin : begin + self._size] if page % 2 == 0 else []
        return {"events": events, **({} if last else {"nextToken": str(page + 1)})}
