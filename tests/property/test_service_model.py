"""The likes service against a model in two dictionaries, through crashes, stops and retries."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from likes_client import LikesClient
from nursery import Child, Nursery

USERS = ("alice", "bob", "c" * 128, "~")
users = st.sampled_from(USERS)


class Model(RuleBasedStateMachine):
    """`durability` and `nursery` are set by the test."""

    durability: ClassVar[str]
    nursery: ClassVar[Nursery]

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.totals = dict.fromkeys(USERS, 0)
        # The first answer under a key; without a total where it never came.
        self.answers: dict[str, tuple[str, int | None]] = {}
        self.keys_made = 0
        self.directory = Path(tempfile.mkdtemp(prefix="loadcore-model-"))
        self.service: Child
        self.client: LikesClient
        self.start()

    def teardown(self) -> None:
        self.client.close()
        said = self.service.close()
        shutil.rmtree(self.directory)
        assert said == ""

    @property
    def is_durable(self) -> bool:
        return self.durability != "memory"

    def start(self) -> None:
        data = ("--data", str(self.directory), "--snapshot-log-bytes", "300")
        options = (*data, "--durability", self.durability) if self.is_durable else ()
        self.service = self.nursery.start("serve", "--port", "0", "--log", "off", *options)
        self.port = int(self.service.first_line()["url"].rpartition(":")[2])
        self.client = LikesClient(self.port)
        if not self.is_durable:
            self.totals = dict.fromkeys(USERS, 0)
            self.answers = {}

    # --- likes

    @rule(user=users)
    def like(self, user: str) -> None:
        self.totals[user] += 1
        assert self.client.like(user).likes == self.totals[user]

    @rule(target=keys, user=users, hang_up=st.booleans())
    def like_with_a_new_key(self, user: str, hang_up: bool) -> str:
        """Perhaps twice at the same time, the first answer being lost."""
        self.keys_made += 1
        key = f"key {self.keys_made}"  # a space, so that it has to be quoted
        if hang_up:
            with LikesClient(self.port) as other:
                other.send_like(user, f'"{key}"')
        self.like_with(key, user)
        return key

    @rule(key=keys)
    def like_again(self, key: str) -> None:
        user, _ = self.answers.get(key, ("alice", None))
        self.like_with(key, user)

    @rule(key=keys, user=users)
    def like_with_a_key_of_somebody(self, key: str, user: str) -> None:
        owner, total = self.answers.get(key, (user, None))
        if owner == user:
            self.like_with(key, user)
        elif total is not None:
            assert self.client.like(user, f'"{key}"').status == 422

    def like_with(self, key: str, user: str) -> None:
        total = self.client.like(user, f'"{key}"').likes
        if key not in self.answers:
            self.totals[user] += 1
            first: int | None = self.totals[user]
        else:
            _, first = self.answers[key]
            if first is None and total > self.totals[user]:
                # Its first attempt did not count, so this one did.
                self.totals[user] += 1
                first = self.totals[user]
        if first is None:
            answered = [answer for owner, answer in self.answers.values() if owner == user]
            assert 0 < total <= self.totals[user]
            assert total not in answered
        else:
            assert total == first
        self.answers[key] = (user, total)

    # --- ends

    @rule()
    def stop(self) -> None:
        self.client.close()
        self.service.send_signal(signal.SIGTERM)
        assert self.service.wait() == 0
        assert self.service.close() == ""
        self.start()

    @rule(target=keys, under_way=st.lists(st.tuples(users, st.booleans()), max_size=6))
    def crash(self, under_way: list[tuple[str, bool]]) -> str:
        """kill -9 with likes under way; returns the key of one of them, or a new one."""
        clients = [LikesClient(self.port) for _ in under_way]
        key = f"key {self.keys_made}"
        for client, (user, has_key) in zip(clients, under_way, strict=True):
            if has_key:
                self.keys_made += 1
                key = f"key {self.keys_made}"
                self.answers[key] = (user, None)
            client.send_like(user, f'"{key}"' if has_key else None)
        self.client.close()
        self.service.close()
        for client in clients:
            client.close()
        before = self.totals
        self.start()
        if self.is_durable:
            self.totals = {user: self.client.likes(user) for user in USERS}
            for user in USERS:
                most = before[user] + sum(user == other for other, _ in under_way)
                assert before[user] <= self.totals[user] <= most
        return key

    @invariant()
    def reads_agree(self) -> None:
        for user, total in self.totals.items():
            assert self.client.likes(user) == total


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as started:
        yield started


@pytest.mark.parametrize("durability", ["memory", "os", "fsync"])
def test_the_service_does_as_its_model(nursery: Nursery, durability: str) -> None:
    machine = type("Machine", (Model,), {"durability": durability, "nursery": nursery})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
