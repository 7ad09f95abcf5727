"""The checks of a counter's history, on histories that are possible and on some that are not."""

from __future__ import annotations

import pytest
from history import History, Seen, UserHistory


def of(
    likes: list[tuple[float, float, int]],
    reads: list[tuple[float, float, int]] = (),  # type: ignore[assignment]
    unknown: list[float] = (),  # type: ignore[assignment]
    floor: int = 0,
) -> UserHistory:
    history = UserHistory(floor)
    history.likes = [Seen(*like) for like in likes]
    history.reads = [Seen(*read) for read in reads]
    history.unknown = list(unknown)
    return history


@pytest.mark.parametrize(
    "history",
    [
        of([]),
        of([(0, 1, 1), (2, 3, 2)], [(1, 2, 1), (4, 5, 2)]),
        of([(0, 9, 2), (0, 9, 1)], [(1, 2, 0), (1, 2, 1), (1, 2, 2)]),
        of([(2, 3, 2)], [(4, 5, 2)], unknown=[0]),  # the unknown one counted
        of([(2, 3, 1)], [(4, 5, 1)], unknown=[0]),  # it did not
        of([(0, 1, 8)], [(1, 2, 8)], floor=7),
    ],
)
def test_what_is_possible_passes(history: UserHistory) -> None:
    history.check()


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (of([(0, 1, 1), (2, 3, 1)]), "two likes made the same total"),
        (of([(0, 1, 2), (2, 3, 1)]), "ended before"),  # in the wrong order
        (of([(0, 1, 1)], [(2, 3, 0)]), "ended before"),  # a like that is gone
        (of([(0, 9, 1)], [(1, 2, 1), (3, 4, 0)]), "ended before"),  # a read that goes backwards
        (of([(2, 3, 1)], [(0, 1, 1)]), "ended before"),  # seen before it was sent
        (of([(0, 1, 1)], [(2, 3, 2)]), "is not from 1 to 1"),  # counted twice
        (of([], [(0, 1, 6)], floor=7), "is not from 7 to 7"),
        (of([(0, 1, 7)], floor=7), "an answer of 7 after 7"),
    ],
)
def test_what_is_impossible_is_named(history: UserHistory, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        history.check()


def test_the_end_is_what_was_acknowledged_and_some_of_the_unknown() -> None:
    history = of([(0, 1, 4)], [(2, 3, 5)], unknown=[0, 0], floor=3)
    history.check_end(5)
    history.check_end(6)
    with pytest.raises(AssertionError, match="somebody saw 5"):
        history.check_end(4)
    with pytest.raises(AssertionError, match="acknowledged likes are gone"):
        history.check_end(3)
    with pytest.raises(AssertionError, match="2 are unknown"):
        history.check_end(7)


def test_users_are_checked_apart() -> None:
    history = History({"b": 5})
    history.liked("a", 0, 1, 1)
    history.read("b", 0, 1, 5)
    history.check()
    history.read("b", 2, 3, 4)
    with pytest.raises(AssertionError, match=r"^b: "):
        history.check()
