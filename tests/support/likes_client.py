"""A client of the likes service that knows what it does not know."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

PATIENCE_S = 10.0


class NoAnswerError(Exception):
    """Nothing whole came back. `sent`: the request may have got there all the same."""

    def __init__(self, sent: bool) -> None:
        super().__init__("sent, outcome unknown" if sent else "not sent")
        self.sent = sent


class Answer(NamedTuple):
    status: int
    fields: dict[str, str]  # by name in lower case
    body: bytes

    @property
    def likes(self) -> int:
        assert self.status == 200, self
        likes: int = json.loads(self.body)["likes"]
        return likes


class LikesClient:
    """One keep-alive connection, made when it is needed. One thread's.

    A call that got no whole answer raises NoAnswerError and drops the connection; the next call
    makes another.
    """

    def __init__(self, port: int, *, patience_s: float = PATIENCE_S) -> None:
        self._port = port
        self._patience_s = patience_s
        self._socket: socket.socket | None = None
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._received = b""

    def like(self, user: str, key: str | None = None) -> Answer:
        """POST; with an Idempotency-Key where one is given."""
        self.send_like(user, key)
        return self.answer()

    def likes(self, user: str) -> int:
        """GET. Anything but 200 fails an assertion."""
        return self.get(f"/v1/{user}/likes").likes

    def get(self, path: str) -> Answer:
        self.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return self.answer()

    def send_like(self, user: str, key: str | None = None) -> None:
        field = "" if key is None else f"Idempotency-Key: {key}\r\n"
        self.send(f"POST /v1/{user}/likes HTTP/1.1\r\nHost: a\r\n{field}\r\n".encode())

    def send(self, request: bytes) -> None:
        """For answer() to be called after; several in a row are pipelined."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), self._patience_s)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise NoAnswerError(sent=False) from error
        try:
            self._socket.sendall(request)
        except OSError as error:
            self.close()
            raise NoAnswerError(sent=True) from error

    def answer(self) -> Answer:
        assert self._socket is not None
        while True:
            head, blank, rest = self._received.partition(b"\r\n\r\n")
            if blank:
                status, fields = _parse(head)
                size = int(fields.get("content-length", "0"))
                if len(rest) >= size:
                    self._received = rest[size:]
                    if fields.get("connection") == "close":
                        self.close()
                    return Answer(status, fields, rest[:size])
            try:
                data = self._socket.recv(65536)
            except OSError as error:
                self.close()
                raise NoAnswerError(sent=True) from error
            if not data:
                self.close()
                raise NoAnswerError(sent=True)
            self._received += data


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return int(status_line.split(" ", 2)[1]), fields
