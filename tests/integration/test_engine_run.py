"""Runs through Python: the counts are exact, and nothing is left behind."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostile
import pytest
from hostile import ScriptedServer
from open_loop import assert_all_due
from waiting import comes_true, until

import loadcore as lc

FAILURE_KINDS = ("connect", "timeout", "reset", "protocol")


def _healthy() -> ScriptedServer:
    return ScriptedServer(hostile.answering(hostile.OK))


def _balanced(requests: lc.Requests) -> bool:
    failed = requests.failed
    ended = requests.completed + failed.connect + failed.timeout + failed.reset + failed.protocol
    return (
        requests.scheduled == requests.sent + requests.dropped + requests.unsent
        and requests.sent == ended
    )


def _all_completed(requests: int) -> lc.Requests:
    return lc.Requests(requests, requests, requests, 0, 0, lc.Failures())


# --- counts


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_a_count_is_met_exactly(threads: int) -> None:
    with _healthy() as server:
        run = lc.run(server.url, requests=1003, connections=7, threads=threads)
        assert server.requests == 1003
    assert run.requests == _all_completed(1003)
    assert run.status_codes == {200: 1003}
    assert run.latency.count == run.service_time.count == 1003
    assert run.connects == server.accepted == 7


@pytest.mark.parametrize(("requests", "connections"), [(1, 1), (1, 8), (3, 8), (8, 8)])
def test_fewer_requests_than_connections(requests: int, connections: int) -> None:
    with _healthy() as server:
        run = lc.run(server.url, requests=requests, connections=connections, threads=1)
        assert server.requests == requests
    assert run.requests == _all_completed(requests)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rate", [500, 333.3])
def test_an_open_loop_schedules_rate_times_duration(rate: float, threads: int) -> None:
    # Intended starts are at 0, 1/rate, 2/rate and so on, those before the end count.
    expected = {500: 400, 333.3: 267}[rate]
    with _healthy() as server:
        run = lc.run(server.url, rate=rate, duration=0.8, connections=8, threads=threads)
        assert server.requests == run.requests.sent
    assert_all_due(run.requests, expected)
    assert run.duration == pytest.approx(0.8)
    assert run.latency.count == run.send_lag.count == run.requests.sent


def test_an_open_loop_ends_after_its_count() -> None:
    with _healthy() as server:
        run = lc.run(server.url, rate=1000, requests=321, connections=8, threads=2)
        assert server.requests == run.requests.sent
    assert_all_due(run.requests, 321)
    assert run.duration == pytest.approx(0.321, abs=1e-6)


@pytest.mark.parametrize("rate", [None, 400])
def test_warmup_is_sent_and_counted_apart(rate: int | None) -> None:
    with _healthy() as server:
        run = lc.run(server.url, rate=rate, warmup=0.3, duration=0.5, connections=4, threads=2)
        assert server.requests == run.requests.sent + run.warmup_requests.sent
    assert _balanced(run.requests)
    assert _balanced(run.warmup_requests)
    assert run.warmup_requests.completed > 0
    assert run.latency.count == run.requests.completed
    assert run.duration == pytest.approx(0.5, abs=0.05)
    if rate is not None:
        assert_all_due(run.requests, 200)
        assert_all_due(run.warmup_requests, 120)


def test_what_cannot_be_sent_in_time_is_unsent_or_dropped() -> None:
    # Each of the two connections is held for 0.2 s: at most 2 x 5 requests a second get through.
    def slow(peer: hostile.Peer) -> None:
        while True:
            peer.read_request()
            time.sleep(0.2)
            peer.send(hostile.OK)

    with ScriptedServer(slow) as server:
        kept = lc.run(server.url, rate=100, duration=1, connections=2, threads=1)
        seen = server.requests
        dropping = lc.run(
            server.url, rate=100, duration=1, connections=2, threads=1, drop_after=0.05
        )
        assert seen == kept.requests.sent
        assert server.requests - seen == dropping.requests.sent

    assert kept.requests.scheduled == dropping.requests.scheduled == 100
    assert kept.requests.dropped == 0
    assert kept.requests.unsent == 100 - kept.requests.sent > 0
    assert kept.latency.max > 0.5, "waiting for a connection is not in the latency"
    assert kept.blocked.max > 0.5
    assert _balanced(dropping.requests)
    assert dropping.requests.dropped > dropping.requests.unsent
    # Of what was sent late, that is: how long the answer then takes is not the drop's to say.
    assert dropping.send_lag.max < 0.5, "what was sent late should have been dropped"


@pytest.mark.parametrize("drop_after", [None, 0.000_001])
def test_a_rate_that_nobody_can_reach_is_accounted_for_on_time(drop_after: float | None) -> None:
    begin = time.monotonic()
    with _healthy() as server:
        run = lc.run(
            server.url,
            rate=100e6,
            duration=0.3,
            connections=4,
            threads=2,
            drop_after=drop_after,
        )
        assert server.requests == run.requests.sent == run.requests.completed > 0
    assert time.monotonic() - begin < 10
    assert run.requests.scheduled == 30_000_000
    left = run.requests.dropped if drop_after else run.requests.unsent
    assert left > 25_000_000
    assert _balanced(run.requests)
    assert run.verdict.state != "valid"


@pytest.mark.parametrize("rate", [None, 700])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_timeline_adds_up_to_the_totals(rate: int | None, threads: int) -> None:
    turn = threading.Lock()
    served = iter(range(10_000_000))

    def sometimes_broken(peer: hostile.Peer) -> None:
        while True:
            peer.read_request()
            with turn:
                number = next(served)
            if number % 50 == 7:
                return
            peer.send(b"nonsense\r\n\r\n" if number % 50 == 8 else hostile.OK)

    with ScriptedServer(sometimes_broken) as server:
        run = lc.run(
            server.url, rate=rate, duration=0.75, interval=0.1, connections=6, threads=threads
        )
    rows = run.timeline()
    requests, failed = run.requests, run.requests.failed
    assert failed.reset > 0
    assert failed.protocol > 0
    assert _balanced(requests)
    assert sum(rows["scheduled"]) == requests.scheduled
    assert sum(rows["requests"]) == requests.sent
    assert sum(rows["completed"]) == requests.completed
    for kind in FAILURE_KINDS:
        assert sum(rows[kind]) == getattr(failed, kind), kind
    assert sum(rows["bytes_sent"]) == run.bytes.sent
    assert sum(rows["bytes_received"]) == run.bytes.received
    for kind, whole in (("latency", run.latency), ("service", run.service_time)):
        merged = lc.Histogram()
        for part in rows.distributions("service" if rate is None else kind):
            merged.merge(part.histogram)
        assert merged == whole.histogram, kind
    starts, lengths = rows["start_s"], rows["length_s"]
    assert starts[0] == 0
    for start, length, following in zip(starts, lengths, starts[1:], strict=False):
        assert start + length == pytest.approx(following)


def test_the_bytes_are_those_on_the_wire() -> None:
    with _healthy() as server:
        run = lc.run(server.url, method="POST", body=b"a" * 100, requests=50, threads=1)
    assert run.bytes.received == 50 * len(hostile.OK)
    assert run.bytes.sent % 50 == 0
    assert 100 < run.bytes.sent // 50 < 300


# --- targets that come and go


@pytest.mark.parametrize("rate", [None, 300])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_target_that_goes_away_and_comes_back(rate: int | None, threads: int) -> None:
    duration_s = 5
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        with lc.start(
            server.url,
            rate=rate,
            duration=duration_s,
            interval=0.1,
            connections=4,
            threads=threads,
            timeout=20,
        ) as handle:
            until(lambda: handle.progress().requests.completed > 0)
            server.vanish()
            gone_s = handle.progress().elapsed
            time.sleep(1)
            refused = handle.progress().requests.failed.connect
            until(lambda: handle.progress().requests.failed.connect > refused)
            back_s = handle.progress().elapsed
            server.appear()
            run = handle.wait()
        assert server.requests_settled(0) >= run.requests.completed
        # Requests that a reset overtook may or may not have been seen: four at most.
        assert server.requests <= run.requests.completed + run.requests.failed.reset
    failed = run.requests.failed
    assert failed.connect > 0
    assert failed.protocol == failed.timeout == 0
    assert failed.reset <= 4
    assert _balanced(run.requests)
    assert run.connects > 4

    rows = run.timeline()
    # A machine that is busy may take up a little later what had arrived before.
    quiet = [
        row
        for row, start in enumerate(rows["start_s"])
        if start >= gone_s + 0.5 and start + rows["length_s"][row] <= back_s
    ]
    assert quiet
    assert all(rows["completed"][row] == 0 for row in quiet), "answers from a target that is away"
    assert any(rows["connect"][row] > 0 for row in quiet), "being away shows as silence"
    recovered = rows["completed"][quiet[-1] + 1 :]
    assert sum(recovered) > 0, "the run has not recovered"
    if rate is not None:
        away_s = back_s - gone_s
        assert run.requests.scheduled == rate * duration_s
        assert run.requests.dropped == 0
        # Those of the time away were sent; a few may wait for a connection at the end.
        assert run.requests.unsent < rate * away_s
        # Back-off delays the return; who then is served has waited since the intended start.
        assert run.latency.max > 0.6 * away_s
        assert run.service_time.p99 < 0.5 * away_s
        assert 0.6 * away_s < run.blocked.max < 1.5 * run.latency.max


def _nobody_listens() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.mark.parametrize("rate", [None, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_unreachable_from_the_start(rate: int | None, threads: int) -> None:
    begin = time.monotonic()
    with pytest.raises(lc.RunError, match="Connection refused"):
        lc.run(
            _nobody_listens(),
            rate=rate,
            duration=60,
            connections=500,
            threads=threads,
            connect_timeout=60,
        )
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http+unix://%2Fnowhere%2Fat-all.sock/", "No such file or directory"),
        # A label is 63 letters at the most: no name server is asked.
        (f"http://{'a' * 70}.invalid/", "no address"),
    ],
)
def test_no_such_target(url: str, reason: str) -> None:
    begin = time.monotonic()
    with pytest.raises(lc.RunError, match=reason):
        lc.run(url, requests=10, threads=1, connect_timeout=60)
    assert time.monotonic() - begin < 20


SLOW_NAMES = """
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
extern "C" int getaddrinfo(const char* name, const char* service, const struct addrinfo* hints,
                           struct addrinfo** found) {
  if (name && strcmp(name, "slow.invalid") == 0) sleep(50);
  auto next = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return next(name, service, hints, found);
}
"""

WITH_SLOW_NAMES = """
import loadcore as lc
try:
    lc.run("http://slow.invalid/", requests=1, connections=4, threads=2, connect_timeout=0.5)
