"""Scripted servers on loopback that misbehave, each with its own count of what it saw.

A script is what one connection does: it is called with a `Peer` on a thread of its own and the
connection is closed when it returns. Whatever the client does to the connection ends the script.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A connection as its script sees it."""

    def __init__(self, server: ScriptedServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._received = b""

    @property
    def open(self) -> bool:
        """False once the server is asked to stop: for scripts that go on for ever."""
        return not self._server.stopping.is_set()

    def read_head(self) -> bytes:
        """The next request's head, counted. Raises ConnectionError where there is none."""
        while b"\r\n\r\n" not in self._received:
            self._read_more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        self._server.count_request()
        return head

    def read_request(self) -> bytes:
        """The next request with its body, which is returned."""
        head = self.read_head()
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(self._received) < length:
            self._read_more()
        body, self._received = self._received[:length], self._received[length:]
        return body

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def wait_for_close(self) -> None:
        """Says nothing until the client closes."""
        while self._connection.recv(65536):
            pass

    def close(self) -> None:
        self._connection.close()

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        reset_on_close(self._connection)
        self._connection.close()

    def _read_more(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionError("closed by the client")
        self._received += data


Script = Callable[[Peer], None]


class ScriptedServer:
    """Runs `script` for every connection, from `with` to the end of the block."""

    def __init__(self, script: Script, *, address: str | Path = "127.0.0.1") -> None:
        """address: an IPv4 or IPv6 address, or the path of a unix socket to be."""
        self.script = script
        self.stopping = threading.Event()
        self._address = address
        self._port = 0
        self._lock = threading.Lock()
        self._requests = 0
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._accepted = 0
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    # --- what it saw

    @property
    def requests(self) -> int:
        """Heads of requests that have arrived whole."""
        with self._lock:
            return self._requests

    @property
    def accepted(self) -> int:
        """Connections so far."""
        with self._lock:
            return self._accepted

    def requests_settled(self, expected: int, timeout_s: float = 20.0) -> int:
        """`requests`, once it is `expected` and stays so for a moment, or after the timeout."""
        deadline = time.monotonic() + timeout_s
        while self.requests < expected and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.02)
        return self.requests

    def count_request(self) -> None:
        with self._lock:
            self._requests += 1

    @property
    def url(self) -> str:
        if isinstance(self._address, Path):
            return f"http+unix://{str(self._address).replace('/', '%2F')}/"
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self._port}/"

    @property
    def port(self) -> int:
        return self._port

    # --- coming and going

    def appear(self) -> None:
        """Listens, on the port it had before if it had one."""
        listener = self._listen()
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener,))
        self._acceptor.start()

    def vanish(self) -> None:
        """Stops listening and resets every connection."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        if self._acceptor is not None:
            self._acceptor.join()
        if isinstance(self._address, Path):
            self._address.unlink(missing_ok=True)
        with self._lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            try:
                reset_on_close(connection)
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # its script has closed it
            thread.join()

    def __enter__(self) -> ScriptedServer:
        self.appear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.vanish()

    def _listen(self) -> socket.socket:
        if isinstance(self._address, Path):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(self._address))
        else:
            family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._address, self._port))
            self._port = listener.getsockname()[1]
        listener.listen(128)
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            with self._lock:
                self._accepted += 1
                self._connections[thread] = connection
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # A client that stops reading must not keep a script for ever.
            connection.settimeout(10)
            self.script(Peer(self, connection))
        except OSError:
            pass  # the client, or vanish(), has ended the connection
        finally:
            with self._lock:
                del self._connections[threading.current_thread()]
            connection.close()


def reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def deaf() -> Iterator[str]:
    """The URL of a target whose kernel answers no SYN, as behind a firewall: its queue is full."""
    with socket.socket() as listener, ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            connection = queue.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


# --- scripts


def answering(answer: bytes) -> Script:
    """Every request gets these bytes, whatever they are."""

    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)

    return script


def answering_once(answer: bytes, *, reset: bool = False) -> Script:
    """The first request gets these bytes, then the connection ends."""

    def script(peer: Peer) -> None:
        peer.read_request()
        if answer:
            peer.send(answer)
        if reset:
            # What was sent must have been taken before the reset may overtake it.
            time.sleep(0.01)
            peer.reset()

    return script


def answering_then_silent(answer: bytes) -> Script:
    """The first request gets these bytes, then nothing happens any more."""

    def script(peer: Peer) -> None:
        peer.read_request()
        if answer:
            peer.send(answer)
        peer.wait_for_close()

    return script


def endless(start: bytes, more: bytes, *, pause_s: float = 0) -> Script:
    """Every request gets `start` and then `more` again and again, for ever."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(start)
        while peer.open:
            peer.send(more)
            if pause_s:
                time.sleep(pause_s)

    return script


def closing_at_once(peer: Peer) -> None:
    """Accepts and closes, without a look at what is sent."""


def speaking_first(peer: Peer) -> None:
    """Answers before it is asked."""
    peer.send(OK)
    peer.wait_for_close()


def answering_early(peer: Peer) -> None:
    """Answers as soon as it has seen the head, does not take the body and breaks the connection."""
    peer.read_head()
    peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    peer.reset()
