"""The remote validation against services that keep their promise, one or several behind a balancer,
and against ones that break it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Answering, Reply, balanced, forwarded, serving

import loadcore as lc
from loadcore_aws.stack.account import Time
from loadcore_aws.stack.stress import stress
from loadcore_aws.stack.validate import Check, Client, Counts, reach, validate


def checked(url: str, instances: int) -> dict[str, Check]:
    return {check.name: check for check in validate(Client(url), instances=instances)}


def failed(url: str, instances: int = 1) -> set[str]:
    return {name for name, check in checked(url, instances).items() if not check.passed}


def test_one_service_keeps_its_promise() -> None:
    with lc.serve(port=0) as service:
        checks = checked(service.url, 1)
    assert [check for check in checks.values() if not check.passed] == []
    assert len(checks) == 12
    assert checks["POST likes counts one"].seen == "counted 1, 2"
    assert checks["GET likes shows the count"].seen == "2"
    assert "Allow" in checks["DELETE likes is 405 and says what is allowed"].seen


@pytest.mark.parametrize("count", [2, 3])
def test_several_instances_keep_it_too(count: int) -> None:
    with balanced(count) as url:
        checks = checked(url, count)
    assert [check for check in checks.values() if not check.passed] == []
    # Each of them counted for itself, and the answers show it.
    ones = ", ".join("1" for _ in range(count))
    assert checks["POST likes counts one"].seen == f"counted {ones}, 2"


def test_more_instances_than_said_are_noticed() -> None:
    with balanced(3) as url:
        assert "POST likes counts one" in failed(url, 1)


def breaking(change: Callable[[str, str, Reply], Reply], url: str) -> Answering:
    """The service at `url`, with what it says changed on the way."""

    def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
        return change(method, path, forwarded(url, method, path, headers))

    return answer


def stuck(method: str, path: str, reply: Reply) -> Reply:
    return (200, {}, reply[2].replace(b'"likes": 2', b'"likes": 1')) if method == "POST" else reply


def forgetful(method: str, path: str, reply: Reply) -> Reply:
    if method != "GET" or not path.endswith("/likes") or reply[0] != 200:
        return reply
    return 200, {}, json.dumps({**json.loads(reply[2]), "likes": 0}).encode()


def bare_refusals(method: str, path: str, reply: Reply) -> Reply:
    return (reply[0], {}, b"no") if reply[0] in (400, 404, 405) else reply


def unhealthy(method: str, path: str, reply: Reply) -> Reply:
    return (503, {}, b'{"healthy": false}') if path == "/v1/healthcheck" else reply


def leaking(method: str, path: str, reply: Reply) -> Reply:
    return (200, {}, b"# HELP") if path == "/metrics" else reply


COUNTS, SHOWS, DECODES = (
    "POST likes counts one",
    "GET likes shows the count",
    "a userId is percent-decoded once",
)
BAD_ID, UNKNOWN, NOT_ALLOWED, METRICS = (
    "a bad userId is 400",
    "an unknown path is 404",
    "DELETE likes is 405 and says what is allowed",
    "metrics are not public",
)


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (stuck, {COUNTS, SHOWS, DECODES}),
        (forgetful, {SHOWS, DECODES}),
        (bare_refusals, {BAD_ID, UNKNOWN, NOT_ALLOWED, METRICS}),
        (unhealthy, {"healthcheck is healthy"}),
        (leaking, {METRICS}),
    ],
)
def test_a_broken_promise_fails_its_checks_and_no_other(
    change: Callable[[str, str, Reply], Reply], faults: set[str]
) -> None:
    with lc.serve(port=0) as service, serving(breaking(change, service.url)) as url:
        assert failed(url) == faults


def test_a_replay_that_counts_twice_is_seen() -> None:
    """A service that does not know of Idempotency-Keys."""
    with lc.serve(port=0) as service:

        def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
            headers.pop("Idempotency-Key", None)
            return forwarded(service.url, method, path, headers)

        with serving(answer) as url:
            assert failed(url) == {"a repeated Idempotency-Key counts once"}


def test_something_else_at_that_address_fails_nearly_everything() -> None:
    with serving(lambda *_: (200, {}, b"<html>hello</html>")) as url:
        checks = checked(url, 2)
    assert not any(check.passed for check in checks.values())
    assert checks[COUNTS].seen == "200 <html>hello</html>"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    @property
    def time(self) -> Time:
        return Time(now=lambda: self.at, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_what_does_not_answer_is_waited_for_and_then_told() -> None:
    clock = Clock()
    client = Client(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(lc.RunError, match=r"does not answer: .*loadcore stack status"):
        reach(client, clock.time, within_s=30)
    assert clock.at == pytest.approx(30)


def test_what_answers_late_is_reached() -> None:
    port = closed_port()
    clock = Clock()
    with ExitStack() as stack:

        def sleep(seconds: float) -> None:
            clock.at += seconds
            stack.enter_context(lc.serve(port=port))

        reach(Client(f"127.0.0.1:{port}"), Time(now=lambda: clock.at, sleep=sleep), within_s=30)
    assert clock.at == pytest.approx(2)


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:b", ""])
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(lc.PlanError, match="--url: "):
        Client(url)


@given(st.lists(st.integers(0, 4), max_size=40), st.data())
def test_any_way_of_balancing_is_admissible(turns: list[int], data: st.DataObject) -> None:
    """Whatever instance is chosen each time, honest counts are never called wrong, and one that
    skips is."""
    counts, real = Counts(5), [0] * 5
    for turn in turns:
        real[turn] += 1
        assert counts.liked(real[turn])
        assert counts.may_be(data.draw(st.sampled_from(real)))
    assert sorted(counts.values) == sorted(value for value in real if value)
    assert not counts.liked(max(real) + 2)
    assert not counts.may_be(max(real) + 1)


def test_stress_drives_the_route_of_likes() -> None:
    with lc.serve(port=0) as service:
        run = stress(f"{service.url}/", rate=200.0, duration_s=0.5, connections=100)
        counted = json.loads(forwarded(service.url, "GET", "/v1/loadcore-stress/likes", {})[2])
    assert run.requests.scheduled == 100
    assert counted["likes"] == run.requests.completed == 100
    assert run.plan.method == "POST"
