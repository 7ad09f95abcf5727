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
from itertools import pairwise
from typing import Any

import hostile
import pytest
from hostile import ScriptedServer

import loadcore as lc

PHASES = ["connecting", "warmup", "running", "draining", "done"]

INTERRUPTED = """
import json, sys, time
import loadcore as lc

print("begun", flush=True)
try:
    lc.run(sys.argv[1], rate=float(sys.argv[2]) or None, duration=60, connections=4, threads=1)
except lc.Interrupted as interrupted:
    run = interrupted.run
    print(json.dumps({"interrupted": run.interrupted, "duration": run.duration,
                      **run.requests.to_dict()}))
"""


def _interrupted(url: str, rate: float, after_s: float = 0.5) -> tuple[dict[str, Any], float]:
    """What a run that gets SIGINT has measured, and how long it took to end."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, url, str(rate)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == b"begun\n"
            time.sleep(after_s)
            process.send_signal(signal.SIGINT)
            begin = time.monotonic()
            out, err = process.communicate(timeout=20)
            ended_s = time.monotonic() - begin
        finally:
            process.kill()
    assert err == b""
    assert process.returncode == 0
    measured: dict[str, Any] = json.loads(out)
    return measured, ended_s


@pytest.mark.parametrize("rate", [0, 500])
def test_ctrl_c_gives_what_was_measured(rate: int) -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        measured, ended_s = _interrupted(server.url, rate)
        assert server.requests == measured["sent"]
    assert ended_s < 1.5
    assert measured["interrupted"]
    assert 0.1 < measured["duration"] < 5
    assert measured["completed"] == measured["sent"] > 0
    # What was due that very moment is unsent.
    assert measured["scheduled"] == measured["sent"] + measured["unsent"]
    assert measured["unsent"] <= rate / 10
    if rate:
        assert measured["scheduled"] == pytest.approx(rate * measured["duration"], abs=1)


@pytest.mark.parametrize("rate", [0, 500])
def test_ctrl_c_with_a_stalled_target_waits_a_second_at_most(rate: int) -> None:
    with ScriptedServer(hostile.answering_then_silent(b"")) as server:
        measured, ended_s = _interrupted(server.url, rate)
        assert server.requests_settled(4) == 4
    assert 0.9 < ended_s < 2.5
    assert measured["interrupted"]
    assert measured["sent"] == measured["failed"]["timeout"] == 4
    assert measured["completed"] == 0
    assert measured["scheduled"] == measured["sent"] + measured["unsent"]
    assert (measured["unsent"] > 0) == bool(rate)


def test_ctrl_c_while_connecting() -> None:
    with hostile.deaf() as url:
        measured, ended_s = _interrupted(url, 0)
    assert ended_s < 1.5
    assert measured["interrupted"]
    assert measured["sent"] == measured["scheduled"] == 0


def test_another_ctrl_c_does_not_wait_even_that_long() -> None:
    script = (
        "import sys, loadcore as lc\n"
        "print('begun', flush=True)\n"
        "try:\n"
        "    lc.run(sys.argv[1], duration=60, connections=4, threads=1)\n"
        "except KeyboardInterrupt as interrupt:\n"
        "    print(type(interrupt).__name__)\n"
    )
    with (
        ScriptedServer(hostile.answering_then_silent(b"")) as server,
        subprocess.Popen([sys.executable, "-c", script, server.url], stdout=subprocess.PIPE) as it,
    ):
        try:
            assert it.stdout is not None
            assert it.stdout.readline() == b"begun\n"
            assert server.requests_settled(4) == 4
            it.send_signal(signal.SIGINT)
            time.sleep(0.2)
            it.send_signal(signal.SIGINT)
            begin = time.monotonic()
            assert it.stdout.readline() == b"KeyboardInterrupt\n"
            assert time.monotonic() - begin < 0.5
            assert it.wait(timeout=5) == 0
        finally:
            it.kill()


# --- Jupyter


def _output(client: Any, message: str) -> tuple[str, list[str]]:
    """What the cell sent as `message` printed, and the names of the exceptions it raised."""
    printed, raised = [], []
    while True:
        answer = client.get_iopub_msg(timeout=20)
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
        answer = client.get_iopub_msg(timeout=20)
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
                "import loadcore as lc\n"
                "print('begun', flush=True)\n"
                f"run = lc.run({server.url!r}, rate=200, duration=60, threads=1)"
            )
            _until_printed(client, cell, "begun")
            time.sleep(0.7)
            begin = time.monotonic()
            manager.interrupt_kernel()
            assert _output(client, cell) == ("", ["Interrupted"])
            assert time.monotonic() - begin < 2.5
            following = client.execute(
                f"print(lc.run({server.url!r}, requests=25, threads=1).requests.completed)"
            )
            assert _output(client, following) == ("25\n", [])
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
            warmup=0.3,
            duration=0.6,
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
        assert earlier.elapsed <= later.elapsed
        assert earlier.requests.completed <= later.requests.completed
        assert earlier.requests.sent <= later.requests.sent
        assert earlier.requests.scheduled <= later.requests.scheduled
        assert earlier.remaining is not None
        assert later.remaining is not None
        assert earlier.remaining >= later.remaining
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
        handle = lc.start(server.url, rate=300, duration=60, connections=4, threads=2)
        timer = threading.Timer(0.4, handle.stop)
        begin = time.monotonic()
        timer.start()
        run = handle.wait()
        elapsed_s = time.monotonic() - begin
        timer.join()
        assert server.requests == run.requests.sent
    assert 0.3 < elapsed_s < 2
    assert run.interrupted
    assert run.duration == pytest.approx(elapsed_s, abs=0.3)
    assert run.requests.completed == run.requests.sent
    assert run.requests.unsent <= 30
    assert run.requests.scheduled == pytest.approx(300 * run.duration, abs=2)


def test_stop_waits_for_what_is_under_way_or_not_as_it_is_told() -> None:
    def slow(peer: hostile.Peer) -> None:
        while True:
            peer.read_request()
            time.sleep(0.3)
            peer.send(hostile.OK)

    with ScriptedServer(slow) as server:
        patient, hasty = (
            lc.start(server.url, duration=60, connections=3, threads=1) for _ in range(2)
        )
        assert server.requests_settled(6) == 6
        patient.stop()
        hasty.stop(drain=0)
        begin = time.monotonic()
        cut_off = hasty.wait()
        assert time.monotonic() - begin < 0.2
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
        with lc.start(url, rate=100, duration=5, warmup=warmup, threads=1) as handle:
            time.sleep(0.3)
            assert handle.progress().phase == ("warmup" if warmup else "connecting")
            handle.stop(drain=0)
            run = handle.wait()
    assert run.interrupted
    assert run.requests == lc.Requests(0, 0, 0, 0, 0, lc.Failures())
    assert (run.warmup_requests.completed > 0) == bool(warmup)
    assert run.duration == 0
    assert abs(run._result["started_unix_ns"] / 1e9 - time.time()) < 35
    assert server.url in repr(run) or deaf in repr(run)
    assert "<table" in run._repr_html_()
    json.loads(run.to_json())


def test_wait_gives_up_after_its_timeout_and_leaves_the_run_alone() -> None:
    with (
        ScriptedServer(hostile.answering(hostile.OK)) as server,
        lc.start(server.url, rate=200, duration=0.6, threads=1) as handle,
    ):
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            handle.wait(timeout=0.1)
        assert 0.09 < time.monotonic() - begin < 0.4
        assert handle.progress().phase == "running"
        run = handle.wait(timeout=10)
    assert run.requests.completed == 120
    assert not run.interrupted


def test_waiting_lets_other_python_threads_run() -> None:
    ticks = 0
    over = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not over.wait(0.01):
            ticks += 1

    ticker = threading.Thread(target=tick)
    with ScriptedServer(hostile.answering_then_silent(b"")) as server:
        ticker.start()
        lc.run(server.url, requests=1, connections=1, threads=1, timeout=0.6)
        over.set()
        ticker.join()
    assert ticks > 15


def _threads() -> int:
    names = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as comm:
            names.append(comm.read())
    return sum(name.startswith("loadcore-load") for name in names)


def test_a_handle_that_is_dropped_ends_its_run() -> None:
    with ScriptedServer(hostile.answering_then_silent(b"")) as server:
        handle = lc.start(server.url, duration=60, connections=3, threads=2)
        assert server.requests_settled(3) == 3
        assert _threads() == 2
        begin = time.monotonic()
        del handle
        gc.collect()
        # Of the 60 s; in a process with many objects, collecting alone takes a second.
        assert time.monotonic() - begin < 10
        assert _threads() == 0


def test_a_block_left_by_an_exception_ends_its_run() -> None:
    with ScriptedServer(hostile.answering(hostile.OK)) as server:
        begin = time.monotonic()
        with (
            pytest.raises(ZeroDivisionError),
            lc.start(server.url, rate=100, duration=60, threads=1) as handle,
        ):
            raise ZeroDivisionError
        assert time.monotonic() - begin < 2
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
            f"handle = lc.start({server.url!r}, duration=60, connections=2)\n"
        )
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code + also], capture_output=True, text=True, timeout=30
        )
        assert time.monotonic() - begin < 5
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
