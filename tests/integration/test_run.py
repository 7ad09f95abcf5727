"""lc.run and lc.start over real sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from open_loop import assert_all_due
from target import (
    OK,
    UNAVAILABLE,
    closing,
    endless_body,
    endless_header,
    silent,
    target,
    trickling,
    unused_port,
)
from waiting import comes_true, until

import loadcore as lc
from loadcore import _engine


def test_a_closed_loop_sends_as_many_as_it_was_asked_for() -> None:
    with target() as server:
        run = lc.run(server.url, requests=500, connections=4, threads=2)
        assert len(server.requests) == 500
        assert server.connections == 4
    assert run.requests == lc.Requests(500, 500, 500, 0, 0, lc.Failures())
    assert run.status_codes == {200: 500}
    assert run.latency.count == run.service_time.count == 500
    assert run.send_lag.count == 0
    assert 0 < run.latency.min <= run.latency.p50 <= run.latency.p99 <= run.latency.max
    assert run.bytes.received == 500 * len(OK)
    assert run.connects == 4
    assert not run.corrected


def test_an_open_loop_keeps_its_schedule() -> None:
    with target() as server:
        run = lc.run(server.url, rate=200, duration=1, connections=200, interval="200ms")
        assert len(server.requests) == 200
    # With a connection for each request, none is unsent at the end.
    assert_all_due(run.requests, 200)
    assert run.requests.unsent == 0
    assert run.rate.target == 200
    assert run.rate.achieved == pytest.approx(200, rel=0.05)
    assert run.duration == pytest.approx(1.0, rel=0.1)
    assert run.send_lag.count == 200
    assert run.latency.p50 >= run.service_time.p50
    timeline = run.timeline()
    assert sum(timeline["scheduled"]) == sum(timeline["completed"]) == 200
    # Five and what is left of the wait for the last answers.
    assert timeline.row_count >= 5
    assert list(timeline["scheduled"][:5]) == [40] * 5


def test_the_request_is_the_one_that_was_described() -> None:
    with target() as server:
        lc.run(server.url + "a?b=c", json={"item": 7}, headers={"X-Test": "ä"}, requests=1)
        request = server.requests[0]
    assert request.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert "\r\nX-Test: ä\r\n".encode() in request
    assert re.search(rb"\r\ncontent-type: application/json\r\n", request, re.IGNORECASE)
    assert request.endswith(b'\r\n\r\n{"item": 7}')


def test_warm_up_is_sent_and_not_measured() -> None:
    with target() as server:
        run = lc.run(server.url, rate=100, duration=0.5, warmup=0.3)
        assert len(server.requests) == run.requests.sent + run.warmup_requests.sent
    assert run.requests.scheduled == 50
    assert run.warmup_requests.completed == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (UNAVAILABLE, "status"),
        (b"220 mail.example ESMTP\r\n\r\n", "protocol"),
        (b"\x00\xff" * 500, "protocol"),
        (closing, "reset"),
        (endless_header, "protocol"),
        (silent, "timeout"),
        (trickling, "timeout"),
        (endless_body, "timeout"),
    ],
)
def test_a_bad_target_is_counted_by_kind_and_the_run_ends_on_time(
    answer: bytes | Callable[[socket.socket], bool], kind: str
) -> None:
    with target(answer) as server:
        begin = time.monotonic()
        timeout_s = 0.5 if kind == "timeout" else 20
        run = lc.run(server.url, connections=2, duration=1, timeout=timeout_s)
        took = time.monotonic() - begin
    failed = run.requests.failed._asdict()
    assert failed.pop(kind) > 0
    assert not any(failed.values())
    assert took < 15
    assert run.requests.completed == (run.requests.sent if kind == "status" else 0)


def test_a_target_that_is_not_there_raises_one_sentence() -> None:
    url = f"http://127.0.0.1:{unused_port()}/"
    with pytest.raises(lc.RunError, match=re.escape(f"cannot reach {url}")) as caught:
        lc.run(url, duration=1)
    assert isinstance(caught.value, lc.LoadcoreError)


@pytest.mark.parametrize(
    ("url", "options", "field"),
    [
        ("http://", {}, "url"),
        ("ftp://127.0.0.1/", {}, "url"),
        ("http://127.0.0.1:99999/", {}, "url"),
        ("http://127.0.0.1/", {"headers": {"A": "b\r\nc"}}, "headers"),
        ("http://127.0.0.1/", {"method": "GET /"}, "method"),
        ("http://127.0.0.1/", {"connections": 900_000}, "connections"),
        ("http://127.0.0.1/", {"connections": 2, "threads": 3}, "threads"),
        ("http://127.0.0.1/", {"interval": "1us"}, "interval"),
    ],
)
def test_what_the_core_refuses_is_a_plan_error(
    url: str, options: dict[str, object], field: str
) -> None:
    with pytest.raises(lc.PlanError) as caught:
        lc.start(url, **options)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert not caught.value.sentence.startswith(field)


def test_a_plan_may_be_given_instead_of_arguments() -> None:
    with target() as server:
        plan = lc.Plan.of(server.url, requests=3)
        assert lc.run(plan).plan == plan
        with pytest.raises(lc.PlanError, match="rate"):
            lc.run(plan, rate=5)


def test_a_run_can_be_watched_and_stopped() -> None:
    with target() as server:
        handle = lc.start(server.url, rate=200, duration=60, interval=0.25, threads=1)
        with pytest.raises(TimeoutError):
            handle.wait(timeout=0.8)
        until(lambda: handle.progress().rate > 0)
        progress = handle.progress()
        assert progress.phase == "running"
        assert progress.remaining == pytest.approx(60 - progress.elapsed)
        assert "running" in repr(handle)
        handle.stop()
        run = handle.wait()
    assert run.interrupted
    assert run.duration < 30
    assert 0 < progress.requests.completed <= run.requests.completed
    # The figures of the last whole interval are those that the timeline has for one.
    rows = run.timeline()
    shown = [
        (completed / length_s, latency.p50, latency.p99)
        for completed, length_s, latency in zip(
            rows["completed"], rows["length_s"], rows.distributions("latency"), strict=True
        )
    ]
    assert pytest.approx((progress.rate, progress.p50, progress.p99)) in shown
    assert handle.progress().phase == "done"
    assert handle.wait().to_dict() == run.to_dict()


def test_a_handle_as_a_context_manager_ends_its_run() -> None:
    with target() as server:
        with lc.start(server.url, rate=100, duration=60) as handle:
            time.sleep(0.2)
        assert handle.wait(timeout=0).interrupted


def test_stop_bounds_the_wait_for_outstanding_answers() -> None:
    with target(silent) as server:
        handle = lc.start(server.url, connections=3, duration=60, timeout=60)
        until(lambda: len(server.requests) == 3)
        begin = time.monotonic()
        handle.stop(drain=0.2)
        run = handle.wait()
    assert time.monotonic() - begin < 20
    assert run.requests.failed.timeout == run.requests.sent == 3


def test_two_runs_in_two_threads_do_not_mix() -> None:
    with target() as one, target(UNAVAILABLE) as two, ThreadPoolExecutor(2) as pool:
        first = pool.submit(lc.run, one.url, rate=300, duration=1)
        second = pool.submit(lc.run, two.url, requests=200, connections=2)
        assert_all_due(first.result().requests, 300)
        assert first.result().status_codes == {200: first.result().requests.sent}
        assert second.result().status_codes == {503: 200}


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], bool]]]:
    """Conditions: each time that lc.run waits for its run, which is where it catches Ctrl-C, it
    gets one as soon as the next of them is true. Outstanding answers are waited for patiently."""
    conditions: list[Callable[[], bool]] = []
    senders: list[threading.Thread] = []
    wait = lc.RunHandle.wait

    def send(condition: Callable[[], bool]) -> None:
        comes_true(condition)
        os.kill(os.getpid(), signal.SIGINT)

    def interrupted_wait(handle: lc.RunHandle, timeout: float | None = None) -> lc.Run:
        if conditions:
            senders.append(threading.Thread(target=send, args=(conditions.pop(0),)))
            senders[-1].start()
        return wait(handle, timeout)

    monkeypatch.setattr(lc.RunHandle, "wait", interrupted_wait)
    monkeypatch.setattr(_engine, "INTERRUPTED_DRAIN_S", 60.0)
    yield conditions
    for sender in senders:
        sender.join()


def test_ctrl_c_returns_what_was_measured(ctrl_c: list[Callable[[], bool]]) -> None:
    with target() as server:
        ctrl_c.append(lambda: len(server.requests) >= 20)
        begin = time.monotonic()
        with pytest.raises(lc.Interrupted) as caught:
            lc.run(server.url, rate=200, duration=60)
        assert time.monotonic() - begin < 30
        assert len(server.requests) == caught.value.run.requests.completed
    run = caught.value.run
    assert run.interrupted
    assert run.requests.completed >= 20


def test_a_second_ctrl_c_does_not_wait_for_answers(ctrl_c: list[Callable[[], bool]]) -> None:
    with target(silent) as server:
        ctrl_c += [lambda: len(server.requests) == 2, lambda: True]
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            lc.run(server.url, connections=2, duration=60, timeout=60)
        assert not isinstance(caught.value, lc.Interrupted)
        assert time.monotonic() - begin < 30


def test_a_run_costs_little_memory() -> None:
    """Peak memory above a bare interpreter; the bound is the project's for 64 connections."""

    def peak_kb(code: str) -> int:
        peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        command = [sys.executable, "-c", f"{code}\n{peak}"]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    with target() as server:
        drive = f"import loadcore as lc; lc.run({server.url!r}, connections=64, duration=2)"
        assert peak_kb(drive) - peak_kb("") <= 12 * 1024
