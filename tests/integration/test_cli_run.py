"""loadcore run: output, files, signals, terminals, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import hostile
import pytest
from command import LOADCORE, Terminal, loadcore, started
from target import UNAVAILABLE, Target, silent, target, unused_port

import loadcore as lc

# A connection for each request: none waits for another's answer, so none is unsent at the end.
SHORT = ("-r", "100", "-d", "500ms", "-c", "50")


def test_it_prints_the_table_and_nothing_else() -> None:
    with target() as server:
        done = loadcore("run", server.url, *SHORT)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "50 completed of 50" in done.stdout
    assert "open loop at 100/s" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_failed_requests_are_no_failure_of_the_command() -> None:
    with target(UNAVAILABLE) as server:
        done = loadcore("run", server.url, "-n", "5", "-c", "1")
    assert done.returncode == 0
    assert "5 status" in done.stdout


def test_json_on_stdout_comes_alone() -> None:
    with target() as server:
        done = loadcore("run", server.url, *SHORT, "--json", "-")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert document["schema"] == "loadcore.run/1"
    assert document["requests"]["completed"] == 50


def test_files_are_written_beside_the_table(tmp_path: Path) -> None:
    with target() as server:
        done = loadcore(
            "run", server.url, *SHORT, "--json", "a.json", "--save", "a.run", "--report", "a.html",
            "--name", "front page", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0
    assert "50 completed" in done.stdout
    document = json.loads((tmp_path / "a.json").read_text())
    assert lc.load(tmp_path / "a.run").to_dict() == document
    assert list(document["requests_by_name"]) == ["front page"]
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert sorted(os.listdir(tmp_path)) == ["a.html", "a.json", "a.run"]


def test_every_flag_reaches_the_plan() -> None:
    with target() as server:
        done = loadcore(
            "run", server.url, "-X", "PUT", "-H", "A: 1", "-H", "A:2", "-b", "text", "-c", "3",
            "-t", "2", "-n", "6", "--timeout", "3s", "--connect-timeout", "2s", "--warmup", "0s",
            "--think-time", "1ms", "--interval", "200ms", "--json", "-",
        )  # fmt: skip
        assert all(request.startswith(b"PUT / ") for request in server.requests)
        assert server.requests[0].endswith(b"\r\n\r\ntext")
    plan = lc.Plan.from_dict(json.loads(done.stdout)["plan"])
    assert plan == lc.Plan.of(
        server.url, method="PUT", headers=[("A", "1"), ("A", "2")], body="text", connections=3,
        threads=2, requests=6, timeout=3, connect_timeout=2, think_time=0.001, interval=0.2,
    )  # fmt: skip


def test_drop_after_gives_up_what_is_late() -> None:
    with target(silent) as server:
        done = loadcore(
            "run", server.url, "-c", "1", "-r", "100", "-d", "2s", "--drop-after", "50ms",
            "--timeout", "300ms", "--json", "-",
        )  # fmt: skip
    requests = json.loads(done.stdout)["requests"]
    assert requests["dropped"] > 50
    assert requests["scheduled"] == 200


def test_a_body_comes_from_the_line_a_file_or_standard_input(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\xff\x00file")
    with target() as server:
        once = ("run", server.url, "-n", "1", "-c", "1", "-b")
        loadcore(*once, "a text", check=True)
        loadcore(*once, f"@{tmp_path / 'body'}", check=True)
        loadcore(*once, "@-", input="from a pipe", check=True)
        subprocess.run([*LOADCORE, *once, b"\xe4"], check=True, capture_output=True)
    assert all(request.startswith(b"POST ") for request in server.requests)
    bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
    assert bodies == [b"a text", b"\xff\x00file", b"from a pipe", b"\xe4"]


URL = "{url}"
BAD = [
    (("http:///nohost",), "URL"),
    (("127.0.0.1:80",), "URL"),
    (("ftp://127.0.0.1/",), "URL"),
    ((URL, "-r", "0"), "-r/--rate"),
    ((URL, "-r", "-5"), "-r/--rate"),
    ((URL, "-r", "fast"), "-r/--rate"),
    ((URL, "-d", "soon"), "-d/--duration"),
    ((URL, "-d", "0"), "-d/--duration"),
    ((URL, "-n", "0"), "-n/--requests"),
    ((URL, "-n", "1.5"), "-n/--requests"),
    ((URL, "-n", "5", "-d", "5s"), "-n/--requests"),
    ((URL, "-c", "0"), "-c/--connections"),
    ((URL, "-c", "900000"), "-c/--connections"),
    ((URL, "-t", "none"), "-t/--threads"),
    ((URL, "-b", "@/does/not/exist"), "-b/--body"),
    ((URL, "-b", "@/"), "-b/--body"),
    ((URL, "-H", "no colon"), "-H/--header"),
    ((URL, "-H", "A: b\nC: d"), "-H/--header"),
    ((URL, "-H", "A: b\r\nC: d"), "-H/--header"),
    ((URL, "-H", "A: b\n"), "-H/--header"),
    ((URL, "-X", "GET /"), "-X/--method"),
    ((URL, "--timeout", "-1s"), "--timeout"),
    ((URL, "--connect-timeout", "x"), "--connect-timeout"),
    ((URL, "--warmup", "x"), "--warmup"),
    ((URL, "-r", "5", "--think-time", "1s"), "--think-time"),
    ((URL, "--drop-after", "1s"), "--drop-after"),
    ((URL, "--interval", "0"), "--interval"),
    ((URL, "--json", "/does/not/exist/a.json"), "--json"),
    ((URL, "--save", "/"), "--save"),
    ((URL, "--report", "/does/not/exist/a.html"), "--report"),
    ((URL, "--no-such-flag"), "--no-such-flag"),
    ((URL, "another"), "another"),
    ((), "URL"),
]


@pytest.fixture(scope="module")
def well_behaved() -> object:
    with target() as server:
        yield server


@pytest.mark.parametrize(("arguments", "named"), BAD, ids=lambda value: " ".join(value)[:40])
def test_a_bad_argument_is_one_sentence_and_nothing_is_sent(
    arguments: tuple[str, ...], named: str, well_behaved: Target
) -> None:
    before = well_behaved.connections
    done = loadcore("run", *(argument.format(url=well_behaved.url) for argument in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr
    assert done.stderr.startswith("loadcore: ")
    assert done.stderr.count("\n") == 1
    assert well_behaved.connections == before


def test_debug_adds_the_traceback_wherever_it_stands() -> None:
    for arguments in (("--debug", "run", "x", "-r", "0"), ("run", "x", "-r", "0", "--debug")):
        done = loadcore(*arguments)
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("loadcore: -r/--rate")


def test_a_target_that_is_not_there_is_exit_4(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unused_port()}/"
    done = loadcore("run", url, *SHORT, "--save", "a.run", cwd=tmp_path)
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith(f"loadcore: cannot reach {url}: ")
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_exit_4_and_one_sentence() -> None:
    with target() as server:
        done = loadcore("run", server.url, *SHORT, "--save", "/dev/full")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_prints_and_saves_what_was_measured(
    number: signal.Signals, tmp_path: Path
) -> None:
    outputs = ("--save", "a.run", "--json", "a.json")
    with (
        target() as server,
        started("run", server.url, "-r", "100", "-d", "60s", *outputs, cwd=tmp_path) as process,
    ):
        wait_for_requests(server, 30)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr == ""
    assert re.search(r"interrupted +after", stdout)
    assert "p99.9" in stdout
    saved = lc.load(tmp_path / "a.run")
    assert saved.interrupted
    assert saved.requests.completed >= 20
    assert json.loads((tmp_path / "a.json").read_text())["interrupted"] is True


PATIENT = """
import sys
from loadcore.cli import _progress, main
_progress.INTERRUPTED_DRAIN_S = 60
sys.exit(main())
"""


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    run = ("-c", "1", "-d", "60s", "--timeout", "60s", "--save", "a.run")
    command = (sys.executable, "-c", PATIENT)
    with target(silent) as server, open(tmp_path / "out", "wb") as file:
        arguments = ("run", server.url, *run)
        with Terminal(*arguments, command=command, stdout=file.fileno(), cwd=tmp_path) as terminal:
            terminal.read_until("0 failed")
            wait_for_requests(server, 1)
            terminal.press(b"\x03")
            terminal.read_until("stopping; Ctrl-C again")  # and waits for the answer
            terminal.press(b"\x03")
            assert terminal.exit_code() == 130
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b""
    _, said_last = terminal.output.split("to give up what was measured")
    assert said_last.strip(" \r\n^C") == ""


def test_a_signal_while_connecting_is_no_traceback() -> None:
    with hostile.deaf() as url:
        patient = ("-c", "2", "-d", "60s", "--connect-timeout", "60s")
        with Terminal("run", url, *patient) as terminal:
            terminal.read_until("connecting to")
            terminal.press(b"\x03")
            assert terminal.exit_code() == 130
    assert "Traceback" not in terminal.output


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    with (
        target() as server,
        started("run", server.url, *SHORT, "--save", "a.run", cwd=tmp_path) as process,
    ):
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        stderr = process.stderr.read()
        assert process.wait(20) == 0
    assert stderr == ""
    assert lc.load(tmp_path / "a.run").requests.completed == 50


def test_a_terminal_of_another_alphabet_is_no_error() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    with target() as server:
        done = loadcore("run", server.url, *SHORT, env=environment)
    assert done.returncode == 0
    assert re.search(r"\d+ \?s", done.stdout)


def test_a_terminal_sees_progress_and_color() -> None:
    run = ("-r", "100", "-d", "3s", "-c", "300")  # a connection for each request, as above
    with target() as server, Terminal("run", server.url, *run) as terminal:
        terminal.read_until("s left")
        assert terminal.exit_code() == 0
    live, table = terminal.output.rsplit("\r", 1)[0], terminal.output
    assert re.search(r"\d+/s · p50 [\d.]+ .s, p99 [\d.]+ .s · 0 failed · \d s left", live)
    assert "\x1b[1m" in table
    assert "300 completed of 300" in table
    for line in live.split("\r"):
        assert len(line.rstrip("\n")) < 80 or "\n" in line


def test_no_color_is_heeded() -> None:
    with target() as server, Terminal("run", server.url, *SHORT, NO_COLOR="1") as terminal:
        assert terminal.exit_code() == 0
    assert "\x1b[" not in terminal.output


def test_progress_of_a_count_says_how_many() -> None:
    counted = ("-n", "400", "-r", "200", "--interval", "250ms")
    with target() as server, Terminal("run", server.url, *counted) as terminal:
        terminal.read_until("of 400 requests")
        assert terminal.exit_code() == 0


def test_progress_stays_off_a_redirected_stdout(tmp_path: Path) -> None:
    with target() as server, open(tmp_path / "out", "wb") as file:
        arguments = ("run", server.url, *SHORT, "--json", "-")
        with Terminal(*arguments, stdout=file.fileno()) as terminal:
            assert terminal.exit_code() == 0
    assert "failed" in terminal.output
    assert json.loads((tmp_path / "out").read_text())["requests"]["completed"] == 50


def test_ctrl_c_on_the_terminal_prints_the_table() -> None:
    with target() as server, Terminal("run", server.url, "-r", "100", "-d", "60s") as terminal:
        terminal.read_until("p99")
        terminal.press(b"\x03")
        assert terminal.exit_code() == 130
    assert re.search(r"interrupted +.*after", terminal.output)
    assert "Traceback" not in terminal.output


def wait_for_requests(server: Target, count: int) -> None:
    end = time.monotonic() + 20
    while len(server.requests) < count:
        assert time.monotonic() < end
        time.sleep(0.02)
