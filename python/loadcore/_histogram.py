"""Histograms as text: HdrHistogram's compressed base64 form and its `.hlog` interval logs.

Both are what HdrHistogram's own tools read and write (hdrhistogram.org; the classes
`AbstractHistogram` and `HistogramLogWriter`, log format version 1.3). Values are nanoseconds.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
import struct
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal, TextIO

from loadcore._core import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

_COMPRESSED_COOKIE = 0x1C849304
# Its second nibble once told the size of a count: V2 writers put a 1, readers skip it.
_WORD_SIZE_MASK = 0xF0
_WORD_SIZE_V2 = 0x10
_OUTER_HEADER = struct.Struct(">II")  # cookie, compressed length

# Far above any real histogram (ours takes 304 KB at the very most), and a bound for a payload that
# was made to swell.
_PAYLOAD_BYTES_MAX = 4 * 1024 * 1024

_START_TIME = re.compile(r"#\[StartTime: *([^ \]]+)")
_BASE_TIME = re.compile(r"#\[BaseTime: *([^ \]]+)")
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_NANOSECONDS_PER_MILLISECOND = 1e6
_YEAR = 365 * 24 * 3600.0
_TIME_MAX = 253_402_300_800.0  # the end of the year 9999, the last that has a date
_NO_TAG = re.compile(r"[\s,]")


@dataclass(frozen=True)
class Interval:
    """One line of an interval log."""

    start: float
    """Seconds since the epoch."""
    length: float
    """Seconds."""
    histogram: Histogram
    tag: str | None = None
    """Tells apart what is logged side by side, such as request names; no comma or white space."""


def to_base64(histogram: Histogram) -> str:
    """The compressed V2 form, as a line of an interval log holds it (`HISTFAAA...`)."""
    compressed = zlib.compress(histogram.encode())
    header = _OUTER_HEADER.pack(_COMPRESSED_COOKIE | _WORD_SIZE_V2, len(compressed))
    return base64.b64encode(header + compressed).decode("ascii")


def from_base64(text: str) -> Histogram:
    """The histogram that `to_base64`, or another implementation of HdrHistogram, wrote.

    One of another range or precision is recorded anew by value. Raises ValueError if `text` is
    anything else, is damaged, or holds a value above one hour.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not a histogram: it is not base64 ({error})") from None
    if len(data) < _OUTER_HEADER.size:
        raise ValueError("not a histogram: it is too short")
    cookie, length = _OUTER_HEADER.unpack_from(data)
    if cookie & ~_WORD_SIZE_MASK != _COMPRESSED_COOKIE:
        raise ValueError("not a histogram: it does not begin like HdrHistogram's compressed V2")
    compressed = data[_OUTER_HEADER.size :]
    if len(compressed) != length:
        raise ValueError(
            f"not a histogram: it should hold {length} compressed bytes, there are "
            f"{len(compressed)}"
        )
    return Histogram.decode(_decompressed(compressed))


