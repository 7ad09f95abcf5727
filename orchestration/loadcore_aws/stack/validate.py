"""Asks a running likes service, through its balancer, whether each route does what it promises.

Behind a balancer each request may reach another instance, and each instance counts for itself. So
one user has as many counts as there are instances, and what can be promised is that every answer
goes on with one of them: see Counts. For one instance, or instances that share their counts, that
is the plain promise, each like one more than the last.
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import loadcore as lc
from loadcore_aws._plain import plain

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Time

TIMEOUT_S = 10.0
RETRY_S = 2.0
BODY_BYTES_MAX = 1 << 20
SEEN_CHARS_MAX = 200
LOOKS = 4  # for each instance, until a GET meets one that has counted


@dataclass(frozen=True)
class Check:
    """`seen` is what the service did, as a terminal may have it."""

    name: str
    passed: bool
    seen: str

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "seen": self.seen}


@dataclass(frozen=True)
class Answer:
    """`headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """None where the body is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        body = " ".join(self.body.decode(errors="replace").split())
        shown = body if len(body) <= SEEN_CHARS_MAX else f"{body[:SEEN_CHARS_MAX]}…"
        return f"{self.status} {shown}".rstrip()


class WrongError(Exception):
    """What a check saw instead."""


@dataclass
class Counts:
    """The counts of one user whom nobody else likes, an entry for each instance that has counted;
    there are `instances` at most, and which is which cannot be told."""

    instances: int
    values: list[int] = field(default_factory=list)

    def liked(self, likes: int) -> bool:
        """Whether an answer to POST goes on with one of them, or begins another."""
        if likes - 1 in self.values:
            self.values[self.values.index(likes - 1)] = likes
            return True
        if likes == 1 and len(self.values) < self.instances:
            self.values.append(1)
            return True
        return False

    def may_be(self, likes: int) -> bool:
        """Whether some instance may answer so to GET."""
        return likes in self.values or (likes == 0 and len(self.values) < self.instances)


class Client:
    """A connection for each request, so that the balancer chooses anew."""

    def __init__(self, url: str) -> None:
        """Raises loadcore.PlanError for what is no http or https URL."""
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise lc.PlanError(
                "--url", f"{url!r} is no URL; give one such as http://127.0.0.1:8080"
            )
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname, port

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises OSError or HTTPException where no whole answer came."""
        connection = self._make(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            reply: HTTPResponse = connection.getresponse()
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, fields, reply.read(BODY_BYTES_MAX))
        finally:
            connection.close()


def reach(client: Client, time: Time, *, within_s: float) -> None:
    """Waits until anything answers: a new balancer's name takes a while to be known everywhere.

    Raises loadcore.RunError where nothing does in time.
    """
    begin = time.now()
    while True:
        try:
            client.ask("GET", "/v1/healthcheck")
            return
        except ssl.SSLCertVerificationError as error:
            said = f"{client.url}: its certificate does not hold: {error.verify_message}"
            raise lc.RunError(f"{said}; give the name it is for with --url") from None
        except (OSError, HTTPException) as error:
            if time.now() - begin >= within_s:
                raise lc.RunError(
                    f"{client.url} does not answer: {_why(error)}; see  loadcore stack status"
                ) from None
        time.sleep(RETRY_S)


def validate(client: Client, *, instances: int) -> Iterator[Check]:
    """One check after the other; none stops the others. There may be `instances` at most."""
    validation = _Validation(client, instances)
    for name, check in validation.checks().items():
        try:
            passed, seen = True, str(check())
        except WrongError as wrong:
            passed, seen = False, str(wrong)
        except (OSError, HTTPException) as error:
            passed, seen = False, f"no answer: {_why(error)}"
        yield Check(name, passed, plain(seen))


class _Validation:
    """Each check gives what it saw, or raises WrongError."""

    def __init__(self, client: Client, instances: int) -> None:
        self._client = client
        self._instances = instances
        self._counts = Counts(instances)
        # Nobody else's, so that its counts are known.
        self._user = f"validate-{secrets.token_hex(8)}"

    def checks(self) -> dict[str, Callable[[], object]]:
        return {
            "POST likes counts one": self._post_counts,
            "GET likes shows the count": self._get_shows,
            "a userId is percent-decoded once": self._get_decodes,
            "a repeated Idempotency-Key counts once": self._replay,
            "GET of somebody never liked is 0": self._nobody,
            "a bad userId is 400": lambda: self._refused("GET", "/v1/a%20b/likes", 400),
            "an unknown path is 404": lambda: self._refused("GET", "/v1/nothing", 404),
            "DELETE likes is 405 and says what is allowed": self._not_allowed,
            "healthcheck is healthy": lambda: self._healthy("/v1/healthcheck", "healthy"),
            "readiness is ready": lambda: self._healthy("/v1/readiness", "ready"),
            "openapi.json describes it": self._openapi,
            "metrics are not public": lambda: self._refused("GET", "/metrics", 404),
        }

    @property
    def _path(self) -> str:
        return f"/v1/{self._user}/likes"

    def _post_counts(self) -> str:
        """One more than there are instances: at least one of them is asked twice."""
        answers = [self._like(self._user) for _ in range(self._instances + 1)]
        for at, likes in enumerate(answers):
            if not self._counts.liked(likes):
                raise WrongError(f"answer {at + 1} was {likes} after {answers[:at]}, with at most "
                            f"{_instances(self._instances)}")  # fmt: skip
        return f"counted {', '.join(map(str, answers))}"

    def _get_shows(self) -> str:
        for _ in range(LOOKS * self._instances):
            likes = self._likes_in(self._client.ask("GET", self._path), self._user)
            if not self._counts.may_be(likes):
                raise WrongError(f"{likes}, and what was counted is {sorted(self._counts.values)}")
            if likes:
                return str(likes)
        raise WrongError(f"0 each of {LOOKS * self._instances} times, after "
                    f"{sum(self._counts.values)} likes")  # fmt: skip

    def _get_decodes(self) -> str:
        encoded = self._path.replace("validate", "%76alidate")
        likes = self._likes_in(self._client.ask("GET", encoded), self._user)
        if not self._counts.may_be(likes):
            raise WrongError(f"{likes}, and what was counted is {sorted(self._counts.values)}")
        return f"{encoded} is {self._user}"

    def _replay(self) -> str:
        """Each instance counts the key once, so the first count of a new user is every answer; one
        more request than instances repeats it at one of them."""
        user, key = f"{self._user}-once", secrets.token_hex(16)
        answers = [self._like(user, key) for _ in range(self._instances + 1)]
        if set(answers) != {1}:
            raise WrongError(f"the counts after each were {answers}")
        return f"1 each of {len(answers)} times"

    def _nobody(self) -> str:
        user = f"{self._user}-nobody"
        likes = self._likes_in(self._client.ask("GET", f"/v1/{user}/likes"), user)
        if likes:
            raise WrongError(str(likes))
        return "0"

    def _like(self, user: str, key: str = "") -> int:
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        return self._likes_in(self._client.ask("POST", f"/v1/{user}/likes", headers), user)

    def _likes_in(self, answer: Answer, user: str) -> int:
        body = answer.json
        if answer.status != 200 or not isinstance(body, dict) or body.get("userId") != user:
            raise WrongError(str(answer))
        likes = body.get("likes")
        if not isinstance(likes, int) or isinstance(likes, bool):
            raise WrongError(str(answer))
        return likes

    def _refused(self, method: str, path: str, status: int) -> Answer:
        """With its reason as JSON."""
        answer = self._client.ask(method, path)
        body = answer.json
        if answer.status != status or not isinstance(body, dict) or not body.get("error"):
            raise WrongError(str(answer))
        return answer

    def _not_allowed(self) -> str:
        allowed = self._refused("DELETE", self._path, 405).headers.get("allow", "")
        if not {"GET", "POST"} <= {method.strip() for method in allowed.split(",")}:
            raise WrongError(f"405 with Allow: {allowed or 'nothing'}")
        return f"405, Allow: {allowed}"

    def _healthy(self, path: str, key: str) -> str:
        answer = self._client.ask("GET", path)
        body = answer.json
        if answer.status != 200 or not isinstance(body, dict) or body.get(key) is not True:
            raise WrongError(str(answer))
        return str(answer)

    def _openapi(self) -> str:
        answer = self._client.ask("GET", "/v1/openapi.json")
        body = answer.json
        if answer.status != 200 or not isinstance(body, dict) or "openapi" not in body:
            raise WrongError(str(answer))
        return f"OpenAPI {body['openapi']}, {len(body.get('paths', {}))} paths"


def _why(error: Exception) -> str:
    """Some of them quote what was answered."""
    return plain(str(error)) or type(error).__name__


def _instances(count: int) -> str:
    return f"{count} instance{'' if count == 1 else 's'}"
