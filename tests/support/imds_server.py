"""An instance metadata service, version 2 only: without a token there is no answer.

Source: Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".
"""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "loadcore-test"
INSTANCE = "i-0123456789abcdef0"


def categories() -> dict[str, str]:
    """What every instance of a group has, and one with a role."""
    credentials = {
        "Code": "Success",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIATESTING",
        "SecretAccessKey": "se/cret+",
        "Token": "to/ken+=",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    return {
        "instance-id": INSTANCE,
        "placement/region": "eu-central-1",
        "services/domain": "amazonaws.com",
        "autoscaling/target-lifecycle-state": "InService",
        "iam/security-credentials/": ROLE,
        f"iam/security-credentials/{ROLE}": json.dumps(credentials, indent=2),
    }


class ImdsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.categories = categories()
        self.tokens: set[str] = set()
        self.asked: list[str] = []
        """the paths of all requests, in order"""
        self.broken = False
        """answers 500 from now on"""

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class _Handler(BaseHTTPRequestHandler):
    server: ImdsServer

    def do_PUT(self) -> None:
        self.server.asked.append(self.path)
        ttl_s = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "0"))
        if self.path != "/latest/api/token" or not 1 <= ttl_s <= 21_600:
            return self._answer(400)
        token = secrets.token_urlsafe(24)
        self.server.tokens.add(token)
        return self._answer(200, token)

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.headers.get("X-aws-ec2-metadata-token") not in self.server.tokens:
            return self._answer(401)
        found = self.server.categories.get(self.path.removeprefix("/latest/meta-data/"))
        return self._answer(404) if found is None else self._answer(200, found)

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(500 if self.server.broken else status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def imds_server(host: str = "127.0.0.1", port: int = 0) -> Iterator[ImdsServer]:
    with ImdsServer((host, port)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
