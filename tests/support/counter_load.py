"""Clients of the likes service that go on whatever happens to it, and remember what they saw."""

from __future__ import annotations

import itertools
import random
import threading
import time
from typing import TYPE_CHECKING

from history import History
from likes_client import Answer, LikesClient, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

_PAUSE_S = 0.005


class CounterLoad:
    """`clients` threads, one connection each; runs as a context manager.

    A like with a key is sent again until it is answered; one without is sent once, and unknown
    where no answer came. Reads that fail are forgotten.
    """

    def __init__(self, port: int, *, seed: int, users: Sequence[str], clients: int) -> None:
        self.history = History()
        self.statuses: dict[int, int] = {}
        self.answers: dict[tuple[str, str], int] = {}  # (user, key): the first answer
        self.attempts = 0
        self._port = port
        self._users = users
        self._keys = (f"{seed}-{number}" for number in itertools.count())
        self._over = False
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._drive, args=(random.Random(f"{seed}/{number}"),))
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over = True
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """What was seen, once the load is over: that a counter can be seen so."""
        assert not self._failures, self._failures
        self.history.check()

    def _drive(self, dice: random.Random) -> None:
        try:
            with LikesClient(self._port, patience_s=5) as client:
                while not self._over:
                    user = self._users[0] if dice.random() < 0.5 else dice.choice(self._users)
                    chance = dice.random()
                    if chance < 0.4:
                        self._read(client, user)
                    elif chance < 0.7:
                        self._like(client, user)
                    else:
                        self._like_once(client, user)
        except BaseException as error:
            self._failures.append(error)

    def _noted(self, answer: Answer) -> bool:
        """Whether it is a total; anything but "not now" besides is a failure."""
        with self._lock:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        assert answer.status in (200, 503), answer
        if answer.status == 503:
            time.sleep(_PAUSE_S)
        return answer.status == 200

    def _read(self, client: LikesClient, user: str) -> None:
        begin = time.monotonic()
        try:
            total = client.likes(user)
        except NoAnswerError:
            time.sleep(_PAUSE_S)
            return
        self.history.read(user, begin, time.monotonic(), total)

    def _like(self, client: LikesClient, user: str) -> None:
        begin = time.monotonic()
        try:
            answer = client.like(user)
        except NoAnswerError as error:
            if error.sent:
                self.history.unknown(user, begin)
            time.sleep(_PAUSE_S)
            return
        if self._noted(answer):
            self.history.liked(user, begin, time.monotonic(), answer.likes)
        else:
            self.history.unknown(user, begin)

    def _like_once(self, client: LikesClient, user: str) -> None:
        """Goes on until there is an answer, even when the load is over."""
        key = next(self._keys)
        begin = time.monotonic()
        while True:
            try:
                answer = client.like(user, key)
                if self._noted(answer):
                    break
            except NoAnswerError:
                time.sleep(_PAUSE_S)
        self.history.liked(user, begin, time.monotonic(), answer.likes)
        with self._lock:
            self.answers[user, key] = answer.likes
