"""`loadcore` as a process that is up in milliseconds, forked from one that has imported everything.

For tests that start and kill a service hundreds of times.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

PATIENCE_S = 60.0


class Child:
    """A command that a nursery started; stdout and stderr are descriptors to read from."""

    def __init__(self, nursery: Nursery, pid: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.code: int | None = None  # once it was waited for; negative: the signal
        self._said: str | None = None
        self._nursery = nursery
        self._stdout = os.fdopen(stdout)
        self._stderr = os.fdopen(stderr)

    def first_line(self) -> dict[str, Any]:
        """The object that `loadcore serve` says once it accepts; empty if it ended before."""
        line = self._stdout.readline()
        found: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
        return found

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)  # until wait() it stays a process, if only a dead one

    def kill(self) -> None:
        """kill -9; the process is gone when this returns."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """To its end; returns the exit code."""
        if self.code is None:
            self.code = self._nursery.ask({"wait": self.pid})
        return self.code

    def close(self) -> str:
        """What it said on stderr; kills it where it is still there. Safe to call twice."""
        if self.code is None:
            self.kill()
        if self._said is None:
            with self._stdout, self._stderr:
                self._said = self._stderr.read()
        return self._said


class Nursery:
    """Starts commands; as a context manager it ends with all that it started. One thread's."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """environment: on top of this process's, for all commands; where LD_PRELOAD goes."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(PATIENCE_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **(environment or {})},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()
        self._process.wait(PATIENCE_S)

    def start(self, *arguments: str, user_id: int | None = None) -> Child:
        """Runs `loadcore` with them; as another user where one is given, which takes root."""
        stdout, stdout_theirs = os.pipe()
        stderr, stderr_theirs = os.pipe()
        try:
            pid = self.ask({"start": arguments, "user_id": user_id}, stdout_theirs, stderr_theirs)
        finally:
            os.close(stdout_theirs)
            os.close(stderr_theirs)
        return Child(self, pid, stdout, stderr)

    def ask(self, request: dict[str, Any], *descriptors: int) -> int:
        socket.send_fds(self._channel, [json.dumps(request).encode()], descriptors)
        answer = self._channel.recv(64)
        assert answer, "the nursery has ended"
        return int(answer)


def _become(arguments: list[str], user_id: int | None, stdout: int, stderr: int) -> NoReturn:
    """The command, in this process, and nothing of the nursery after it."""
    from loadcore.cli import main

    if user_id is not None:
        os.setgroups([])
        os.setgid(user_id)
        os.setuid(user_id)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.closerange(3, max(stdout, stderr, 64) + 1)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code = 70
    try:
        code = main(arguments)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _look_after(channel: socket.socket) -> None:
    """Starts and waits for children until the other side is gone; then ends those that are left."""
    import loadcore.cli._serve  # noqa: F401 - what every child needs, once

    alive: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 65536, 2)
        if not message:
            break
        request = json.loads(message)
        if "start" in request:
            stdout, stderr = descriptors
            pid = os.fork()
            if pid == 0:
                _become(request["start"], request["user_id"], stdout, stderr)
            os.close(stdout)
            os.close(stderr)
            alive.add(pid)
            channel.send(str(pid).encode())
        else:
            pid = request["wait"]
            _, status = os.waitpid(pid, 0)
            alive.remove(pid)
            channel.send(str(os.waitstatus_to_exitcode(status)).encode())
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests' Ctrl-C ends it by closing the channel
    _look_after(socket.socket(fileno=int(sys.argv[1])))
