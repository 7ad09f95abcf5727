"""What clients saw of a counter, and whether a counter can have been seen so.

Three checks. Linearizability: answers and reads must have an order in which every like adds one and
that no client's clock contradicts (Herlihy and Wing, "Linearizability", 1990); for a counter whose
answers are its totals that order is known, so checking it is a walk. Bounds, after Jepsen's counter
checker: a read lies between the likes acknowledged before it began and those attempted before it
ended. The sum, after Maelstrom's counter workloads: what is there in the end is all that was
acknowledged and some of what nobody knows of.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from itertools import groupby
from typing import NamedTuple


class Seen(NamedTuple):
    """An answer; begin and end by this machine's monotonic clock, in seconds."""

    begin: float
    end: float
    total: int


class UserHistory:
    """Of one user, from a moment at which the total was known and nothing was under way."""

    def __init__(self, floor: int = 0) -> None:
        self.floor = floor
        self.likes: list[Seen] = []  # acknowledged, each counted once
        self.reads: list[Seen] = []
        self.unknown: list[float] = []  # begins of likes that may count or not

    def check(self) -> None:
        """Fails an assertion that says what cannot be."""
        self._check_totals()
        self._check_order()
        self._check_bounds()

    def check_end(self, total: int) -> None:
        """`total` was read when nothing was under way any more."""
        known = self.floor + len(self.likes)
        assert known <= total, f"{known - total} acknowledged likes are gone: {total} are there"
        assert total <= known + len(self.unknown), (
            f"{total} likes, but {known} were acknowledged and {len(self.unknown)} are unknown"
        )
        seen = max((each.total for each in self.likes + self.reads), default=self.floor)
        assert seen <= total, f"somebody saw {seen}, and now there are {total}"

    def _check_totals(self) -> None:
        totals = [like.total for like in self.likes]
        assert len(set(totals)) == len(totals), f"two likes made the same total: {sorted(totals)}"
        for each in self.likes:
            assert each.total > self.floor, f"an answer of {each.total} after {self.floor}"

    def _check_order(self) -> None:
        """By total, the like that made it before the reads that saw it: nobody may have begun after
        somebody behind them had ended."""
        likes = [(like.total, 0, like) for like in self.likes]
        reads = [(read.total, 1, read) for read in self.reads]
        last = Seen(-math.inf, -math.inf, self.floor)
        for _, together in groupby(sorted(likes + reads), key=lambda each: each[:2]):
            group = [seen for _, _, seen in together]
            for each in group:
                assert each.end >= last.begin, f"{each} ended before {last} began"
            last = max(last, *group)

    def _check_bounds(self) -> None:
        acknowledged = sorted(like.end for like in self.likes)
        attempted = sorted([like.begin for like in self.likes] + self.unknown)
        for read in self.reads:
            least = self.floor + bisect.bisect_left(acknowledged, read.begin)
            most = self.floor + bisect.bisect_right(attempted, read.end)
            assert least <= read.total <= most, f"{read} is not from {least} to {most}"


class History:
    """Of all users; threads may add to it at the same time."""

    def __init__(self, floors: dict[str, int] | None = None) -> None:
        self.users: defaultdict[str, UserHistory] = defaultdict(UserHistory)
        for user, floor in (floors or {}).items():
            self.users[user] = UserHistory(floor)

    def liked(self, user: str, begin: float, end: float, total: int) -> None:
        self.users[user].likes.append(Seen(begin, end, total))

    def read(self, user: str, begin: float, end: float, total: int) -> None:
        self.users[user].reads.append(Seen(begin, end, total))

    def unknown(self, user: str, begin: float) -> None:
        self.users[user].unknown.append(begin)

    def check(self) -> None:
        for user, history in self.users.items():
            try:
                history.check()
            except AssertionError as error:
                raise AssertionError(f"{user}: {error}") from error
