"""Reading a log group within its quota and in bounded memory, page by page."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from client_errors import client_error
from log_pages import NOW_MS, OWNER, Clock, Pages, followed, nothing

import loadcore as lc
from loadcore_aws.stack import logs_follow
from loadcore_aws.stack.logs_follow import Known, LogEvent, LogReader, in_order


def test_every_page_is_read_and_no_quicker_than_the_quota_allows() -> None:
    """More equal times than one page holds, which stay as they came."""
    pages = Pages([(1000, str(at)) for at in range(10)], Clock())
    reader = LogReader(pages, OWNER)  # type: ignore[arg-type]
    assert [event.message for event in reader.since(timedelta(minutes=1))] == [
        str(at) for at in range(10)
    ]
    assert pages.asked_s == [0.25 * at for at in range(8)]


def test_a_busy_group_is_read_back_the_less_often() -> None:
    """10 pages of what may come late: every 10 s would be half of all calls there may be."""
    clock = Clock(*[nothing] * 90)
    pages = Pages([(60_000 + at, "busy") for at in range(15)] + [(0, "new")], clock)
    followed(pages)
    polls = 90
    far = len(pages.asked_s) - 12 - 2 * polls
    assert far == 2 * 10  # two of 10 pages, 100 s apart
    gaps = [after - before for before, after in itertools.pairwise(pages.asked_s)]
    assert min(gaps) >= 0.25


def test_an_hour_is_as_far_back_as_is_looked() -> None:
    """Half an hour later it is another hour."""
    pages = Pages([(0, "new")], Clock(*[nothing] * 900))
    followed(pages, timedelta(minutes=50))
    assert set(pages.begins[:15]) == {3_000_000, 30_000}
    assert sorted(set(pages.begins[-15:]))[-1] < 1_850_000


def test_throttled_now_and_then_it_goes_on_however_long_it_takes() -> None:
    """Each page of these is refused once; what is patient with one of them begins anew."""

    class Throttled(Pages):
        def filter_log_events(self, **asked: Any) -> dict[str, Any]:
            if len(self.asked_s) % 2:
                self.asked_s.append(self.time.now())
                raise client_error("ThrottlingException")
            return super().filter_log_events(**asked)

    clock = Clock()
    pages = Throttled([(1000 - at, str(at)) for at in range(500)], clock, size=1)
    reader = LogReader(pages, OWNER)  # type: ignore[arg-type]
    assert len(list(reader.since(timedelta(minutes=1)))) == 500
    assert 300 < sum(clock.slept) < 700


def test_memory_is_bounded_and_even_then_nothing_comes_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was forgotten is not looked for: a late one of that time is lost, and a newer is not."""
    monkeypatch.setattr(logs_follow, "KNOWN_MAX", 8)
    clock = Clock(*[nothing] * 12)
    pages = Pages([(290_000 - 1000 * at, str(at)) for at in range(100)], clock, size=50)

    def late() -> None:
        at = {"logStreamName": "i-1", "message": "late"}
        pages.events.append({"eventId": "a", "timestamp": NOW_MS - 280_000, **at, "message": "no"})
        pages.events.append({"eventId": "b", "timestamp": NOW_MS - 191_500, **at})

    clock.before[2] = late
    assert followed(pages) == [*(f"i-1 {at}" for at in range(100)), "i-1 late"]


def test_what_is_forgotten_is_new_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_follow, "KNOWN_MAX", 8)
    known = Known()
    events = [LogEvent(str(at), at, "i", "m") for at in range(9)]
    assert all(map(known.is_new, events))
    assert known.since_ms == 3
    assert not any(map(known.is_new, events))
    assert known.is_new(LogEvent("late", 3, "i", "m"))
    known = Known()
    assert all(known.is_new(LogEvent(str(at), 5, "i", "m")) for at in range(9))
    assert known.since_ms == 6


def test_what_is_held_to_be_sorted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_follow, "HELD_CHARS_MAX", 3 * (logs_follow.HELD_CHARS_EACH + 1))
    taken: list[int] = []

    def events() -> Any:
        for time in (3, 1, 2, 9, 8, 7, 4, 0):
            taken.append(time)
            yield LogEvent(str(time), time, "i", "m")

    given = in_order(events())
    assert next(given).time_ms == 1
    assert taken == [3, 1, 2, 9]
    assert [event.time_ms for event in given] == [2, 3, 4, 0, 7, 8, 9]


def test_what_came_before_an_error_is_shown() -> None:
    def events() -> Any:
        yield LogEvent("2", 2, "i", "m")
        yield LogEvent("1", 1, "i", "m")
        raise lc.RunError("no more")

    given = in_order(events())
    assert [next(given).time_ms, next(given).time_ms] == [1, 2]
    with pytest.raises(lc.RunError, match="no more"):
        next(given)
