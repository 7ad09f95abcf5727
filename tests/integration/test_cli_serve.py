"""loadcore serve and loadcore demo."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import Terminal, loadcore, started
from target import unused_port

import loadcore as lc


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process and the object of its first line."""
    with started("serve", "--port", "0", *arguments) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def test_the_first_line_says_where_it_listens() -> None:
    with serving() as (process, first):
        assert set(first) == {"url", "pid", "durability"}
        assert first["pid"] == process.pid
        assert first["durability"] == "memory"
        assert get(f"{first['url']}/v1/alice/likes") == {"userId": "alice", "likes": 0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0(number: signal.Signals) -> None:
    with serving("--threads", "2") as (process, _):
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=10)
        assert process.returncode == 0
        assert stdout == ""
        assert [json.loads(line)["event"] for line in stderr.splitlines()] == [
            "started",
            "draining",
            "stopped",
        ]


def test_a_run_sees_every_answer_of_a_service_that_is_drained() -> None:
    with serving() as (process, first):
        handle = lc.start(f"{first['url']}/v1/alice/likes", method="POST", rate=300, duration=1)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        run = handle.wait()
    assert run.requests.completed > 0
    assert run.requests.failed.protocol == 0
    assert run.requests.failed.timeout == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--port", "65536"), "--port"),
        (("--port", "-1"), "--port"),
        (("--port", "http"), "--port"),
        (("--threads", "0"), "--threads"),
        (("--threads", "many"), "--threads"),
        (("--host", "no.such.host.invalid"), "--host"),
        (("--durability", "fsync"), "--durability"),
        (("extra",), "extra"),
    ],
)
def test_a_bad_argument_is_one_sentence(arguments: tuple[str, ...], named: str) -> None:
    done = loadcore("serve", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_exit_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = loadcore("serve", "--port", str(port))
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert str(port) in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_on_the_terminal_ends_it() -> None:
    with Terminal("serve", "--port", "0") as terminal:
        terminal.read_until('"durability"')
        terminal.press(b"\x03")
        assert terminal.exit_code() == 0
    assert "Traceback" not in terminal.output


def test_the_demo_prints_two_tables_and_writes_a_page(tmp_path: Path) -> None:
    done = loadcore("demo", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "open loop at 2,000/s" in done.stdout
    assert "closed loop" in done.stdout
    assert done.stdout.count("p99.9 ") == 2
    assert os.listdir(tmp_path) == ["report.html"]
    assert (tmp_path / "report.html").read_text().count("<article>") == 2


def test_a_demo_that_is_interrupted_shows_what_it_has(tmp_path: Path) -> None:
    with started("demo", "-o", "page.html", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The likes service listens at ")
        time.sleep(1)  # into the first of its two runs, of four seconds
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in stdout
    assert stdout.count("p99.9 ") == 1
    assert stderr == ""
    assert "<svg" in (tmp_path / "page.html").read_text()


def test_the_demo_checks_its_report_first() -> None:
    done = loadcore("demo", "-o", "/does/not/exist/report.html")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "-o/--report" in done.stderr


class TestServe:
    """lc.serve, in this process."""

    def test_counts_what_is_sent(self) -> None:
        with lc.serve() as service:
            run = lc.run(
                f"{service.url}/v1/alice/likes", method="POST", requests=1000, connections=8
            )
            assert get(f"{service.url}/v1/alice/likes")["likes"] == 1000
            assert service.stats()["likes"] == 1000
            assert str(service.port) in service.url
            assert service.url in repr(service)
        assert run.status_codes == {200: 1000}
        with pytest.raises(lc.RunError):
            lc.run(f"{service.url}/", duration=1)

    def test_stops_and_can_be_waited_for(self) -> None:
        service = lc.serve(port=unused_port(), threads=2)
        assert not service.wait(timeout=0.05)
        assert service.stop()
        assert service.wait()
        assert service.stop()

    def test_a_port_in_use_raises(self) -> None:
        with lc.serve() as service, pytest.raises(lc.RunError, match=str(service.port)):
            lc.serve(port=service.port)

    @pytest.mark.parametrize(
        ("options", "field"),
        [({"port": -1}, "port"), ({"port": "80"}, "port"), ({"threads": 0}, "threads"),
         ({"host": "not a host"}, "host")],
    )  # fmt: skip
    def test_bad_arguments_raise(self, options: dict[str, Any], field: str) -> None:
        with pytest.raises((lc.PlanError, lc.RunError)) as caught:
            lc.serve(**options)
        assert field in str(caught.value)
