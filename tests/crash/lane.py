"""Kills one service again and again under load, and checks after every restart what it kept.

One lane is one data directory. `python tests/crash/lane.py --seed 7 --kills 100` prints a JSON
summary and exits with 0, or says what was lost and how to do the same again. The seed fixes what
the clients do and when the service is killed, not how the machine runs them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from history import History
from likes_client import LikesClient, NoAnswerError
from nursery import Child, Nursery

import loadcore as lc

USERS = ("hot", *(f"user-{number}" for number in range(8)))
CROWD = "crowd"
KILLED_WHILE_STARTING = 0.12  # of all kills
START_S = (0.0, 0.03)
LOAD_S = (0.005, 0.12)
REPLAYS = 4  # of old keys, after every restart


class Settings(NamedTuple):
    seed: int
    kills: int
    durability: str
    snapshot_log_bytes: int
    threads: int  # of the service
    clients: int  # threads, one connection each
    crowd: int  # connections of the load engine on top; 0: none


class KeyedLike(NamedTuple):
    user: str
    key: str
    begin: float


@dataclass
class Round:
    """What one life of the service was seen to do."""

    history: History
    answered: list[tuple[KeyedLike, int]] = field(default_factory=list)
    open: list[KeyedLike] = field(default_factory=list)  # sent, not answered


class Lane:
    def __init__(self, settings: Settings, directory: Path, nursery: Nursery) -> None:
        self.tally: Counter[str] = Counter()
        self._settings = settings
        self._directory = directory
        self._nursery = nursery
        self._random = random.Random(f"{settings.seed}")
        self._keys = (f"{settings.seed}-{number}" for number in itertools.count())
        self._totals = dict.fromkeys((*USERS, CROWD), 0)  # when nothing was under way
        self._answers: list[tuple[str, str, int]] = []  # user, key, first answer

    def run(self) -> None:
        for number in range(self._settings.kills):
            if self._random.random() < KILLED_WHILE_STARTING:
                self._kill_while_starting()
            else:
                self._kill_under_load(number)
            self.tally["kills"] += 1
            names = os.listdir(self._directory)
            self.tally["kills_in_a_snapshot"] += "snapshot.new" in names
        service, port = self._start()
        self._settle(port, Round(History(self._totals)), 0, 0)
        service.close()
        self.tally["users"] = sum(total > 0 for total in self._totals.values())

    def _start(self) -> tuple[Child, int]:
        service = self._launch()
        first = service.first_line()
        if not first:
            raise AssertionError(f"it did not start again: {service.close()}")
        return service, int(first["url"].rpartition(":")[2])

    def _launch(self) -> Child:
        settings = self._settings
        return self._nursery.start(
            *("serve", "--port", "0", "--data", str(self._directory)),
            *("--durability", settings.durability, "--threads", str(settings.threads)),
            *("--snapshot-log-bytes", str(settings.snapshot_log_bytes)),
        )

    def _kill_while_starting(self) -> None:
        service = self._launch()
        time.sleep(self._random.uniform(*START_S))
        service.close()
        self.tally["kills_while_starting"] += 1

    def _kill_under_load(self, number: int) -> None:
        service, port = self._start()
        seen = Round(History(self._totals))
        clients = [
            threading.Thread(target=self._drive, args=(port, f"{number}/{client}", seen))
            for client in range(self._settings.clients)
        ]
        crowd = self._send_crowd(port)
        for client in clients:
            client.start()
        time.sleep(self._random.uniform(*LOAD_S))
        service.close()
        for client in clients:
            client.join()
        acknowledged, sent = self._call_back(crowd)

        # A new life, in which nothing is under way until this has asked.
        service, port = self._start()
        self._settle(port, seen, acknowledged, sent)
        service.close()

    def _send_crowd(self, port: int) -> lc.RunHandle | None:
        if not self._settings.crowd:
            return None
        return lc.start(
            f"http://127.0.0.1:{port}/v1/{CROWD}/likes",
            method="POST",
            rate=20_000,
            connections=self._settings.crowd,
            duration=5,
            timeout=2,
        )

    def _call_back(self, crowd: lc.RunHandle | None) -> tuple[int, int]:
        """How many of its likes were acknowledged, and how many it sent."""
        if crowd is None:
            return 0, 0
        crowd.stop()
        try:
            run = crowd.wait()
        except lc.RunError:  # the service was gone before anybody was connected
            return 0, 0
        assert set(run.status_codes) <= {200}, run.status_codes
        return run.requests.completed, run.requests.sent

    # --- clients

    def _drive(self, port: int, name: str, seen: Round) -> None:
        """Likes and reads until the service is gone."""
        dice = random.Random(f"{self._settings.seed}/{name}")
        with LikesClient(port) as client:
            try:
                while True:
                    user = "hot" if dice.random() < 0.6 else dice.choice(USERS)
                    chance = dice.random()
                    if chance < 0.25:
                        self._read(client, user, seen)
                    elif chance < 0.6:
                        self._like(client, user, seen)
                    else:
                        self._like_once(client, user, seen, hang_up=chance > 0.95)
            except NoAnswerError:
                return

    def _read(self, client: LikesClient, user: str, seen: Round) -> None:
        begin = time.monotonic()
        total = client.likes(user)
        seen.history.read(user, begin, time.monotonic(), total)

    def _like(self, client: LikesClient, user: str, seen: Round) -> None:
        begin = time.monotonic()
        try:
            total = client.like(user).likes
        except NoAnswerError as error:
            if error.sent:
                seen.history.unknown(user, begin)
            raise
        seen.history.liked(user, begin, time.monotonic(), total)

    def _like_once(self, client: LikesClient, user: str, seen: Round, hang_up: bool) -> None:
        """With a key; may hang up before the answer and ask again at once."""
        like = KeyedLike(user, next(self._keys), time.monotonic())
        sent = False
        try:
            if hang_up:
                client.send_like(user, like.key)
                sent = True
                client.close()
            total = client.like(user, like.key).likes
        except NoAnswerError as error:
            if sent or error.sent:
                seen.history.unknown(user, like.begin)
                seen.open.append(like)
            raise
        seen.history.liked(user, like.begin, time.monotonic(), total)
        seen.answered.append((like, total))

    # --- checks

    def _settle(self, port: int, seen: Round, crowd_acknowledged: int, crowd_sent: int) -> None:
        with LikesClient(port) as client:
            totals = {user: client.likes(user) for user in USERS}
            for user, total in totals.items():
                seen.history.users[user].check_end(total)
            seen.history.check()
            self._replay_open(client, seen, totals)
            self._answers += [(like.user, like.key, total) for like, total in seen.answered]
            self._replay_old(client)
            for user, total in totals.items():
                assert client.likes(user) == total, f"{user}: a replay was counted"
            totals[CROWD] = client.likes(CROWD)
        before = self._totals[CROWD]
        assert before + crowd_acknowledged <= totals[CROWD] <= before + crowd_sent, (
            f"crowd: {totals[CROWD]} likes after {before}, {crowd_acknowledged} were acknowledged"
            f" and {crowd_sent} sent"
        )
        self._totals = totals
        self.tally["reads"] += sum(len(user.reads) for user in seen.history.users.values())
        self.tally["acknowledged"] += crowd_acknowledged
        for each in seen.history.users.values():
            self.tally["acknowledged"] += len(each.likes)
            self.tally["unknown"] += len(each.unknown)

    def _replay_open(self, client: LikesClient, seen: Round, totals: dict[str, int]) -> None:
        """Likes with a key whose answer never came: each is counted once, then or now."""
        for like in seen.open:
            total = client.like(like.user, like.key).likes
            history = seen.history.users[like.user]
            if total > totals[like.user]:
                totals[like.user] += 1
                assert total == totals[like.user], f"{like}: {total} after {totals[like.user] - 1}"
                self.tally["counted_by_retry"] += 1
            else:
                others = {each.total for each in history.likes}
                assert history.floor < total, f"{like} was answered {total}, from another life"
                assert total not in others, f"{like} was answered {total}, as another like was"
                self.tally["replayed_by_retry"] += 1
            seen.answered.append((like, total))

    def _replay_old(self, client: LikesClient) -> None:
        for user, key, first in self._random.sample(
            self._answers, min(REPLAYS, len(self._answers))
        ):
            again = client.like(user, key).likes
            assert again == first, f"{user}, {key}: {again} instead of {first}"
            other = client.like("somebody-else", key)
            assert other.status == 422, other
            self.tally["replays"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/crash/lane.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--durability", choices=["os", "fsync"], default="fsync")
    parser.add_argument("--snapshot-log-bytes", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=1, help="of the service")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--crowd", type=int, default=0, help="connections of the load engine")
    parser.add_argument("--keep", type=Path, help="the directory; removed without this")
    given = vars(parser.parse_args())
    keep = given.pop("keep")
    settings = Settings(**given)
    with tempfile.TemporaryDirectory(prefix="loadcore-crash-") as folder, Nursery() as nursery:
        lane = Lane(settings, keep or Path(folder), nursery)
        try:
            lane.run()
        except Exception:
            traceback.print_exc()
            options = [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
            print(f"again: tests/crash/lane.py {' '.join(options)}", file=sys.stderr)
            return 1
    print(json.dumps({**settings._asdict(), **lane.tally}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
