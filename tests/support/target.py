"""A small HTTP server in threads, well behaved or not, that remembers what it was sent."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Target:
    """`answer` gets the connection after every whole request, and says whether to keep it."""

    def __init__(self, answer: Callable[[socket.socket], bool]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._over = threading.Event()
        self._connections: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def connections(self) -> int:
        """Accepted so far."""
        return len(self._connections)

    def close(self) -> None:
        self._over.set()
        # shutdown(), because close() alone does not wake a thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()  # what it has just accepted is closed with the others
        for connection in self._connections:
            with connection:
                _shut(connection)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        try:
            while not self._over.is_set():
                while (end := _request_end(data)) is None:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                self.requests.append(data[:end])
                data = data[end:]
                if not self._answer(connection):
                    _shut(connection)
                    return
        except OSError:
            return


@contextmanager
def target(answer: Callable[[socket.socket], bool] | bytes = OK) -> Iterator[Target]:
    """One that answers every request with the same bytes, or as the function does."""
    if isinstance(answer, bytes):
        reply = answer

        def send(connection: socket.socket) -> bool:
            connection.sendall(reply)
            return True

        served = Target(send)
    else:
        served = Target(answer)
    try:
        yield served
    finally:
        served.close()


def silent(_connection: socket.socket) -> bool:
    """Never answers."""
    return True


def closing(_connection: socket.socket) -> bool:
    """Closes instead of answering."""
    return False


def endless_header(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")


def endless_body(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")


def trickling(connection: socket.socket) -> bool:
    for at in range(len(OK)):
        connection.sendall(OK[at : at + 1])
        time.sleep(0.1)
    return True


def unused_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _request_end(data: bytes) -> int | None:
    """Where the first request in `data` ends, None if it is not whole."""
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return len(head) + 4 + length if len(rest) >= length else None


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be gone already
        connection.shutdown(socket.SHUT_RDWR)
