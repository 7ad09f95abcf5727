"""loadcore serve under systemd, played by the test: readiness, watchdog, a socket handed over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import LOADCORE, started
from target import UNAVAILABLE, target
from wire import Wire, request

from loadcore.cli import _systemd

PATIENCE_S = 20.0
# What systemd does before it starts a service: the variables name the process that is to be it.
HANDED_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3);"
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2]);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def without_systemd() -> dict[str, str]:
    """This process's environment, in case it runs under systemd itself."""
    names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")
    return {name: value for name, value in os.environ.items() if name not in names}


@pytest.fixture(params=["path", "abstract"])
def notified(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A socket for what a service has to say, and its two kinds of name."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0loadcore-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name)
        receiver.settimeout(PATIENCE_S)
        yield receiver


def environment_of(receiver: socket.socket, **more: str) -> dict[str, str]:
    name = receiver.getsockname()
    text = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return {**without_systemd(), "NOTIFY_SOCKET": text, **more}


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with started("serve", "--port", "0", "--log", "off", env=environment) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        yield process, int(url.rpartition(":")[2])


# --- readiness and the watchdog


def test_it_says_when_it_is_ready_and_when_it_stops(notified: socket.socket) -> None:
    with serving(environment_of(notified)) as (process, port):
        assert (
            notified.recv(4096) == f"READY=1\nSTATUS=Listening on http://127.0.0.1:{port}".encode()
        )
        with Wire(port) as wire:
            wire.send(request("/v1/alice/likes", "POST"))
            assert wire.answer().status == 200
        process.send_signal(signal.SIGTERM)
        assert notified.recv(4096) == b"STOPPING=1"
        assert process.communicate(timeout=PATIENCE_S) == ("", "")
        assert process.returncode == 0
    notified.setblocking(False)
    with pytest.raises(BlockingIOError):
        notified.recv(4096)


def test_the_watchdog_hears_of_it_twice_a_period(notified: socket.socket) -> None:
    with serving(environment_of(notified, WATCHDOG_USEC="400000")) as (process, _):
        assert notified.recv(4096).startswith(b"READY=1")
        begin = time.monotonic()
        for _ in range(10):
            assert notified.recv(4096) == b"WATCHDOG=1"
        # Two seconds, less what this process may be late to hear of READY.
        assert 1.2 < time.monotonic() - begin < PATIENCE_S
        process.send_signal(signal.SIGTERM)
        while notified.recv(4096) != b"STOPPING=1":
            pass
        assert process.wait(PATIENCE_S) == 0


def test_a_watchdog_for_another_process_is_not_told(notified: socket.socket) -> None:
    environment = environment_of(notified, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    with serving(environment):
        assert notified.recv(4096).startswith(b"READY=1")
        notified.settimeout(0.5)
        with pytest.raises(TimeoutError):
            notified.recv(4096)


def test_the_watchdog_hears_only_of_a_service_that_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        begin = time.monotonic()
        assert not _systemd.answers(f"http://127.0.0.1:{port}", timeout_s=0.2)
        assert time.monotonic() - begin < PATIENCE_S
    assert not _systemd.answers(f"http://127.0.0.1:{port}", timeout_s=0.2)
    with target(UNAVAILABLE) as unwell:
        assert _systemd.answers(unwell.url, timeout_s=PATIENCE_S)


def test_a_socket_that_nobody_reads_is_said_and_no_more(tmp_path: Path) -> None:
    environment = {**without_systemd(), "NOTIFY_SOCKET": str(tmp_path / "nobody")}
    with serving(environment) as (process, _):
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        said += process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    sentence = (
        f"loadcore: cannot reach NOTIFY_SOCKET '{tmp_path}/nobody' (No such file or directory)\n"
    )
    assert said == 2 * sentence


# --- a socket that is handed over


@contextmanager
def handed(descriptor: int, *arguments: str, count: int = 1) -> Iterator[subprocess.Popen[str]]:
    """`loadcore serve` with that descriptor as its third; systemd's variables say `count`."""
    how = [sys.executable, "-c", HANDED_OVER, str(descriptor), str(count)]
    process = subprocess.Popen(
        [*how, *LOADCORE, "serve", "--log", "off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[descriptor],
        env=without_systemd(),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_serves_on_the_socket_it_is_handed(address: str, threads: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=64) as listener:
        port = listener.getsockname()[1]
        with Wire(port, address=address) as early:
            early.send(request("/v1/alice/likes", "POST"))  # before there is a service
            with handed(listener.fileno(), "--threads", threads) as process:
                url = first_line(process)["url"]
                assert (
                    url == f"http://[::1]:{port}" if ":" in address else f"http://{address}:{port}"
                )
                assert early.answer().status == 200
                for number in range(2, 22):
                    with Wire(port, address=address) as wire:
                        wire.send(request("/v1/alice/likes", "POST"))
                        assert json.loads(wire.answer().body)["likes"] == number
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) == 0
        # It stays systemd's, for the next one.
        with Wire(port, address=address) as wire:
            wire.send(request("/v1/alice/likes"))
            with handed(listener.fileno()) as process:
                assert wire.answer().status == 200


def test_a_socket_for_another_process_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {**without_systemd(), "LISTEN_PID": "1", "LISTEN_FDS": "1"}
        with serving(environment) as (_, port):
            assert port != listener.getsockname()[1]


@pytest.mark.parametrize(
    ("kind", "count", "said"),
    [
        ("listener", 2, "systemd passes 2 sockets"),
        ("not listening", 1, "no TCP socket that listens"),
        ("datagram", 1, "no TCP socket that listens"),
        ("unix", 1, "no TCP socket that listens"),
        ("file", 1, "no TCP socket that listens"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, kind: str, count: int, said: str) -> None:
    makers: dict[str, Any] = {
        "listener": lambda: socket.create_server(("127.0.0.1", 0)),
        "not listening": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "file": lambda: (tmp_path / "file").open("w"),
    }
    with makers[kind]() as thing, handed(thing.fileno(), count=count) as process:
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert stdout == ""
    assert "LISTEN_FDS" in stderr
    assert said in stderr
    assert stderr.count("\n") == 1
