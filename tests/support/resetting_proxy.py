"""A TCP proxy on this machine whose connections can be reset at any moment, in one thread."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_CHUNK = 65536


class ResettingProxy:
    """Forwards to `backend_port` of 127.0.0.1, which may change; runs as a context manager."""

    def __init__(self) -> None:
        self.backend_port = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._over = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over = True
        self._thread.join()
        self.reset_all()
        self._selector.close()
        self._listener.close()

    def reset_all(self) -> None:
        """Ends every connection with RST, whatever is under way on it; either side may lose bytes
        that were on their way."""
        with self._lock:
            for connection in list(self._peers):
                self._drop(connection)

    def _run(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._peers:
                        assert isinstance(key.fileobj, socket.socket)
                        self._forward(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            backend = socket.create_connection(("127.0.0.1", self.backend_port), 1)
        except OSError:
            _reset(client)
            return
        for one, other in ((client, backend), (backend, client)):
            one.settimeout(5)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        try:
            data = source.recv(_CHUNK)
            if data:
                self._peers[source].sendall(data)
                return
        except OSError:
            pass
        self._drop(source)

    def _drop(self, connection: socket.socket) -> None:
        other = self._peers.pop(connection, None)
        if other is None:
            return
        del self._peers[other]
        for one in (connection, other):
            self._selector.unregister(one)
            _reset(one)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side may have been faster
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
