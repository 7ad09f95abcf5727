"""The file of a saved run: gzip, JSON inside, histograms as HdrHistogram V2 payloads in base64.

    {"format": "loadcore.run", "version": 1, "plan": {...}, "environment": {...}, "result": {...}}

`result` is what the core returned. A reader refuses a newer version and whatever does not fit.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

from loadcore._core import Histogram
from loadcore._errors import FileError, PlanError
from loadcore._files import write_atomically
from loadcore._plan import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore._core import Result
    from loadcore._files import PathText

FORMAT = "loadcore.run"
VERSION = 1
# Far above a day of intervals; a damaged or hostile file must not fill the memory.
UNPACKED_BYTES_MAX = 1 << 30
_GZIP = 31  # zlib's window bits for a gzip header and checksum

_COUNTS = (
    "scheduled", "sent", "completed", "dropped", "unsent",
    "connect", "timeout", "reset", "protocol", "status",
)  # fmt: skip
_HISTOGRAMS = ("latency", "service", "send_lag", "generator_late", "blocked")
_NUMBERS = (
    "started_unix_ns",
    "duration_ns",
    "elapsed_ns",
    "bytes_sent",
    "bytes_received",
    "connects",
)
_ROW_NUMBERS = (
    "start_ns", "length_ns", "scheduled", "sent", "completed",
    "dropped", "unsent", "connect", "timeout", "reset", "protocol", "status",
    "bytes_sent", "bytes_received",
)  # fmt: skip
_ROW_HISTOGRAMS = ("latency", "service", "send_lag")
_THREAD_NUMBERS = (
    "cpu_ns", "wall_ns", "connections", "sent", "late_p50_ns", "late_p99_ns", "late_max_ns",
)  # fmt: skip


def save(plan: Plan, result: Result, environment: Mapping[str, Any], path: PathText) -> None:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "plan": plan.to_dict(),
        "environment": environment,
        "result": _pack(result),
    }
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_atomically(path, packer.compress(text.encode()) + packer.flush())


def load(path: PathText) -> tuple[Plan, Result, dict[str, Any]]:
    """The plan, result and environment that `save` wrote; `loadcore.load` says what is raised."""
    with open(path, "rb") as file:
        data = file.read()
    document = _document(data, path)
    try:
        plan = Plan.from_dict(document["plan"])
        if not isinstance(document["environment"], dict):
            raise TypeError("environment is no object")
        return plan, _unpack(document["result"]), document["environment"]
    except KeyError as error:
        raise FileError(f"{path} is a damaged run: {error} is missing from it") from None
    except (AttributeError, PlanError, TypeError, ValueError) as error:
        raise FileError(f"{path} is a damaged run: {error}") from None


def _document(data: bytes, path: PathText) -> dict[str, Any]:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        text = unpacker.decompress(data, UNPACKED_BYTES_MAX)
    except zlib.error:
        raise FileError(f"{path} is no saved run, or is damaged: it cannot be unpacked") from None
    if unpacker.unconsumed_tail:
        raise FileError(f"{path} is not a saved run: it unpacks to more than 1 GiB")
    if not unpacker.eof:
        raise FileError(f"{path} is a damaged run: its end is missing")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise FileError(f"{path} is not a saved run: there is no JSON in it") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileError(f"{path} is not a saved run: save one with Run.save or --save")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FileError(f"{path} is a damaged run: its version is {version!r}")
    if version > VERSION:
        raise FileError(
            f"{path} was saved by a newer loadcore (format {version}, this one reads {VERSION}): "
            f"upgrade loadcore"
        )
    return document


def _pack(result: Result) -> dict[str, Any]:
    packed: dict[str, Any] = dict(result)
    for name in _HISTOGRAMS:
        packed[name] = _to_base64(packed[name].encode())
    packed["intervals"] = [
        {**row, **{name: _to_base64(payload) for name, payload in _payloads(row).items()}}
        for row in result["intervals"]
    ]
    packed["status_codes"] = {str(code): count for code, count in result["status_codes"].items()}
    return packed


def _payloads(row: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: row[name] for name in _ROW_HISTOGRAMS}


def _unpack(packed: Mapping[str, Any]) -> Result:
    result: Any = {name: _number(packed, name) for name in _NUMBERS}
    for name in ("outcome", "reason", "verdict"):
        result[name] = _text(packed[name], name)
    result["reasons"] = [_text(reason, "reasons") for reason in packed["reasons"]]
    for name in ("counts", "warmup_counts"):
        result[name] = {kind: _number(packed[name], kind) for kind in _COUNTS}
    result["status_codes"] = {
        int(code): _number(packed["status_codes"], code) for code in packed["status_codes"]
    }
    for name in _HISTOGRAMS:
        result[name] = Histogram.decode(_from_base64(packed[name]))
    result["intervals"] = [_row(row, _ROW_NUMBERS, _ROW_HISTOGRAMS) for row in packed["intervals"]]
    result["threads"] = [_row(row, _THREAD_NUMBERS, ()) for row in packed["threads"]]
    unpacked: Result = result
    return unpacked


def _row(
    packed: Mapping[str, Any], numbers: tuple[str, ...], histograms: tuple[str, ...]
) -> dict[str, Any]:
    row: dict[str, Any] = {name: _number(packed, name) for name in numbers}
    for name in histograms:
        row[name] = _from_base64(packed[name])
        if row[name]:
            Histogram.decode(row[name])  # a bad one must fail now, not when a column needs it
    return row


def _number(values: Mapping[str, Any], name: str) -> int:
    value = values[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r}, not a count")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not text")
    return value


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: Any) -> bytes:
    return base64.b64decode(_text(text, "a histogram"), validate=True)
