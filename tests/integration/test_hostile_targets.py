"""Targets that answer what they should not: counted by kind, bounded in memory, over on time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import hostile
import pytest
from hostile import ScriptedServer

import loadcore as lc

CONNECTIONS = 4
REQUESTS = 16
# Short where it is to run out, else longer than any machine is busy.
TIMEOUT_S = 0.3
PATIENCE_S = 20.0
# On top of what a run has to take: threads, back-off after failures, a busy machine.
SLACK_S = 20.0

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n"


class Case(NamedTuple):
    name: str
    script: hostile.Script
    kind: str
    """A kind of failure, or "completed"."""
    status: int | None = 200
    method: str = "GET"

    @property
    def timeout_s(self) -> float:
        return TIMEOUT_S if self.kind == "timeout" else PATIENCE_S


ANSWERED = [
    Case("content-length", hostile.answering(hostile.OK), "completed"),
    Case("no-content", hostile.answering(b"HTTP/1.1 204 No Content\r\n\r\n"), "completed", 204),
    Case(
        "not-modified",
        hostile.answering(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 512\r\n\r\n"),
        "completed",
        304,
    ),
    Case(
        "head",
        hostile.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 512\r\n\r\n"),
        "completed",
        method="HEAD",
    ),
    Case(
        "connection-close",
        hostile.answering_once(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        ),
        "completed",
    ),
    Case(
        "http-1.0",
        hostile.answering_once(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        "completed",
    ),
    Case("until-close", hostile.answering_once(b"HTTP/1.1 200 OK\r\n\r\nall"), "completed"),
    Case(
        "server-error",
        hostile.answering(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
        "completed",
        500,
    ),
    Case(
        "redirect",
        hostile.answering(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"),
        "completed",
        302,
    ),
    Case(
        "chunked-with-trailers",
        hostile.answering(CHUNKED + b"2\r\nok\r\n0\r\nA: b\r\n\r\n"),
        "completed",
    ),
    Case(
        "interim-answers",
        hostile.answering(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + hostile.OK
        ),
        "completed",
    ),
    Case(
        "content-length-too-short",
        hostile.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more"),
        "completed",
    ),
]

RESET = [
    Case("closes-at-once", hostile.closing_at_once, "reset"),
    Case("closes-when-asked", hostile.answering_once(b""), "reset"),
    Case("resets-when-asked", hostile.answering_once(b"", reset=True), "reset"),
    Case("half-a-head", hostile.answering_once(b"HTTP/1.1 200 OK\r\nContent-"), "reset"),
    Case(
        "half-a-body",
        hostile.answering_once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        "reset",
    ),
    Case("half-a-chunk", hostile.answering_once(CHUNKED + b"9\r\nhalf"), "reset"),
    Case("no-last-chunk", hostile.answering_once(CHUNKED + b"2\r\nok\r\n"), "reset"),
    Case(
        "reset-within-a-body-that-ends-with-the-connection",
        hostile.answering_once(b"HTTP/1.1 200 OK\r\n\r\nhalf", reset=True),
        "reset",
    ),
]

MALFORMED = [
    Case("garbage", hostile.answering(b"\x00\xff\x16\x03\x01 this is no HTTP\r\n\r\n"), "protocol"),
    Case("another-protocol", hostile.answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
    Case("http-2", hostile.answering(b"HTTP/2.0 200 OK\r\n\r\n"), "protocol"),
    Case(
        "endless-head",
        hostile.endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"),
        "protocol",
    ),
    Case("endless-line", hostile.endless(b"HTTP/1.1 200 OK\r\nX-More: ", b"a" * 4096), "protocol"),
    Case("interim-for-ever", hostile.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "protocol"),
    Case(
        "endless-trailers",
        hostile.endless(CHUNKED + b"0\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"),
        "protocol",
    ),
    Case(
        "unasked-upgrade",
        hostile.answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        "protocol",
    ),
    Case(
        "two-lengths",
        hostile.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        "protocol",
    ),
    Case(
        "negative-length",
        hostile.answering(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
        "protocol",
    ),
    Case("no-chunk-size", hostile.answering(CHUNKED + b"xyz\r\n"), "protocol"),
    Case(
        "chunk-of-2-to-the-80",
        hostile.answering(CHUNKED + b"100000000000000000000\r\n"),
        "protocol",
    ),
]

LATE = [
    Case("silent", hostile.answering_then_silent(b""), "timeout"),
    Case(
        "content-length-too-long",
        hostile.answering_then_silent(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
        "timeout",
    ),
    Case("trickle", hostile.endless(b"HTTP/1.1 200 OK\r\nX: ", b"a", pause_s=0.1), "timeout"),
    Case("endless-body", hostile.endless(ENDLESS_BODY, b"a" * 65536), "timeout"),
    Case(
        "endless-chunks",
        hostile.endless(CHUNKED, b"10000\r\n" + b"a" * 65536 + b"\r\n"),
        "timeout",
    ),
    Case(
        "endless-body-until-close",
        hostile.endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536),
        "timeout",
    ),
]


def _counts(run: lc.Run) -> dict[str, int]:
    """Ways in which a request that was sent can end, and how many did."""
    failed = run.requests.failed
    return {
        "completed": run.requests.completed,
        "connect": failed.connect,
        "timeout": failed.timeout,
        "reset": failed.reset,
        "protocol": failed.protocol,
    }


def _only(kind: str, requests: int) -> dict[str, int]:
    kinds = ("completed", "connect", "timeout", "reset", "protocol")
    return {**dict.fromkeys(kinds, 0), kind: requests}


def _id(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", ANSWERED + RESET + MALFORMED + LATE, ids=_id)
def test_closed_loop_counts_by_kind(case: Case) -> None:
    requests = 2 * CONNECTIONS if case.kind == "timeout" else REQUESTS
    begin = time.monotonic()
    with ScriptedServer(case.script) as server:
        run = lc.run(
            server.url,
            method=case.method,
            requests=requests,
            connections=CONNECTIONS,
            threads=1,
            timeout=case.timeout_s,
        )
        elapsed_s = time.monotonic() - begin
        assert _counts(run) == _only(case.kind, requests)
        assert run.requests.scheduled == run.requests.sent == requests
        if case.script is not hostile.closing_at_once:
            assert server.requests_settled(requests) == requests
    assert elapsed_s < 2 * TIMEOUT_S + SLACK_S

    answered = requests if case.kind == "completed" else 0
    assert case.status is not None
    assert run.status_codes == ({case.status: requests} if answered else {})
    assert run.requests.failed.status == (answered if not 200 <= case.status <= 299 else 0)
    assert run.latency.count == answered
    assert not run.interrupted


@pytest.mark.parametrize("case", [ANSWERED[0], RESET[3], MALFORMED[0], LATE[0], LATE[3]], ids=_id)
def test_open_loop_ends_on_time(case: Case) -> None:
    rate, duration_s = 200, 0.5
    begin = time.monotonic()
    with ScriptedServer(case.script) as server:
        run = lc.run(
            server.url,
            rate=rate,
            duration=duration_s,
            connections=CONNECTIONS,
            threads=1,
            timeout=case.timeout_s,
        )
        elapsed_s = time.monotonic() - begin
        assert server.requests_settled(run.requests.sent) == run.requests.sent
    assert elapsed_s < duration_s + TIMEOUT_S + SLACK_S
    assert run.duration == pytest.approx(duration_s)
    assert run.requests.scheduled == rate * duration_s
    assert run.requests.sent >= CONNECTIONS
    assert _counts(run) == _only(case.kind, run.requests.sent)


def test_answers_of_different_kinds_are_told_apart() -> None:
    answers = [
        hostile.OK,
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ]
    given = [0] * len(answers)
    turn = iter(range(10_000))

    def script(peer: hostile.Peer) -> None:
        while True:
            peer.read_request()
            which = next(turn) % len(answers)
            given[which] += 1
            peer.send(answers[which])
            if which in (1, 2):
                return

    # One connection: the script's list of what it gave needs no lock.
    with ScriptedServer(script) as server:
        run = lc.run(server.url, requests=80, connections=1, threads=1, timeout=PATIENCE_S)
    assert given == [20, 20, 20, 20]
    assert _counts(run) == {
        "completed": 40,
        "connect": 0,
        "timeout": 0,
        "reset": 20,
        "protocol": 20,
    }
    assert run.status_codes == {200: 20, 503: 20}
    assert run.requests.failed.status == 20


def test_an_answer_before_the_request_is_complete_counts() -> None:
    with ScriptedServer(hostile.answering_early) as server:
        run = lc.run(
            server.url,
            body=b"a" * 20_000_000,
            requests=REQUESTS,
            connections=CONNECTIONS,
            threads=1,
            timeout=PATIENCE_S,
        )
        assert server.requests_settled(REQUESTS) == REQUESTS
    assert _counts(run) == _only("completed", REQUESTS)
    assert run.status_codes == {413: REQUESTS}
    # Half a request is still on its way there: none of the connections can be used again.
    assert run.connects == REQUESTS


def test_a_connection_that_is_reset_at_once_counts_as_one_or_the_other() -> None:
    # Whether connecting has already succeeded when the reset comes is the kernel's to say; were it
    # to say no to all, there would be no run.
    first = iter([True])

    def script(peer: hostile.Peer) -> None:
        if next(first, False):
            peer.read_request()
        peer.reset()

    with ScriptedServer(script) as server:
        run = lc.run(server.url, requests=REQUESTS, connections=CONNECTIONS, threads=1)
    counts = _counts(run)
    assert counts["connect"] + counts["reset"] == run.requests.sent == REQUESTS


def test_a_target_that_speaks_first_is_survived() -> None:
    with ScriptedServer(hostile.speaking_first) as server:
        begin = time.monotonic()
        run = lc.run(
            server.url,
            rate=200,
            duration=0.5,
            connections=CONNECTIONS,
            threads=1,
            timeout=TIMEOUT_S,
        )
        assert time.monotonic() - begin < 0.5 + TIMEOUT_S + SLACK_S
    assert run.requests.scheduled == 100


def test_an_answer_in_pieces_of_one_byte_is_whole() -> None:
    answer = CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"

    def script(peer: hostile.Peer) -> None:
        while True:
            peer.read_request()
            for byte in answer:
                peer.send(bytes([byte]))

    with ScriptedServer(script) as server:
        run = lc.run(server.url, requests=REQUESTS, connections=CONNECTIONS, threads=1)
    assert _counts(run) == _only("completed", REQUESTS)
    assert run.bytes.received == REQUESTS * len(answer)
    assert run.connects == CONNECTIONS


def test_large_bodies_both_ways() -> None:
    body = b"question" * 500_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"a" * 8_000_000
    whole = []

    def script(peer: hostile.Peer) -> None:
        while True:
            whole.append(peer.read_request() == body)
            peer.send(answer)

    with ScriptedServer(script) as server:
        run = lc.run(
            server.url,
            body=body,
            requests=REQUESTS,
            connections=CONNECTIONS,
            threads=1,
            timeout=PATIENCE_S,
        )
    assert _counts(run) == _only("completed", REQUESTS)
    assert whole == [True] * REQUESTS
    assert run.bytes.received == REQUESTS * len(answer)
    assert run.bytes.sent > REQUESTS * len(body)
    assert run.connects == CONNECTIONS


def test_a_connection_that_never_stops_sending_leaves_the_others_their_turn() -> None:
    flood = hostile.endless(ENDLESS_BODY, b"a" * 65536)
    well_behaved = hostile.answering(hostile.OK)
    first = iter([True])

    def script(peer: hostile.Peer) -> None:
        (flood if next(first, False) else well_behaved)(peer)

    with ScriptedServer(script) as server:
        run = lc.run(
            server.url, rate=100, duration=1, connections=CONNECTIONS, threads=1, timeout=3
        )
        assert server.requests_settled(run.requests.sent) == run.requests.sent
    assert run.requests.scheduled == 100
    assert run.requests.failed.timeout == 1
    assert run.requests.completed == run.requests.sent - 1 > 0
    assert run.bytes.received > 50e6, "too little to tell"
    # Were they to wait for its end, most would take more than two seconds.
    assert run.latency.p50 < 1


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"junk"])
def test_a_connection_that_ends_while_idle_is_no_failure(last_words: bytes) -> None:
    def script(peer: hostile.Peer) -> None:
        peer.read_request()
        peer.send(hostile.OK)
        time.sleep(0.02)
        if last_words:
            peer.send(last_words)

    requests = 2 * CONNECTIONS
    with ScriptedServer(script) as server:
        run = lc.run(
            server.url,
            requests=requests,
            connections=CONNECTIONS,
            threads=1,
            think_time=1,
            timeout=PATIENCE_S,
        )
        assert server.requests == requests
    assert _counts(run) == _only("completed", requests)
    assert run.connects == requests


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_ends_behind_an_answer_costs_no_answer(reset: bool) -> None:
    def script(peer: hostile.Peer) -> None:
        peer.read_request()
        peer.send(hostile.OK)
        if reset:
            peer.reset()

    with ScriptedServer(script) as server:
        run = lc.run(
            server.url, requests=60, connections=CONNECTIONS, threads=1, timeout=PATIENCE_S
        )
        # A request that met the end of its connection has not been seen there, and counts as reset.
        assert server.requests_settled(run.requests.completed) == run.requests.completed
    counts = _counts(run)
    assert counts["completed"] + counts["reset"] == 60
    assert counts["completed"] > 0


ONE_CONNECTION = """
import sys
import loadcore as lc
print("begun", flush=True)
sys.stdin.readline()
run = lc.run(sys.argv[1], requests=10, connections=1, threads=1)
print(run.requests.completed, run.requests.failed.reset)
"""


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_known_to_have_ended_is_not_used_again(reset: bool) -> None:
    pid = 0

    def script(peer: hostile.Peer) -> None:
        peer.read_request()
        # Answer and end are both there by the time the client looks.
        os.kill(pid, signal.SIGSTOP)
        _wait_until_stopped(pid)
        peer.send(hostile.OK)
        peer.reset() if reset else peer.close()
        os.kill(pid, signal.SIGCONT)

    with (
        ScriptedServer(script) as server,
        subprocess.Popen(
            [sys.executable, "-c", ONE_CONNECTION, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        pid = client.pid
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "begun\n"
            out, _ = client.communicate("go\n", timeout=20)
        finally:
            client.kill()
        assert server.accepted == server.requests == 10
    assert out == "10 0\n"


def _wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "T":
                return
        time.sleep(0.001)
    raise TimeoutError(f"process {pid} does not stop")


MEMORY_PROBE = """
import sys
import loadcore as lc

def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

lc.run(sys.argv[1], requests=1, connections=1, threads=1, timeout=0.05)
before = peak_kib()
run = lc.run(sys.argv[1], rate=100, duration=1, connections=8, threads=1, timeout=0.5)
print(run.bytes.received, peak_kib() - before)
"""


@pytest.mark.parametrize(
    "case", [case for case in LATE if case.name.startswith("endless")], ids=_id
)
def test_an_endless_body_takes_no_memory(case: Case) -> None:
    received, grown_kib = 0, 0
    for _ in range(5):  # the target of a busy machine may send too little to tell
        with ScriptedServer(case.script) as server:
            probe = subprocess.run(
                [sys.executable, "-c", MEMORY_PROBE, server.url],
                check=True,
                capture_output=True,
                text=True,
                timeout=50,
            )
        received, grown_kib = map(int, probe.stdout.split())
        if received > 50e6:
            break
    assert received > 50e6, "too little to tell"
    assert grown_kib < 16 * 1024