def _decompressed(compressed: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        payload = decompressor.decompress(compressed, _PAYLOAD_BYTES_MAX)
    except zlib.error as error:
        raise ValueError(f"not a histogram: it does not decompress ({error})") from None
    if decompressor.unconsumed_tail:
        raise ValueError(f"not a histogram: it is larger than {_PAYLOAD_BYTES_MAX} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("not a histogram: its compressed bytes do not end where they should")
    return payload


def write_hlog(
    target: str | os.PathLike[str] | TextIO,
    intervals: Iterable[Interval],
    start_time: float | None = None,
) -> None:
    """Writes an interval log that HdrHistogram's tools read; a path is overwritten.

    Intervals are logged by microsecond, relative to `start_time` (seconds since the epoch; that of
    the first interval if left out). The log's Interval_Max is in milliseconds, as is usual.

    Raises ValueError, and writes nothing, for an interval that begins before `start_time`, for
    times that are negative or not finite, and for a tag that the format has no room for.
    """
    intervals = list(intervals)
    if start_time is None and intervals:
        start_time = intervals[0].start
    lines = ["#[Histogram log format version 1.3]"]
    if start_time is not None:
        lines += _time_lines(start_time)
    lines.append(_LEGEND)
    lines += [_interval_line(interval, start_time or 0.0) for interval in intervals]
    with _opened(target, "w") as file:
        file.write("\n".join(lines) + "\n")


def _time_lines(start_time: float) -> list[str]:
    if not 0 <= start_time < _TIME_MAX:
        raise ValueError(f"start_time must be seconds since the epoch, not {start_time}")
    date = datetime.fromtimestamp(start_time, timezone.utc).isoformat(sep=" ")
    # The base says that the intervals' times are relative; without it a reader has to guess.
    return [
        f"#[StartTime: {start_time:.6f} (seconds since epoch), {date}]",
        f"#[BaseTime: {start_time:.6f} (seconds since epoch)]",
    ]


def _interval_line(interval: Interval, start_time: float) -> str:
    offset = interval.start - start_time
    # Readers of the format take no negative numbers.
    if not 0 <= offset < _TIME_MAX:
        raise ValueError(
            f"an interval must begin at or after the log's start, {start_time}, not at "
            f"{interval.start}"
        )
    if not 0 <= interval.length < _TIME_MAX:
        raise ValueError(f"an interval's length must be 0 or more seconds, not {interval.length}")
    tag = ""
    if interval.tag is not None:
        if not interval.tag or _NO_TAG.search(interval.tag):
            raise ValueError(f"a tag must have no comma and no white space: {interval.tag!r}")
        tag = f"Tag={interval.tag},"
    max_ms = interval.histogram.max / _NANOSECONDS_PER_MILLISECOND
    return f"{tag}{offset:.6f},{interval.length:.6f},{max_ms:.6f},{to_base64(interval.histogram)}"


def read_hlog(source: str | os.PathLike[str] | TextIO) -> Iterator[Interval]:
    """The intervals of a log, in its order, one at a time; other tools' logs are read too.

    Where a log does not say whether its times are relative (no BaseTime line) they are taken to be
    if the first lies more than a year before its StartTime, as HdrHistogram's own reader does.

    Raises ValueError, naming the line, for what is neither an interval nor a comment.
    """
    times = _LogTimes()
    with _opened(source, "r") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            try:
                if line.startswith("#"):
                    times.comment(line)
                elif line and not line.startswith('"StartTimestamp"'):
                    yield _interval(line, times)
            except ValueError as error:
                raise ValueError(f"line {number} of the interval log: {error}") from None


class _LogTimes:
    """What a log has said so far about what its times are relative to."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._base: float | None = None

    def comment(self, line: str) -> None:
        if match := _START_TIME.match(line):
            self._start = _finite("StartTime", match[1])
        elif match := _BASE_TIME.match(line):
            self._base = _finite("BaseTime", match[1])

    def absolute(self, timestamp: float) -> float:
        if self._base is None:
            start = timestamp if self._start is None else self._start
            self._base = start if timestamp < start - _YEAR else 0.0
        return self._base + timestamp


def _interval(line: str, times: _LogTimes) -> Interval:
    tag = None
    if line.startswith("Tag="):
        tag, _, line = line[len("Tag=") :].partition(",")
    fields = line.split(",")
    if len(fields) != 4:
        raise ValueError(f"an interval has 4 fields, not {len(fields)}")
    start = times.absolute(_finite("StartTimestamp", fields[0]))
    length = _finite("Interval_Length", fields[1])
    return Interval(start, length, from_base64(fields[3]), tag or None)


def _finite(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is not a number: {text!r}")
    return value


def _opened(
    place: str | os.PathLike[str] | TextIO, mode: Literal["r", "w"]
) -> AbstractContextManager[TextIO]:
    if isinstance(place, (str, os.PathLike)):
        # Others' comments may be in any encoding; what matters to a reader is ASCII.
        errors = "replace" if mode == "r" else "strict"
        return open(place, mode, encoding="utf-8", errors=errors, newline="\n")
    return nullcontext(place)
