"""The service against every vector of requests.txt: whole, and cut in two at every byte."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from vectors import Vector, vectors
from wire import Wire, answers, request

import loadcore as lc

# What follows a vector's bytes: what must be answered, or must not even be looked at.
AFTER = request("/v1/after/likes", fields=[("Connection", "close")])
SMUGGLED = request("/v1/smuggled/likes", "POST")
CUTS_MAX = 400  # of vectors longer than that, so many places

VECTORS = vectors()
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


@pytest.fixture(scope="module")
def service() -> Iterator[lc.Service]:
    with lc.serve(threads=1) as served:
        yield served


def likes_of(service: lc.Service, user: str) -> int:
    with Wire(service.port) as wire:
        wire.send(request(f"/v1/{user}/likes"))
        likes: int = json.loads(wire.answer().body)["likes"]
        return likes


def what_follows(vector: Vector) -> bytes:
    return {"keep": AFTER, "close": SMUGGLED, "wait": b""}[vector.end]


def check(vector: Vector, wire: Wire) -> None:
    """All has been sent on `wire`: reads the answers to the end and checks them."""
    if vector.end == "wait":
        assert wire.is_silent_for(0.02)
        wire.end_sending()
    found = answers(wire.rest(), vector.heads)
    expected = [*vector.statuses, *([200] if vector.end == "keep" else [])]
    assert [answer.status for answer in found] == expected
    for answer in found:
        if answer.status >= 400 and answer.body:
            assert json.loads(answer.body)["error"]
        if answer.status == 405:
            assert "GET" in answer.fields["allow"]
    if vector.end == "keep":
        assert json.loads(found[-1].body) == {"userId": "after", "likes": 0}
        assert all("close" not in answer.fields.get("connection", "") for answer in found[:-1])
    if vector.end != "wait":
        assert found[-1].fields["connection"] == "close"


@every_vector
def test_whole(service: lc.Service, vector: Vector) -> None:
    before = service.stats()["likes"]
    with Wire(service.port) as wire:
        wire.send(vector.data + what_follows(vector))
        check(vector, wire)
    assert service.stats()["likes"] - before == vector.likes
    assert likes_of(service, "smuggled") == 0


@every_vector
def test_cut_at_every_byte(service: lc.Service, vector: Vector) -> None:
    before = service.stats()["likes"]
    data = vector.data + what_follows(vector)
    cuts = range(1, len(data), max(1, len(data) // CUTS_MAX))
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(service.port)) for _ in cuts]
        for wire, cut in zip(wires, cuts, strict=True):
            wire.send(data[:cut])
        time.sleep(0.02)  # the service has read the first pieces
        for wire, cut in zip(wires, cuts, strict=True):
            wire.send(data[cut:])
        if vector.end == "wait":
            wires = wires[:: max(1, len(wires) // 5)]  # each takes its time
        for wire in wires:
            check(vector, wire)
    assert service.stats()["likes"] - before == vector.likes * len(cuts)
    assert likes_of(service, "smuggled") == 0


def test_every_vector_has_its_own_name_and_bytes() -> None:
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)
    assert all(vector.data for vector in VECTORS)
    assert len({vector.data for vector in VECTORS}) == len(VECTORS)