except lc.RunError as error:
    print(error)
"""


def test_a_silent_name_server_is_not_waited_for(tmp_path: Path) -> None:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    library = tmp_path / "slow_names.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-x", "c++", "-", "-o", str(library), "-ldl"],
        input=SLOW_NAMES,
        text=True,
        check=True,
    )
    begin = time.monotonic()
    probe = subprocess.run(
        [sys.executable, "-c", WITH_SLOW_NAMES],
        env={**os.environ, "LD_PRELOAD": str(library)},
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert time.monotonic() - begin < 25
    assert "did not answer in time" in probe.stdout


def test_a_target_that_never_accepts_is_given_up_after_one_connect_timeout() -> None:
    with hostile.deaf() as url:
        begin = time.monotonic()
        with pytest.raises(lc.RunError, match="timed out"):
            lc.run(url, requests=10, connections=1000, threads=1, connect_timeout=2)
        # Not one timeout for every 128 connections, which are tried at once: that would be 16 s.
        assert time.monotonic() - begin < 10


# --- addresses


def test_ipv6() -> None:
    with ScriptedServer(hostile.answering(hostile.OK), address="::1") as server:
        assert lc.run(server.url, requests=50, threads=1).requests == _all_completed(50)
        assert server.requests == 50


def test_unix_socket(tmp_path: Path) -> None:
    with ScriptedServer(hostile.answering(hostile.OK), address=tmp_path / "a.sock") as server:
        assert lc.run(server.url, requests=50, threads=2).requests == _all_completed(50)
        assert server.requests == 50


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_localhost_is_found_whichever_family_listens(address: str) -> None:
    families = {info[0] for info in socket.getaddrinfo("localhost", 80)}
    if address == "::1" and socket.AF_INET6 not in families:
        pytest.skip("localhost is no IPv6 address here")
    with ScriptedServer(hostile.answering(hostile.OK), address=address) as server:
        run = lc.run(f"http://localhost:{server.port}/", requests=50, threads=1)
        assert server.requests == 50
    assert run.requests == _all_completed(50)


# --- several runs in one process


def test_two_engines_in_two_python_threads() -> None:
    runs: dict[str, lc.Run] = {}

    def drive(name: str, url: str) -> None:
        runs[name] = lc.run(url, rate=400, duration=0.8, connections=4, threads=1)

    with _healthy() as one, _healthy() as other:
        threads = [
            threading.Thread(target=drive, args=("one", one.url)),
            threading.Thread(target=drive, args=("other", other.url)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, server in (("one", one), ("other", other)):
            assert_all_due(runs[name].requests, 320)
            assert server.requests == runs[name].requests.sent


def _rss_kib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _left_open() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def _no_more_than(before: tuple[int, int]) -> bool:
    return all(now <= then for now, then in zip(_left_open(), before, strict=True))


def test_runs_leave_nothing_behind() -> None:
    with _healthy() as server:

        def drive(runs: int) -> None:
            for number in range(runs):
                rate = 20_000 if number % 2 else None
                lc.run(server.url, rate=rate, requests=20, connections=4, threads=2)
                with pytest.raises(lc.RunError):
                    lc.run(nobody, requests=1, connections=1, threads=1)

        def as_before() -> bool:
            """No more than there was; what other tests had left may have gone."""
            # The server's threads see the end of their connections a moment later.
            return comes_true(lambda: _no_more_than(before))

        nobody = _nobody_listens()
        gc.collect()  # what tests before this one may have left is not to go in between
        before = _left_open()
        drive(20)
        assert as_before(), (before, _left_open())
        memory_kib = _rss_kib()
        drive(100)
        assert as_before(), (before, _left_open())
        assert _rss_kib() - memory_kib < 8 * 1024


# --- many connections

HOLDER = Path(hostile.__file__).with_name("holding_server.py")


@contextmanager
def _holding_server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, str(HOLDER)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()


MANY = """
import resource, sys
import loadcore as lc

def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

lc.run(sys.argv[1], requests=1, connections=1, threads=1)
before = peak_kib()
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
run = lc.run(sys.argv[1], rate=4000, duration=2, connections=10_000, threads=1)
print(run.requests.completed, run.requests.sent, run.connects, peak_kib() - before)
"""


def test_ten_thousand_connections() -> None:
    import resource

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10_200:
        pytest.skip("the hard limit on open files is too low here")
    with _holding_server() as url:
        probe = subprocess.run(
            [sys.executable, "-c", MANY, url],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    completed, sent, connects, grown_kib = map(int, probe.stdout.split())
    assert sent == completed == 8_000
    assert connects == 10_000
    assert grown_kib < 100 * 1024


def test_more_connections_than_file_descriptors() -> None:
    script = (
        "import resource, loadcore as lc\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n"
        "try:\n"
        "    lc.run('http://127.0.0.1:9/', requests=1, connections=500)\n"
        "except lc.PlanError as error:\n"
        "    print(error.field, '|', error.sentence)\n"
    )
    probe = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=30
    )
    field, _, sentence = probe.stdout.partition(" | ")
    assert field == "connections"
    assert "500 connections" in sentence
    assert "the limit is 200" in sentence
    assert "ulimit -n" in sentence
