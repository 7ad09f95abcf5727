"""An HTTP front before moto's server: it records every call, injects faults, and answers or mends
what moto lacks (see lacking.py). Nothing is patched: clients talk HTTP to it as they would to AWS.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aws_front import inventory, lacking
from aws_front.actions import Request, identify
from aws_front.answers import Answer, error
from aws_front.faults import Kind, Rule, Rules

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_BACKEND_TIMEOUT_S = 60
# Belong to one connection, not to the message (RFC 9110, section 7.6.1), or are made anew.
_NOT_FORWARDED = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
_NOT_RETURNED = {*_NOT_FORWARDED, "server", "date"} - {"content-length"}


@dataclass(frozen=True)
class Call:
    """One call as the client sees it. `status` is 0 where it got no answer; `fault` names the kind
    that was injected, if any."""

    service: str
    action: str
    parameters: dict[str, Any]
    region: str
    status: int
    fault: str = ""

    @property
    def name(self) -> str:
        return f"{self.service}.{self.action}"


@dataclass
class Switches:
    """What moto does too quickly or too laxly and AWS does not; all off."""

    strict_dependencies: bool = False
    """what is still in use cannot be deleted"""
    profile_invisible_for: int = 0
    """so many uses of a new instance profile are refused before it is visible"""
    refresh_polls: int = 2
    """polls of describe_instance_refreshes that a refresh takes"""
    refresh_fails: bool = False
    """half of a refresh's instances never become healthy"""
    refresh_batch_s: float = 0.0
    """seconds of `clock` for which a refresh stands at its percentage: its instances boot and warm
    up, or do not get healthy"""
    clock: Callable[[], float] = time.monotonic
    balancers_at: str = ""
    """the host name that balancers are said to have"""


@dataclass
class Moto:
    """The server behind the front, and what the front remembers for it."""

    url: str
    switches: Switches = field(default_factory=Switches)
    state: lacking.State = field(default_factory=lacking.State)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def client(self, service: str, region: str) -> Any:
        return inventory.client(self.url, service, region)

    def forward(self, request: Request) -> Answer:
        headers = {k: v for k, v in request.headers.items() if k not in _NOT_FORWARDED}
        headers["content-length"] = str(len(request.body))
        address = urlsplit(self.url).netloc
        connection = HTTPConnection(address, timeout=_BACKEND_TIMEOUT_S)
        try:
            connection.request(request.method, request.target, request.body, headers)
            reply = connection.getresponse()
            kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in _NOT_RETURNED]
            return Answer(reply.status, tuple(kept), reply.read())
        finally:
            connection.close()


class Front:
    """Listens on a free port of 127.0.0.1 while it is used as a context manager."""

    def __init__(self, moto_url: str) -> None:
        self._rules = Rules()
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._moto = Moto(moto_url)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def moto_url(self) -> str:
        return self._moto.url

    @property
    def switches(self) -> Switches:
        return self._moto.switches

    @property
    def calls(self) -> list[Call]:
        """All calls so far, in the order in which they were answered."""
        with self._lock:
            return list(self._calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def inject(
        self,
        kind: Kind,
        service: str = "",
        action: str = "",
        *,
        nth: int = 0,
        times: int = 0,
        code: str = "",
        message: str = "",
        status: int = 400,
    ) -> None:
        """From now on: hits the `nth` call of service and action (0: each, but at most `times`).
        `code`, `message` and `status` are for the kind `error`."""
        self._rules.add(Rule(kind, service, action, nth, times, code, message, status))

    def inject_each(self, kind: Kind, *, writes: bool = False) -> None:
        """From now on: hits the first of all calls that are alike, so that each call there is fails
        once; with `writes` each that changes something."""
        self._rules.add(Rule(kind, each=True, writes=writes))

    def clear_faults(self) -> None:
        self._rules.clear()

    @property
    def hits(self) -> int:
        """How many calls got a fault since the rules were cleared."""
        return self._rules.hits

    def ended_by(self, instance: str, reason: str) -> None:
        """What EC2 is to give as the StateReason of `instance` once it has ended: a code, a colon
        and some words."""
        with self._moto.lock:
            self._moto.state.state_reasons[instance] = reason

    def inventory(self, region: str = "eu-central-1") -> dict[str, list[str]]:
        """What exists, counted past the front; see inventory.inventory."""
        return inventory.inventory(self._moto.url, region)

    def reset(self) -> None:
        """Everything as it was when moto's server started."""
        inventory.reset(self._moto.url)
        self.clear_faults()
        self.forget_calls()
        self._moto.state = lacking.State()
        self._moto.switches = Switches()

    def answer(self, request: Request) -> Answer | None:
        """None: the connection ends without one."""
        rule = self._rules.take(request)
        answer = rule.answer(request) if rule else None
        if rule is None:
            answer = lacking.answer(request, self._moto)
        elif rule.kind == "timeout_after_success":
            lacking.answer(request, self._moto)
        status = answer.status if answer else 0
        call = Call(request.service, request.action, request.parameters, request.region, status)
        with self._lock:
            self._calls.append(replace(call, fault=rule.kind if rule else ""))
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, front: Front) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece
    timeout = 60
    server: _Server

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):  # the client may leave when it likes
            super().handle_one_request()
            return
        self.close_connection = True

    def _handle(self) -> None:
        if "transfer-encoding" in self.headers:
            self.send_error(411)  # boto3 sends lengths over plain HTTP
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = identify(self.command, self.path, headers, body)
        try:
            answer = self.server.front.answer(request)
        except Exception:  # a fault of the front itself: shown to the test, not to its log
            answer = error(request, "FrontFault", traceback.format_exc(), 501)
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        names = {name.lower() for name, _ in answer.headers}
        for name, value in answer.headers:
            # The answer to HEAD tells the length of a body that it has not.
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" or "content-length" not in names:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Says nothing: what was called is recorded."""
