"""Ctrl-C, and runs that are watched, stopped and dropped while they are under way."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import hostile
import pytest
from hostile import ScriptedServer

import loadcore as lc
from loadcore import _engine

PHASES = ["connecting", "warmup", "running", "draining", "done"]

# lc.run catches Ctrl-C from where it waits for its run; interrupted, it waits once more.
ANNOUNCED = """
import loadcore as lc

def announced(handle, timeout=None, wait=lc.RunHandle.wait):
    print("waiting\\n", end="", flush=True)
    return wait(handle, timeout)

lc.RunHandle.wait = announced
"""

INTERRUPTED = f"""
import json, sys
{ANNOUNCED}
try:
    lc.run(sys.argv[1], rate=float(sys.argv[2]) or None, duration=60, connections=4, threads=1,
           timeout=60, connect_timeout=60)
except lc.Interrupted as interrupted:
    run = interrupted.run
    print(json.dumps({{"interrupted": run.interrupted, "duration": run.duration,
                      **run.requests.to_dict()}}))
"""

# Of the 60 s that such a run would take.
SOON_S = 20.0


@contextmanager
def _waiting(script: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A script that has begun to wait for its run."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"waiting\n"
            yield process
        finally:
            process.kill()


def _interrupted(
    url: str, rate: float, server: ScriptedServer | None = None
) -> tuple[dict[str, Any], float]:
    """What a run that gets SIGINT after half a second has measured, and how long it took to end.

    With a server, the half second begins when that has a request on each of four connections.
    """
    with _waiting(INTERRUPTED, url, str(rate)) as process:
        if server is not None:
            assert server.requests_settled(4) >= 4
        time.sleep(0.5)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
        ended_s = time.monotonic() - begin
        assert err == b""
        assert process.returncode == 0
    again, _, line = out.partition(b"\n")
    assert again == b"waiting"
    measured: dict[str, Any] = json.loads(line)
    return measured, ended_s


@pytest.mark.parametrize("rate", [0, 500])
def test_ctrl_c_gives_what_was_measured(rate: int) -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        measured, ended_s = _interrupted(server.url, rate, server)
        assert server.requests == measured["sent"]
    assert ended_s < SOON_S
    assert measured["interrupted"]
    assert 0.4 < measured["duration"] < 40
    assert measured["completed"] == measured["sent"] >= 4
    # What was due that very moment is unsent.
    assert measured["scheduled"] == measured["sent"] + measured["unsent"]
    if rate:
        assert measured["scheduled"] == pytest.approx(rate * measured["duration"], abs=1)
    else:
        assert measured["unsent"] == 0


@pytest.mark.parametrize("rate", [0, 500])
def test_ctrl_c_with_a_stalled_target_waits_a_second_at_most(rate: int) -> None:
    with ScriptedServer(hostile.answering_then_silent(b"")) as server:
        measured, ended_s = _interrupted(server.url, rate, server)
        assert server.requests_settled(4) == 4
    assert _engine.INTERRUPTED_DRAIN_S == 1  # what that second is; a busy machine takes more
    assert 0.9 < ended_s < SOON_S
    assert measured["interrupted"]
    assert measured["sent"] == measured["failed"]["timeout"] == 4
    assert measured["completed"] == 0
    assert measured["scheduled"] == measured["sent"] + measured["unsent"]
    assert (measured["unsent"] > 0) == bool(rate)


def test_ctrl_c_while_connecting() -> None:
    with hostile.deaf() as url:
        measured, ended_s = _interrupted(url, 0)
    assert ended_s < SOON_S
    assert measured["interrupted"]
    assert measured["sent"] == measured["scheduled"] == 0


def test_another_ctrl_c_does_not_wait_even_that_long() -> None:
    script = f"""
import sys
from loadcore import _engine
{ANNOUNCED}
_engine.INTERRUPTED_DRAIN_S = 60  # so that the end is the other Ctrl-C's doing
try:
    lc.run(sys.argv[1], duration=60, connections=4, threads=1, timeout=60)
except KeyboardInterrupt as interrupt:
    print(type(interrupt).__name__)
