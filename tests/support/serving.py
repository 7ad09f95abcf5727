"""HTTP servers that answer as they are told, one of them as a balancer before real services."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import loadcore as lc

Reply = tuple[int, dict[str, str], bytes]
Answering = Callable[[str, str, dict[str, str]], Reply]


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server of such."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(answer: Answering) -> Iterator[str]:
    """An HTTP server that answers as told; its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            status, headers, body = answer(self.command, self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _reply  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as url:
        yield url


def forwarded(url: str, method: str, path: str, headers: dict[str, str]) -> Reply:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        kept = {k: v for k, v in reply.getheaders() if k in ("Allow", "Content-Type")}
        return reply.status, kept, reply.read()
    finally:
        connection.close()


@contextmanager
def balanced(count: int) -> Iterator[str]:
    """So many real services, asked in turn."""
    with ExitStack() as stack:
        urls = [stack.enter_context(lc.serve(port=0)).url for _ in range(count)]
        turn = itertools.cycle(urls)

        def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
            return forwarded(next(turn), method, path, headers)

        yield stack.enter_context(serving(answer))
