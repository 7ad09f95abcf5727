"""Clients that mean no good: each is cut off or turned away, and the others are served."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from command import loadcore
from likes_process import likes_process
from waiting import comes_true
from wire import Wire, request

import loadcore as lc

QUICK = lc.ServiceLimits(
    head_timeout="300ms", body_timeout="400ms", idle_timeout="600ms", send_timeout="500ms"
)
# Those who are not cut off go on for longer.
SOON_S = 8.0
LIKE = request("/v1/victim/likes", "POST")
GET = request("/v1/victim/likes")


@pytest.fixture
def quick() -> Iterator[lc.Service]:
    with lc.serve(threads=1, limits=QUICK) as service:
        yield service


def is_served(port: int) -> bool:
    with Wire(port) as wire:
        wire.send(GET)
        return wire.answer().status == 200


def likes(port: int) -> int:
    with Wire(port) as wire:
        wire.send(GET)
        total: int = json.loads(wire.answer().body)["likes"]
        return total


def trickle(wire: Wire, pieces: Iterable[bytes], every_s: float = 0.02) -> float:
    """Sends them one at a time until the service answers; how long that took, in seconds."""
    begin = time.monotonic()
    for piece in pieces:
        wire.send(piece)
        if not wire.is_silent_for(every_s):
            break
    return time.monotonic() - begin


# --- slow clients


def test_a_head_that_stops_is_cut_off(quick: lc.Service) -> None:
    with Wire(quick.port) as slow:
        begin = time.monotonic()
        slow.send(LIKE[:-2])
        assert is_served(quick.port)
        answer = slow.answer()
        assert 0.25 < time.monotonic() - begin < SOON_S
        assert answer.status == 408
        assert answer.fields["connection"] == "close"
        assert slow.rest() == b""
    assert likes(quick.port) == 0


def test_a_head_byte_by_byte_is_cut_off_at_the_same_time(quick: lc.Service) -> None:
    pieces = [LIKE[at : at + 1] for at in range(len(LIKE) - 1)]
    with Wire(quick.port) as slow:
        assert 0.25 < trickle(slow, pieces, 0.2) < SOON_S
        assert slow.answer().status == 408
    assert likes(quick.port) == 0


def test_a_body_byte_by_byte_is_cut_off(quick: lc.Service) -> None:
    with Wire(quick.port) as slow:
        head = request("/v1/victim/likes", "POST", [("Content-Length", "1000")])
        assert 0.35 < trickle(slow, [head, *[b"a"] * 999]) < SOON_S
        assert slow.answer().status == 408
    assert likes(quick.port) == 0


def test_a_body_chunk_by_chunk_is_cut_off(quick: lc.Service) -> None:
    with Wire(quick.port) as slow:
        head = request("/v1/victim/likes", "POST", [("Transfer-Encoding", "chunked")])
        assert 0.35 < trickle(slow, [head, *[b"1\r\na\r\n"] * 999]) < SOON_S
        assert slow.answer().status == 408
    assert likes(quick.port) == 0


def test_trailers_without_end_are_cut_off(quick: lc.Service) -> None:
    with Wire(quick.port) as slow:
        head = request("/v1/victim/likes", "POST", [("Transfer-Encoding", "chunked")])
        assert 0.35 < trickle(slow, [head + b"0\r\n", *[b"A: b\r\n"] * 999]) < SOON_S
        assert slow.answer().status == 408
    assert likes(quick.port) == 0


def test_a_client_that_waits_for_100_continue_for_ever_is_cut_off(quick: lc.Service) -> None:
    expecting = [("Content-Length", "5"), ("Expect", "100-continue")]
    with Wire(quick.port) as slow:
        slow.send(request("/v1/victim/likes", "POST", expecting))
        assert slow.answer().status == 100
        assert slow.answer().status == 408


def test_idle_connections_are_closed_without_a_word(quick: lc.Service) -> None:
    with Wire(quick.port) as fresh, Wire(quick.port) as used:
        used.send(GET)
        assert used.answer().status == 200
        assert fresh.rest() == b""
        assert used.rest() == b""
    assert quick.stats()["connections"]["timed_out"] == 0


def test_a_client_that_reads_nothing_is_cut_off(quick: lc.Service) -> None:
    with Wire(quick.port, receive_buffer=4096) as deaf:
        deaf.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):  # the service stops reading, and the client is stuck
            deaf.socket.sendall(request("/v1/openapi.json") * 100_000)
        assert is_served(quick.port)
        assert comes_true(lambda: quick.stats()["connections"]["timed_out"] == 1)
        assert comes_true(lambda: quick.stats()["connections"]["open"] <= 1)


def test_half_open_connections() -> None:
    with (
        lc.serve(threads=1) as service,
        Wire(service.port) as silent,
        Wire(service.port) as midway,
        Wire(service.port) as asking,
    ):
        silent.end_sending()
        assert silent.rest() == b""
        midway.send(LIKE[:-2])
        midway.end_sending()
        assert midway.rest() == b""
        asking.send(GET)  # a client may end its side once it has asked
        asking.end_sending()
        assert asking.answer().status == 200
        assert asking.rest() == b""
        assert likes(service.port) == 0


# --- too many


def test_connections_beyond_the_cap_are_turned_away() -> None:
    limits = lc.ServiceLimits(connections_max=3)
    with lc.serve(threads=2, limits=limits) as service, ExitStack() as stack:
        wires = [stack.enter_context(Wire(service.port)) for _ in range(3)]
        for wire in wires:
            wire.send(GET)
            assert wire.answer().status == 200
        with Wire(service.port) as beyond:
            beyond.send(GET)
            answer = beyond.answer()
        assert answer.status == 503
        assert answer.fields["retry-after"] == "1"
        assert answer.fields["connection"] == "close"
        assert json.loads(answer.body)["error"]
        wires[0].socket.close()
        assert comes_true(lambda: service.stats()["connections"]["open"] == 2)
        assert is_served(service.port)
        assert service.stats()["connections"]["turned_away"] == 1
        assert service.stats()["connections"]["turned_away_by_address"] == 0


def test_one_address_cannot_take_all_connections() -> None:
    limits = lc.ServiceLimits(connections_max=10, connections_per_address_max=4)
    with lc.serve(threads=2, limits=limits) as service, ExitStack() as stack:
        greedy = [stack.enter_context(Wire(service.port, source="127.0.0.2")) for _ in range(20)]
        assert comes_true(lambda: service.stats()["connections"]["turned_away_by_address"] == 16)
        assert service.stats()["connections"]["open"] == 4
        assert is_served(service.port)
        with Wire(service.port, source="127.0.0.3") as other:
            other.send(GET)
            assert other.answer().status == 200
        for wire in greedy:
            wire.socket.close()
        assert comes_true(lambda: service.stats()["connections"]["open"] == 0)
        with Wire(service.port, source="127.0.0.2") as again:
            again.send(GET)
            assert again.answer().status == 200


def test_resets_in_any_state() -> None:
    with lc.serve(threads=1) as service:
        parts = [b"", b"G", LIKE[:-2], LIKE[:-2] + b"Content-Length: 9\r\n\r\nabc", GET * 20]
        for _ in range(60):
            for part in parts:
                wire = Wire(service.port)
                wire.send(part)
                wire.reset()
        assert comes_true(lambda: service.stats()["connections"]["open"] == 0)
        assert likes(service.port) == 0


def test_a_long_pipeline_is_answered_in_order() -> None:
    count = 20_000
    requests = b"".join(request(f"/v1/user{number}/likes", "POST") for number in range(count))
    with lc.serve(threads=1) as service, Wire(service.port) as wire:
        sender = threading.Thread(target=wire.send, args=(requests,))
        sender.start()
        for number in range(count):
            answer = wire.answer()
            assert (answer.status, answer.body) == (
                200,
                b'{"userId": "user%d", "likes": 1}' % number,
            )
        sender.join()
        assert service.stats()["users"] == count


# --- what it costs the service


def test_readings_of_unknown_users_leave_nothing_behind() -> None:
    count = 50_000
    with likes_process() as service, Wire(service.port) as wire:

        def ask(first: int) -> None:
            """All for other users, some at a time."""
            for at in range(first, first + count, 500):
                wire.send(b"".join(request(f"/v1/user{at + i}/likes") for i in range(500)))
                for _ in range(500):
                    assert wire.answer().body.endswith(b'"likes": 0}')

        ask(0)  # what the service takes for the connection itself
        before = service.memory_bytes()
        ask(count)
        assert service.memory_bytes() - before < 256 * 1024


def test_likes_of_unknown_users_stop_at_the_cap() -> None:
    with likes_process("--users-max", "1000") as service, Wire(service.port) as wire:
        statuses: list[int] = []
        for at in range(0, 5000, 100):
            users = range(at, at + 100)
            wire.send(b"".join(request(f"/v1/user{user}/likes", "POST") for user in users))
            for _ in users:
                answer = wire.answer()
                statuses.append(answer.status)
                assert ("retry-after" in answer.fields) == (answer.status == 503)
        assert statuses == [200] * 1000 + [503] * 4000
        wire.send(request("/v1/user7/likes", "POST"))
        assert json.loads(wire.answer().body)["likes"] == 2


def test_clients_that_read_nothing_take_little_memory() -> None:
    with likes_process() as service, ExitStack() as stack:
        assert is_served(service.port)
        before = service.memory_bytes()
        for _ in range(100):
            deaf = stack.enter_context(Wire(service.port, receive_buffer=4096))
            deaf.socket.setblocking(False)
            try:
                while True:
                    deaf.socket.send(request("/v1/openapi.json") * 500)
            except BlockingIOError:
                pass
        time.sleep(0.3)
        assert is_served(service.port)
        assert service.memory_bytes() - before < 100 * 100 * 1024


def test_running_out_of_descriptors_is_no_end() -> None:
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

    with likes_process(preexec_fn=few_descriptors) as service:
        with Wire(service.port) as early, ExitStack() as stack:
            early.send(GET)
            assert early.answer().status == 200
            for _ in range(80):
                stack.enter_context(Wire(service.port))
            time.sleep(0.2)
            cpu_before_s = service.cpu_s()
            time.sleep(0.5)
            assert service.cpu_s() - cpu_before_s < 0.25  # it waits, and does not spin
            early.send(LIKE)
            assert early.answer().status == 200
        assert comes_true(lambda: is_served(service.port))
        service.terminate()
        assert service.exit_code(20) == 0


# --- the limits, as they are given


def test_limits_may_be_given_as_flags() -> None:
    flags = ["--connections-per-address-max", "2", "--head-timeout", "200ms"]
    with likes_process(*flags) as service, Wire(service.port) as slow, Wire(service.port):
        with Wire(service.port) as third:
            assert third.answer().status == 503
        slow.send(LIKE[:-2])
        assert slow.answer().status == 408


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("connections_max", 0),
        ("connections_max", 1_000_001),
        ("connections_per_address_max", "none"),
        ("head_timeout", 0),
        ("body_timeout", "-1s"),
        ("idle_timeout", "soon"),
        ("send_timeout", None),
    ],
)
def test_limits_that_cannot_be_are_refused(field: str, value: Any) -> None:
    with pytest.raises(lc.PlanError) as caught:
        lc.serve(limits=lc.ServiceLimits(**{field: value}))
    assert caught.value.field == field


def test_a_limit_that_cannot_be_is_named_by_its_flag() -> None:
    done = loadcore("serve", "--port", "0", "--idle-timeout", "soon")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--idle-timeout" in done.stderr
    assert done.stderr.count("\n") == 1


# --- the end, whatever goes on


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "fsync"])
def test_sigterm_among_clients_of_every_kind(durable: bool, tmp_path: object) -> None:
    patient = ["--head-timeout", "1h", "--body-timeout", "1h", "--send-timeout", "1h"]
    data = ["--data", f"{tmp_path}/data"] if durable else []
    with likes_process(*patient, *data) as service, ExitStack() as stack:

        def client(data: bytes) -> Wire:
            wire = stack.enter_context(Wire(service.port, receive_buffer=4096))
            wire.socket.setblocking(False)
            try:
                while data and wire.socket.send(data) == len(data) > 10_000:
                    pass
            except BlockingIOError:
                pass
            wire.socket.settimeout(10)
            return wire

        slow_heads = [client(LIKE[:-2]) for _ in range(20)]
        slow_bodies = [client(LIKE[:-2] + b"Content-Length: 9\r\n\r\nabc") for _ in range(20)]
        deaf = [client(request("/v1/openapi.json") * 500) for _ in range(20)]
        idle = [client(b"") for _ in range(20)]
        probe = client(request("/v1/readiness")[:-2])
        good = client(LIKE[:-2] + b"Content-Length: 3\r\n\r\nab")
        assert is_served(service.port)
        begin = time.monotonic()
        service.terminate()
        for wire in idle:
            assert wire.rest() == b""
        probe.send(b"\r\n")
        answer = probe.answer()
        assert answer.status == 503
        assert answer.fields["connection"] == "close"
        assert json.loads(answer.body)["ready"] is False
        good.send(b"c")
        answer = good.answer()
        assert (answer.status, answer.fields["connection"]) == (200, "close")
        assert service.exit_code(20) == 0
        assert time.monotonic() - begin < 20
        for wire in [*slow_heads, *slow_bodies, *deaf]:
            assert wire.is_closed_within(1)
    if durable:
        with likes_process(*data) as again:
            assert likes(again.port) == 1
