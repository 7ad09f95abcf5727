"""HTTP/1.1 as bytes on a socket: for what no client library would send."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

PATIENCE_S = 10.0


class Answer(NamedTuple):
    status: int
    fields: dict[str, str]  # by name in lower case
    body: bytes


class Wire:
    """One connection to a port of this machine; closed at the end of the block."""

    def __init__(
        self,
        port: int,
        *,
        address: str = "127.0.0.1",
        source: str | None = None,
        receive_buffer: int = 0,
    ) -> None:
        """source: the address to come from. receive_buffer: bytes the kernel takes unread."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect((address, port))
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """As much of it as the service takes: it may have closed in the meantime."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def end_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def answer(self, *, head: bool = False) -> Answer:
        """The next one. Raises ConnectionError where the connection ends before it does."""
        while True:
            found = first_answer(self._received, head=head)
            if found is not None:
                answer, size = found
                self._received = self._received[size:]
                return answer
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"closed after {self._received!r}")
            self._received += data

    def rest(self) -> bytes:
        """All that comes until the service closes; it must close, and must not reset."""
        while data := self.socket.recv(65536):
            self._received += data
        rest, self._received = self._received, b""
        return rest

    def is_closed_within(self, span_s: float) -> bool:
        """Whether the service closes or resets in that time; what it says first is dropped."""
        end = time.monotonic() + span_s
        try:
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(65536):
                    return True
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return False

    def is_silent_for(self, span_s: float) -> bool:
        """Whether nothing comes in that time, the connection staying open."""
        self.socket.settimeout(span_s)
        try:
            self._received += (data := self.socket.recv(65536))
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        assert data, "the service has closed"
        return False


def request(
    path: str, method: str = "GET", fields: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a.example"]
    lines += [f"{name}: {value}" for name, value in fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def first_answer(data: bytes, *, head: bool = False) -> tuple[Answer, int] | None:
    """The answer that `data` begins with, and its size; None if it is not whole.

    An answer that is not HTTP/1.1 with a length fails an assertion.
    """
    start, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    status_line, *lines = start.decode("latin-1").split("\r\n")
    assert status_line.startswith("HTTP/1.1 "), status_line
    status = int(status_line[9:12])
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        assert colon, line
        assert name.lower() not in fields, f"{name} twice"
        fields[name.lower()] = value.strip(" \t")
    has_body = not (head or status < 200 or status in (204, 304))
    assert has_body <= ("content-length" in fields), start
    size = int(fields["content-length"]) if has_body else 0
    if len(rest) < size:
        return None
    return Answer(status, fields, rest[:size]), len(start) + 4 + size


def answers(data: bytes, heads: Sequence[bool] = ()) -> list[Answer]:
    """Those that `data` is made of, interim ones (1xx) left out; `heads` says which answer HEAD."""
    found: list[Answer] = []
    while data:
        head = len(found) < len(heads) and heads[len(found)]
        first = first_answer(data, head=head)
        assert first is not None, f"no whole answer: {data[:200]!r}"
        answer, size = first
        data = data[size:]
        if answer.status >= 200:
            found.append(answer)
    return found
