"""The likes service over real connections: every route, every refusal, and how it ends."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

import loadcore as lc
from loadcore import _core

HOST = b"Host: a\r\n"


@pytest.fixture
def service() -> Iterator[lc.Service]:
    with lc.serve(port=0, threads=2) as running:
        yield running


class Answer:
    """One answer that was read to its end."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.body = answer.read()
        self.status = answer.status
        self.headers = answer.headers

    @property
    def json(self) -> object:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


def ask(
    service: lc.Service,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def connect(service: lc.Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=5)


def read_to_end(client: socket.socket) -> bytes:
    got = b""
    while piece := client.recv(65_536):
        got += piece
    return got


def exchange(service: lc.Service, request: bytes) -> bytes:
    """What comes back until the service closes; not a reset, which would raise."""
    with connect(service) as client:
        client.sendall(request)
        return read_to_end(client)


def bodies(answers: bytes) -> list[object]:
    """The JSON bodies of answers in a row."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
        found.append(json.loads(rest[:length]))
        answers = rest[length:]
    return found


def test_likes_are_counted(service: lc.Service) -> None:
    assert ask(service, "GET", "/v1/alice/likes").json == {"userId": "alice", "likes": 0}
    for total in (1, 2, 3):
        answer = ask(service, "POST", "/v1/alice/likes")
        assert answer.status == 200
        assert answer.json == {"userId": "alice", "likes": total}
    assert ask(service, "POST", "/v1/bob/likes", b"a body is ignored").json == {
        "userId": "bob",
        "likes": 1,
    }
    assert ask(service, "GET", "/v1/alice/likes?a=b").json == {"userId": "alice", "likes": 3}
    assert service.stats()["users"] == 2
    assert service.stats()["likes"] == 4


def test_the_body_is_spelt_as_the_contract_has_it(service: lc.Service) -> None:
    assert ask(service, "POST", "/v1/alice/likes").body == b'{"userId": "alice", "likes": 1}'


def test_head_is_get_without_the_body(service: lc.Service) -> None:
    ask(service, "POST", "/v1/alice/likes")
    head = ask(service, "HEAD", "/v1/alice/likes")
    get = ask(service, "GET", "/v1/alice/likes")
    assert head.body == b""
    assert head.status == get.status == 200
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_health_and_readiness(service: lc.Service) -> None:
    health = ask(service, "GET", "/v1/healthcheck")
    assert (health.status, health.json) == (200, {"healthy": True})
    assert ask(service, "GET", "/v1/readiness").status == 200
    assert ask(service, "HEAD", "/v1/healthcheck").body == b""


def test_the_date_is_now(service: lc.Service) -> None:
    said = parsedate_to_datetime(ask(service, "GET", "/v1/healthcheck").headers["Date"])
    assert abs(said.timestamp() - time.time()) < 20


@pytest.mark.parametrize(
    ("segment", "user"),
    [
        ("a", "a"),
        ("A-z.0_9~", "A-z.0_9~"),
        ("%61lice", "alice"),
        ("%7e%7E", "~~"),
        ("x" * 128, "x" * 128),
        ("%78" * 128, "x" * 128),
        ("healthcheck", "healthcheck"),
    ],
)
def test_user_ids(service: lc.Service, segment: str, user: str) -> None:
    answer = ask(service, "POST", f"/v1/{segment}/likes")
    assert answer.status == 200
    assert answer.json == {"userId": user, "likes": 1}


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "x" * 129,
        "%78" * 129,
        "a%2Fb",
        "a+b",
        "a%",
        "a%6",
        "%6g",
        "a@b",
        "%2561",
        "%00",
        "%C3%A9",
    ],
)
def test_what_is_no_user_id(service: lc.Service, segment: str) -> None:
    for method in ("GET", "POST"):
        answer = ask(service, method, f"/v1/{segment}/likes")
        assert answer.status == 400
        assert "userId" in str(answer.json)
    assert service.stats()["users"] == 0


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/likes", "/v1/a", "/v1/a/b/likes", "/v1/a/likes/", "/v2/a/likes", "/v1/"],
)
def test_what_is_not_there(service: lc.Service, path: str) -> None:
    answer = ask(service, "GET", path)
    assert answer.status == 404
    assert "error" in json.loads(answer.body)


def test_methods_that_are_not_allowed(service: lc.Service) -> None:
    for method in ("PUT", "DELETE", "PATCH", "BREW"):
        answer = ask(service, method, "/v1/alice/likes")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        assert "error" in json.loads(answer.body)
    answer = ask(service, "POST", "/v1/healthcheck")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_options(service: lc.Service) -> None:
    for path in ("/v1/alice/likes", "/v1/healthcheck", "*"):
        answer = ask(service, "OPTIONS", path)
        assert (answer.status, answer.body) == (204, b"")
        assert "OPTIONS" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /v1/alice/likes HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v1/alice/likes HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 20_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 65537\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n", 413),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_costs_the_connection(
    service: lc.Service, request_bytes: bytes, status: int
) -> None:
    after = b"POST /v1/smuggled/likes HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = exchange(service, request_bytes + after)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert list(bodies(answer)[0]) == ["error"]  # type: ignore[call-overload]
    assert service.stats()["users"] == 0


def test_pipelined_requests_are_answered_in_order(service: lc.Service) -> None:
    requests = b"".join(
        b"POST /v1/user%d/likes HTTP/1.1\r\n%s\r\n" % (i % 10, HOST) for i in range(500)
    )
    answers = exchange(
        service,
        requests + b"GET /v1/user3/likes HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    )
    expected = [{"userId": f"user{i % 10}", "likes": i // 10 + 1} for i in range(500)]
    assert bodies(answers) == [*expected, {"userId": "user3", "likes": 50}]


def test_a_request_may_come_byte_by_byte(service: lc.Service) -> None:
    request = (
        b"POST /v1/alice/likes HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    with connect(service) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            client.sendall(bytes([byte]))
            time.sleep(0.001)
        assert bodies(read_to_end(client)) == [{"userId": "alice", "likes": 1}]


def test_concurrent_likes_all_count(service: lc.Service) -> None:
    clients, likes = 8, 200

    def like() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        for _ in range(likes):
            connection.request("POST", "/v1/everybody/likes")
            totals.append(json.loads(connection.getresponse().read())["likes"])
        connection.close()

    totals: list[int] = []
    threads = [threading.Thread(target=like) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(totals) == list(range(1, clients * likes + 1))
    stats = service.stats()
    assert stats["likes"] == clients * likes
    assert stats["routes"]["post_likes"] == clients * likes
    assert stats["statuses"] == {200: clients * likes}


def test_readiness_fails_while_it_drains_and_what_has_begun_is_finished() -> None:
    service = lc.serve(port=0)
    with connect(service) as late, connect(service) as idle:
        late.sendall(b"GET /v1/readiness HTTP/1.1\r\n")
        idle.sendall(b"GET /v1/readiness HTTP/1.1\r\n" + HOST + b"\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        stopped: list[bool] = []
        stopping = threading.Thread(target=lambda: stopped.append(service.stop(drain="10s")))
        stopping.start()
        read_to_end(idle)  # idle connections are closed at once
        late.sendall(HOST + b"\r\n")
        answer = read_to_end(late)
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert stopped == [True]
    with pytest.raises(ConnectionRefusedError):
        connect(service)


def test_a_client_that_stays_is_cut_off_when_the_drain_is_over() -> None:
    service = lc.serve(port=0)
    with connect(service) as client:
        client.sendall(b"GET /v1/readiness HTTP/1.1\r\n")
        while service.stats()["connections"]["open"] == 0:
            time.sleep(0.01)
        begin = time.monotonic()
        assert not service.stop(drain=0.2)
        assert 0.1 < time.monotonic() - begin < 20
        assert not service.stop()  # and says so again
    assert service.wait(timeout=0)
    assert service.stats()["connections"]["cut_off"] == 1


def test_waiting_for_a_service_that_runs() -> None:
    with lc.serve(port=0) as service:
        begin = time.monotonic()
        assert not service.wait(timeout=0.15)
        assert 0.1 < time.monotonic() - begin < 20
        threading.Timer(0.1, service.stop).start()
        assert service.wait(timeout=20)


def test_several_services_count_apart() -> None:
    with lc.serve(port=0) as one, lc.serve(port=0) as other:
        assert one.port != other.port
        ask(one, "POST", "/v1/alice/likes")
        assert ask(other, "GET", "/v1/alice/likes").json == {"userId": "alice", "likes": 0}


def test_a_port_in_use_and_arguments_that_cannot_be() -> None:
    with lc.serve(port=0) as service:
        with pytest.raises(_core.RunError, match=r"cannot listen on .*in use"):
            _core.Service(port=service.port)
        with pytest.raises(_core.RunError, match=r"cannot listen on .*in use"):
            _core.Service(port=service.port, threads=2)
    for port in (-1, 65_536, 2**40):
        with pytest.raises(_core.PlanError) as caught:
            _core.Service(port=port)
        assert caught.value.args[0] == "port"
    for threads in (-1, 0, 2**40):
        with pytest.raises(_core.PlanError) as caught:
            _core.Service(threads=threads)
        assert caught.value.args[0] == "threads"
    with pytest.raises(_core.PlanError):
        _core.Service(host="")
    with pytest.raises(_core.RunError):
        _core.Service(host="no-such-host.invalid")


def test_a_service_that_is_dropped_stops() -> None:
    service = lc.serve(port=0)
    port = service.port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        del service
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
