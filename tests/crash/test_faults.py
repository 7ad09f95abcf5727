"""Everything at once: clients that count and read while the service is killed, frozen, cut off from
its clients, slowed down, out of room and given a disk that fails to sync.

LOADCORE_SEED makes the same choices again, LOADCORE_FAULT_SECONDS makes it longer.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from counter_load import CounterLoad
from faulty_disk import FaultyDisk
from likes_client import LikesClient
from nursery import Child, Nursery
from resetting_proxy import ResettingProxy

SEED = int(os.environ.get("LOADCORE_SEED", random.SystemRandom().randrange(2**32)))
SECONDS = float(os.environ.get("LOADCORE_FAULT_SECONDS", "10"))
USERS = ("hot", "a", "b", "c", "d")
CALM_S = (0.01, 0.2)  # between faults


class Victim:
    """A service behind a proxy, on a disk with faults."""

    def __init__(
        self, nursery: Nursery, proxy: ResettingProxy, disk: FaultyDisk, arguments: tuple[str, ...]
    ) -> None:
        self.faults: Counter[str] = Counter()
        self._nursery = nursery
        self._proxy = proxy
        self._disk = disk
        self._arguments = arguments
        self._service = self._start()

    def hurt(self, dice: random.Random) -> None:
        """One fault, to its end."""
        fault = dice.choice(
            [self.kill, self.stop, self.freeze, self.cut_off, self.slow_down, self.fill, self.fail]
        )
        fault(dice)
        self.faults[fault.__name__] += 1

    def kill(self, _dice: random.Random) -> None:
        self._service.close()
        self._service = self._start()

    def stop(self, _dice: random.Random) -> None:
        self._service.send_signal(signal.SIGTERM)
        assert self._service.wait() == 0
        self._service.close()
        self._service = self._start()

    def freeze(self, dice: random.Random) -> None:
        self._service.send_signal(signal.SIGSTOP)
        time.sleep(dice.uniform(0.01, 0.2))
        self._service.send_signal(signal.SIGCONT)

    def cut_off(self, dice: random.Random) -> None:
        for _ in range(dice.randrange(1, 5)):
            self._proxy.reset_all()
            time.sleep(dice.uniform(0, 0.02))

    def slow_down(self, dice: random.Random) -> None:
        self._disk.slow_down_syncs(dice.randrange(1, 40))
        time.sleep(0.2)
        if dice.random() < 0.5:
            self.kill(dice)
        self._disk.heal()

    def fill(self, dice: random.Random) -> None:
        self._disk.fill()
        time.sleep(dice.uniform(0.01, 0.2))
        if dice.random() < 0.3:
            self._service.close()
            self._disk.heal()
            self._service = self._start()
        self._disk.heal()

    def fail(self, dice: random.Random) -> None:
        """A sync fails, so there is no way on but to start again."""
        self._disk.fail_next_sync()
        time.sleep(dice.uniform(0.01, 0.1))
        self._service.close()
        self._disk.heal()
        self._service = self._start()

    def end(self) -> None:
        self._service.close()

    def _start(self) -> Child:
        service = self._nursery.start("serve", "--port", "0", *self._arguments)
        first = service.first_line()
        assert first, f"it did not start: {service.close()}"
        self._proxy.backend_port = int(first["url"].rpartition(":")[2])
        return service


@pytest.mark.timeout(120 + 3 * SECONDS)
@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_counter_to_everybody_whatever_happens(tmp_path: Path, durability: str) -> None:
    print(f"LOADCORE_SEED={SEED}")
    dice = random.Random(f"{SEED}/{durability}")
    disk = FaultyDisk(tmp_path / "faults")
    where = ("--data", str(tmp_path / "data"), "--snapshot-log-bytes", "20000")
    arguments = (*where, "--durability", durability, "--threads", "2")
    with Nursery(disk.environment) as nursery, ResettingProxy() as proxy:
        victim = Victim(nursery, proxy, disk, arguments)
        with CounterLoad(proxy.port, seed=SEED, users=USERS, clients=8) as load:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(dice.uniform(*CALM_S))
                victim.hurt(dice)
        load.check()
        with LikesClient(proxy.port) as client:
            for user in USERS:
                load.history.users[user].check_end(client.likes(user))
            for (user, key), total in list(load.answers.items())[:500]:
                assert client.like(user, key).likes == total, f"{user}, {key}"
            victim.kill(dice)
            client.close()
            for user in USERS:
                load.history.users[user].check_end(client.likes(user))
        victim.end()
    print(victim.faults, load.statuses, len(load.answers))
    assert sum(victim.faults.values()) >= 5
    assert load.statuses[200] > 100


@pytest.mark.timeout(120)
def test_a_counter_in_memory_behind_resets_and_freezes(tmp_path: Path) -> None:
    dice = random.Random(f"{SEED}/memory")
    disk = FaultyDisk(tmp_path / "faults")
    with Nursery() as nursery, ResettingProxy() as proxy:
        victim = Victim(nursery, proxy, disk, ("--threads", "2"))
        with CounterLoad(proxy.port, seed=SEED, users=USERS, clients=8) as load:
            for _ in range(20):
                time.sleep(dice.uniform(0.01, 0.1))
                dice.choice([victim.freeze, victim.cut_off])(dice)
        load.check()
        with LikesClient(proxy.port) as client:
            for user in USERS:
                load.history.users[user].check_end(client.likes(user))
        victim.end()
