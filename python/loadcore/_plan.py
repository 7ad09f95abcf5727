"""What a run will do: a frozen value, checked before anything is sent."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from loadcore import _units
from loadcore._errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadcore._units import Count, Duration, Rate

DURATION_DEFAULT_S = 10.0
CONNECTIONS_DEFAULT = 64
# Beyond any machine; how many this process can hold the core checks.
CONNECTIONS_MAX = 1_000_000
THREADS_MAX = 1_024


class PlanOptions(TypedDict, total=False):
    """The keyword arguments of `run` and `start`; `Plan.of` says what each means."""

    method: str | None
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
    body: bytes | str | None
    json: Any
    rate: Rate | None
    duration: Duration | None
    requests: Count | None
    connections: Count
    threads: Count | None
    timeout: Duration
    connect_timeout: Duration
    warmup: Duration
    think_time: Duration
    drop_after: Duration | None
    interval: Duration
    name: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will do. Times are in seconds. Make one with `Plan.of`, which reads "10s" too.

    Making one raises PlanError where a field is out of range; what takes the core to judge (the
    URL, the headers, whether the connections fit into this process) is checked by `start`, also
    before anything is sent.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    rate: float | None = None
    duration: float | None = None
    requests: int | None = None
    connections: int = CONNECTIONS_DEFAULT
    threads: int = 1
    timeout: float = 10.0
    connect_timeout: float = 5.0
    warmup: float = 0.0
    think_time: float = 0.0
    drop_after: float | None = None
    interval: float = 1.0
    name: str = "request"

    def __post_init__(self) -> None:
        for field in ("url", "method", "name"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                raise PlanError(field, "must be text that is not empty")
            _encoded(getattr(self, field), field)
        for name, value in self.headers:
            _encoded(name + value, "headers")
        if not isinstance(self.body, bytes):
            raise PlanError("body", f"must be bytes, not {type(self.body).__name__}")
        if (self.duration is None) == (self.requests is None):
            raise PlanError("requests", "give either a duration or a number of requests, not both")
        for field, read in _READERS.items():
            value = getattr(self, field)
            if isinstance(value, str):
                raise PlanError(field, f"must be a number, not {value!r}; Plan.of reads text")
            if value is not None or field not in _OPTIONAL:
                read(value, field)
        if self.open_loop and self.think_time:
            raise PlanError("think_time", "is for a closed loop; leave it out, or the rate")
        if not self.open_loop and self.drop_after is not None:
            raise PlanError("drop_after", "is for an open loop; leave it out, or give a rate")

    @property
    def open_loop(self) -> bool:
        """Whether requests start by the schedule, and not by the answers."""
        return self.rate is not None

    @classmethod
    def of(
        cls,
        url: str,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        rate: Rate | None = None,
        duration: Duration | None = None,
        requests: Count | None = None,
        connections: Count = CONNECTIONS_DEFAULT,
        threads: Count | None = None,
        timeout: Duration = 10.0,
        connect_timeout: Duration = 5.0,
        warmup: Duration = 0.0,
        think_time: Duration = 0.0,
        drop_after: Duration | None = None,
        interval: Duration = 1.0,
        name: str = "request",
    ) -> Plan:
        """Reads a plan from the arguments of `run`.

        url: `http://host[:port]/path`, or `http+unix://%2Frun%2Fa.sock/path`.
        method: GET, or POST where there is a body, unless given.
        headers: a mapping, or pairs where a name comes more than once.
        body: text goes out as UTF-8. json: a value sent as JSON with its Content-Type.
        rate: requests a second, open loop; without it closed loop. "2k" is 2000.
        duration, requests: when the run ends, by time or by count; 10 s where neither is given.
        connections: kept open, 64; in a closed loop also the number of requests under way.
        threads: of the engine; half of the CPUs this process may use, at most `connections`.
        timeout, connect_timeout: until a request, or an attempt to connect, counts as failed.
        warmup: sent before the run and left out of its figures.
        think_time: closed loop, the pause of a connection after each answer.
        drop_after: open loop, a request later than this is dropped instead of sent.
        interval: the length of a row of the timeline.
        name: what the request is called in results by name.

        Durations are seconds, a timedelta, or text such as "250ms" and "1m30s".
        Raises PlanError naming the argument at fault.
        """
        if body is not None and json is not None:
            raise PlanError("json", "give either body or json, not both")
        pairs = _header_pairs(headers or ())
        payload = _payload(body, json)
        if json is not None and not any(key.lower() == "content-type" for key, _ in pairs):
            pairs = (*pairs, ("Content-Type", "application/json"))
        connection_count = _units.count(connections, "connections", CONNECTIONS_MAX)
        if duration is not None and requests is not None:
            raise PlanError("requests", "give either a duration or a number of requests, not both")
        if duration is None and requests is None:
            duration = DURATION_DEFAULT_S
        return cls(
            url=url,
            method=method or ("POST" if payload else "GET"),
            headers=pairs,
            body=payload,
            rate=None if rate is None else _units.rate(rate, "rate"),
            duration=None if duration is None else _units.seconds(duration, "duration"),
            requests=None if requests is None else _units.count(requests, "requests"),
            connections=connection_count,
            threads=(
                default_threads(connection_count)
                if threads is None
                else _units.count(threads, "threads", THREADS_MAX)
            ),
            timeout=_units.seconds(timeout, "timeout"),
            connect_timeout=_units.seconds(connect_timeout, "connect_timeout"),
            warmup=_units.seconds(warmup, "warmup", zero=True),
            think_time=_units.seconds(think_time, "think_time", zero=True),
            drop_after=None if drop_after is None else _units.seconds(drop_after, "drop_after"),
            interval=_units.seconds(interval, "interval"),
            name=name,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON's types: `from_dict` makes an equal plan of it.

        The body is text where it is UTF-8, else {"base64": ...}. Header values are all there,
        credentials among them: a saved run can be run again.
        """
        return {
            "url": self.url,
            "name": self.name,
            "method": self.method,
            "headers": [list(pair) for pair in self.headers],
            "body": _body_to_json(self.body),
            "loop": "open" if self.open_loop else "closed",
            "rate_rps": self.rate,
            "duration_s": self.duration,
            "requests": self.requests,
            "connections": self.connections,
            "threads": self.threads,
            "timeout_s": self.timeout,
            "connect_timeout_s": self.connect_timeout,
            "warmup_s": self.warmup,
            "think_time_s": self.think_time,
            "drop_after_s": self.drop_after,
            "interval_s": self.interval,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """The inverse of `to_dict`. Raises PlanError for a key that is unknown or has a bad value.

        Every key but "url" may be left out.
        """
        keys = {_JSON_NAMES.get(field.name, field.name): field.name for field in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in data.items():
            if key in keys:
                values[keys[key]] = value
            elif key != "loop":
                raise PlanError(key, f"is no field of a plan; there are {', '.join(keys)}")
        if "url" not in values:
            raise PlanError("url", "is missing; say where the requests go")
        if "headers" in values:
            values["headers"] = _header_pairs(values["headers"])
        if "body" in values:
            values["body"] = _body_from_json(values["body"])
        if values.get("duration") is None and values.get("requests") is None:
            values["duration"] = DURATION_DEFAULT_S
        plan = cls(**values)
        if data.get("loop", "open" if plan.open_loop else "closed") != plan.to_dict()["loop"]:
            raise PlanError("loop", "contradicts rate_rps: a loop is open if there is a rate")
        return plan

    def engine_arguments(self) -> dict[str, Any]:
        """The keyword arguments of the core's Engine."""
        optional = {
            "duration_ns": self.duration,
            "drop_after_ns": self.drop_after,
        }
        return {
            "url": self.url,
            "name": self.name,
            "method": self.method,
            "headers": list(self.headers),
            "body": self.body,
            "rate_rps": self.rate,
            "requests": self.requests,
            "warmup_ns": _units.nanoseconds(self.warmup),
            "think_time_ns": _units.nanoseconds(self.think_time),
            "connections": self.connections,
            "threads": self.threads,
            "timeout_ns": _units.nanoseconds(self.timeout),
            "connect_timeout_ns": _units.nanoseconds(self.connect_timeout),
            "interval_ns": _units.nanoseconds(self.interval),
            **{k: None if v is None else _units.nanoseconds(v) for k, v in optional.items()},
        }


_OPTIONAL = frozenset({"rate", "duration", "requests", "drop_after"})
_READERS: dict[str, Any] = {
    "rate": _units.rate,
    "duration": _units.seconds,
    "requests": _units.count,
    "connections": partial(_units.count, most=CONNECTIONS_MAX),
    "threads": partial(_units.count, most=THREADS_MAX),
    "timeout": _units.seconds,
    "connect_timeout": _units.seconds,
    "warmup": partial(_units.seconds, zero=True),
    "think_time": partial(_units.seconds, zero=True),
    "drop_after": _units.seconds,
    "interval": _units.seconds,
}

_JSON_NAMES = {
    "rate": "rate_rps",
    "duration": "duration_s",
    "timeout": "timeout_s",
    "connect_timeout": "connect_timeout_s",
    "warmup": "warmup_s",
    "think_time": "think_time_s",
    "drop_after": "drop_after_s",
    "interval": "interval_s",
}


def usable_cpus() -> int:
    """The CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads(connections: int) -> int:
    """Half of the usable CPUs: the other half is the target's, where it runs on this machine."""
    return max(1, min(connections, usable_cpus() // 2))


def _header_pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    """Names and values as pairs of text; what HTTP allows in them is the core's to judge."""
    items = headers.items() if hasattr(headers, "items") else headers
    try:
        pairs = tuple((name, value) for name, value in items)
    except (TypeError, ValueError):
        raise PlanError("headers", "must be a mapping or pairs of a name and a value") from None
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise PlanError("headers", f"names and values must be text: {name!r}: {value!r} is not")
    return pairs


def _encoded(text: str, field: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise PlanError(field, f"cannot be written as UTF-8: {text!r}") from None


def _payload(body: bytes | str | None, json: Any) -> bytes:
    if json is not None:
        import json as codec

        try:
            return codec.dumps(json, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise PlanError("json", f"cannot be written as JSON: {error}") from None
    if isinstance(body, str):
        return _encoded(body, "body")
    if body is None or isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body or b"")
    raise PlanError("body", f"must be bytes or text, not {type(body).__name__}; or use json=")


def _body_to_json(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        import base64

        return {"base64": base64.b64encode(body).decode("ascii")}


def _body_from_json(value: Any) -> bytes:
    if isinstance(value, str):
        return _encoded(value, "body")
    if isinstance(value, dict) and isinstance(text := value.get("base64"), str) and len(value) == 1:
        import base64
        import binascii

        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise PlanError("body", "its base64 cannot be decoded") from None
    raise PlanError("body", 'must be text or {"base64": "..."}')