"""
    with (
        ScriptedServer(hostile.answering_then_silent(b"")) as server,
        _waiting(script, server.url) as process,
    ):
        assert server.requests_settled(4) == 4
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"waiting\n"
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=50) == (b"KeyboardInterrupt\n", b"")
        assert time.monotonic() - begin < SOON_S
        assert process.returncode == 0


# --- Jupyter


def _output(client: Any, message: str) -> tuple[str, list[str]]:
    """What the cell sent as `message` printed, and the names of the exceptions it raised."""
    printed, raised = [], []
    while True:
        answer = client.get_iopub_msg(timeout=60)
        if answer["parent_header"].get("msg_id") != message:
            continue
        kind, content = answer["msg_type"], answer["content"]
        if kind == "stream":
            printed.append(content["text"])
        elif kind == "error":
            raised.append(content["ename"])
        elif kind == "status" and content["execution_state"] == "idle":
            return "".join(printed), raised


def _until_printed(client: Any, message: str, text: str) -> None:
    while True:
        answer = client.get_iopub_msg(timeout=60)
        if (
            answer["parent_header"].get("msg_id") == message
            and answer["msg_type"] == "stream"
            and text in answer["content"]["text"]
        ):
            return


# Which event loop a kernel likes, and where its files are, is not for us to judge.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_interrupting_a_cell_leaves_the_kernel_alive() -> None:
    jupyter = pytest.importorskip("jupyter_client.manager")
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        manager, client = jupyter.start_new_kernel(kernel_name="python3", startup_timeout=60)
        try:
            cell = client.execute(
                f"{ANNOUNCED}\nrun = lc.run({server.url!r}, rate=200, duration=60, threads=1)"
            )
            _until_printed(client, cell, "waiting")
            time.sleep(0.5)
            begin = time.monotonic()
            manager.interrupt_kernel()
            assert _output(client, cell) == ("waiting\n", ["Interrupted"])
            assert time.monotonic() - begin < SOON_S
            following = client.execute(
                f"print(lc.run({server.url!r}, requests=25, threads=1).requests.completed)"
            )
            assert _output(client, following) == ("waiting\n25\n", [])
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


# --- handles


@pytest.mark.parametrize("rate", [None, 400])
def test_progress_goes_forward(rate: int | None) -> None:
    with (
        ScriptedServer(hostile.answering(hostile.OK)) as server,
        lc.start(
            server.url,
            rate=rate,
            warmup=1,
            duration=1,
            interval=0.05,
            connections=4,
            threads=2,
        ) as handle,
    ):
        seen = [handle.progress()]
        while seen[-1].phase != "done":
            time.sleep(0.005)
            seen.append(handle.progress())
        run = handle.wait()
    order = [PHASES.index(progress.phase) for progress in seen]
    assert order == sorted(order)
    assert {"warmup", "running", "done"} <= {progress.phase for progress in seen}
    for earlier, later in pairwise(seen):
        # It ended a moment before word of that came.
        assert earlier.elapsed <= later.elapsed or later.phase == "done"
        assert earlier.requests.completed <= later.requests.completed
        assert earlier.requests.sent <= later.requests.sent
        assert earlier.requests.scheduled <= later.requests.scheduled
        assert earlier.remaining is not None
        assert later.remaining is not None
        assert earlier.remaining >= later.remaining
    assert seen[-1].elapsed == pytest.approx(run.elapsed)
    assert seen[-1].requests == run.requests
    assert any(progress.rate > 0 and progress.p99 >= progress.p50 > 0 for progress in seen)


def test_progress_stands_still_once_the_run_is_over() -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        handle = lc.start(server.url, requests=50, connections=2, threads=1)
        handle.wait()
        progress = handle.progress()
        time.sleep(0.05)
        assert handle.progress() == progress
    assert progress.phase == "done"
    assert progress.remaining is None


def test_stop_from_another_thread_ends_the_wait() -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        handle = lc.start(server.url, rate=300, duration=60, connections=4, threads=1)
        assert server.requests_settled(1) > 0
        timer = threading.Timer(0.4, handle.stop)
        begin = time.monotonic()
        timer.start()
        run = handle.wait()
        elapsed_s = time.monotonic() - begin
        timer.join()
        assert server.requests == run.requests.sent
    assert 0.3 < elapsed_s < SOON_S
    assert run.interrupted
    assert 0.3 < run.duration < 40
    assert run.requests.completed == run.requests.sent > 0
    assert run.requests.scheduled == run.requests.sent + run.requests.unsent
    assert run.requests.scheduled == pytest.approx(300 * run.duration, abs=2)


def test_stop_waits_for_what_is_under_way_or_not_as_it_is_told() -> None:
    answered = threading.Event()

    def slow(peer: hostile.Peer) -> None:
        while True:
            peer.read_request()
            answered.wait(30)
            peer.send(hostile.OK)

    with ScriptedServer(slow) as server:
        patient, hasty = (
            lc.start(server.url, duration=60, connections=3, threads=1, timeout=60)
            for _ in range(2)
        )
        assert server.requests_settled(6) == 6
        patient.stop()
        hasty.stop(drain=0)
        begin = time.monotonic()
        cut_off = hasty.wait()
        assert time.monotonic() - begin < SOON_S
        with pytest.raises(TimeoutError):
            patient.wait(timeout=0.1)
        answered.set()
        waited_for = patient.wait()
    assert (cut_off.requests.completed, cut_off.requests.failed.timeout) == (0, 3)
    assert (waited_for.requests.completed, waited_for.requests.failed.timeout) == (3, 0)


def test_stop_may_come_again_and_after_the_end() -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        handle = lc.start(server.url, requests=20, threads=1)
        run = handle.wait()
        handle.stop()
        handle.stop(drain=0)
        again = handle.wait(timeout=0)
    assert not run.interrupted
    assert not again.interrupted
    assert again.requests == run.requests


@pytest.mark.parametrize("warmup", [0, 30])
def test_a_run_stopped_before_anything_is_measured_is_empty_and_can_be_shown(warmup: int) -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server, hostile.deaf() as deaf:
        url = server.url if warmup else deaf
        with lc.start(
            url, rate=100, duration=60, warmup=warmup, threads=1, connect_timeout=60
        ) as handle:
            if warmup:
                assert server.requests_settled(10) >= 10
            time.sleep(0.3)
            assert handle.progress().phase == ("warmup" if warmup else "connecting")
            handle.stop(drain=0)
            run = handle.wait()
    assert run.interrupted
    assert run.requests == lc.Requests(0, 0, 0, 0, 0, lc.Failures())
    assert (run.warmup_requests.completed > 0) == bool(warmup)
    assert run.duration == 0
    assert abs(run._result["started_unix_ns"] / 1e9 - time.time()) < 60
    assert server.url in repr(run) or deaf in repr(run)
    assert "<table" in run._repr_html_()
    json.loads(run.to_json())


def test_wait_gives_up_after_its_timeout_and_leaves_the_run_alone() -> None:
    answered = threading.Event()

    def slow(peer: hostile.Peer) -> None:
        peer.read_request()
        answered.wait(50)
        peer.send(hostile.OK)

    with (
        ScriptedServer(slow) as server,
        lc.start(server.url, requests=1, connections=1, threads=1, timeout=60) as handle,
    ):
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            handle.wait(timeout=0.1)
        assert 0.09 < time.monotonic() - begin < SOON_S
        assert handle.progress().phase == "running"
        answered.set()
        run = handle.wait(timeout=30)
    assert run.requests.completed == 1
    assert not run.interrupted


def test_waiting_lets_other_python_threads_run() -> None:
    def ticking(peer: hostile.Peer) -> None:
        peer.read_request()
        for _ in range(15):
            time.sleep(0.01)
        peer.send(hostile.OK)

    with ScriptedServer(ticking) as server:
        run = lc.run(server.url, requests=1, connections=1, threads=1, timeout=20)
    assert run.requests.completed == 1


def _threads() -> int:
    names = []
    for task in os.listdir("/proc/self/task"):
        # One of the server's may end between the two.
        with suppress(FileNotFoundError), open(f"/proc/self/task/{task}/comm") as comm:
            names.append(comm.read())
    return sum(name.startswith("loadcore-load") for name in names)


def test_a_handle_that_is_dropped_ends_its_run() -> None:
    with ScriptedServer(hostile.answering_then_silent(b"")) as server:
        handle = lc.start(server.url, duration=60, connections=3, threads=2, timeout=60)
        assert server.requests_settled(3) == 3
        assert _threads() == 2
        begin = time.monotonic()
        del handle
        gc.collect()
        # In a process with many objects, collecting alone takes a second.
        assert time.monotonic() - begin < SOON_S
        assert _threads() == 0


def test_a_block_left_by_an_exception_ends_its_run() -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        begin = time.monotonic()
        with (
            pytest.raises(ZeroDivisionError),
            lc.start(server.url, rate=100, duration=60, threads=1) as handle,
        ):
            raise ZeroDivisionError
        assert time.monotonic() - begin < SOON_S
        assert handle.progress().phase == "done"
        assert handle.wait().interrupted


WAITED_FOR_BY_A_DAEMON = """
threading.Thread(target=handle.wait, daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.parametrize("also", ["", WAITED_FOR_BY_A_DAEMON], ids=["alone", "waited-for"])
@pytest.mark.parametrize("answer", [hostile.OK, b""], ids=["answering", "silent"])
def test_a_script_that_ends_during_a_run_exits(answer: bytes, also: str) -> None:
    script = hostile.answering(answer) if answer else hostile.answering_then_silent(answer)
    with ScriptedServer(script) as server:
        code = (
            "import threading, time\n"
            "import loadcore as lc\n"
            f"handle = lc.start({server.url!r}, duration=60, connections=2, timeout=60)\n"
        )
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code + also], capture_output=True, text=True, timeout=100
        )
        assert time.monotonic() - begin < SOON_S
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
