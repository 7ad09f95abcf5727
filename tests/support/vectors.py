"""The vectors of tests/conformance/requests.txt, whose head says how they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[1] / "conformance/requests.txt"

_ESCAPE = re.compile(r"\\(?:([rnt\\])|x([0-9a-f]{2})|\{(\d+)\*([^}]*)\})")
_NAMED = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}
_ANSWER = re.compile(r"(!?)(h?)([2-5]\d\d)")
_OUTCOME = re.compile(r"([!h\d ]+?)?(?: ?(keep|close|wait))?(?: likes (\d+))?")


class Vector(NamedTuple):
    name: str
    data: bytes
    statuses: tuple[int, ...]
    heads: tuple[bool, ...]  # whether each answers a HEAD, and so has no body
    refused: bool  # the last answer ends the connection
    end: str  # "keep", "close" or "wait"
    likes: int


def vectors() -> list[Vector]:
    """Raises ValueError, with its line, for what is not written as it should be."""
    found: list[Vector] = []
    for number, line in enumerate(FILE.read_text(encoding="ascii").splitlines(), 1):
        try:
            if not line or line.startswith("#"):
                continue
            if line.startswith((">", "=")):
                found[-1] = found[-1]._replace(data=found[-1].data + _bytes_of(line))
            else:
                found.append(_header(line))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{FILE.name}:{number}: {line}: {error}") from error
    return found


def _bytes_of(line: str) -> bytes:
    text = _unescaped(line[2:])
    return (text + "\r\n" if line[0] == ">" else text).encode("latin-1")


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        name, code, times, repeated = match.groups()
        if name:
            return _NAMED[name]
        return chr(int(code, 16)) if code else int(times) * _unescaped(repeated)

    return _ESCAPE.sub(plain, text)


def _header(line: str) -> Vector:
    name, colon, outcome = line.partition(": ")
    match = _OUTCOME.fullmatch(outcome)
    if not colon or match is None:
        raise ValueError("is no name, answers and end")
    texts = (match[1] or "").split()
    parts = [_ANSWER.fullmatch(text) for text in texts]
    if not all(parts):
        raise ValueError("has an answer that is no status")
    marks = [(part[1], part[2], int(part[3])) for part in parts if part]
    refused = bool(marks) and marks[-1][0] == "!"
    if any(mark[0] for mark in marks[:-1]) or refused == (match[2] is not None):
        raise ValueError("says how it ends not once")
    return Vector(
        name=name,
        data=b"",
        statuses=tuple(status for _, _, status in marks),
        heads=tuple(head == "h" for _, head, _ in marks),
        refused=refused,
        end=match[2] or "close",
        likes=int(match[3] or 0),
    )
