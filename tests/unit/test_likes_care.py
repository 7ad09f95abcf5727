"""docs/likes-format.md is enough to read a data directory; what loadcore likes says of reports."""

from __future__ import annotations

import struct
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import loadcore as lc
from loadcore import _core
from loadcore.cli import _likes_text as text

CASTAGNOLI = 0x82F63B78


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Bytes:
    """What the page calls integers, varints and texts, taken off the front."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, size: int) -> bytes:
        assert len(self.left) >= size
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.integer(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self) -> str:
        return self.take(self.integer(1)).decode()


def framed(data: Bytes, salt: int) -> tuple[int, int, Bytes]:
    """Sequence, time and payload of a frame or block whose checksum is right."""
    size, checksum, sequence, at_ms = struct.unpack("<IIQQ", data.take(24))
    payload = data.take(size)
    covered = struct.pack("<QIQQ", salt, size, sequence, at_ms) + payload
    assert crc32c(covered) == checksum
    return sequence, at_ms, Bytes(payload)


def header(data: Bytes, magic: bytes) -> Bytes:
    head = data.take(64)
    assert head[:16] == magic
    assert int.from_bytes(head[16:20], "little") == 1
    assert crc32c(head[:60]) == int.from_bytes(head[60:], "little")
    return Bytes(head[20:60])


def read_segment(path: Path) -> list[tuple[int, list[tuple[str, int, str]]]]:
    """Of each frame its sequence and its entries: user, likes, key."""
    data = Bytes(path.read_bytes())
    head = header(data, b"lc-likes-log\n\x1a\0\0")
    assert head.integer(4) == 0
    salt, first = head.integer(8), head.integer(8)
    assert path.name == f"log-{first:020}"
    frames: list[tuple[int, list[tuple[str, int, str]]]] = []
    while data.left:
        sequence, _, payload = framed(data, salt)
        assert sequence == first + len(frames)
        entries = []
        while payload.left:
            kind, user = payload.integer(1), payload.text()
            if kind == 1:
                entries.append((user, payload.varint(), ""))
            else:
                assert kind == 2
                entries.append((user, 1, payload.text()))
                payload.varint()
        frames.append((sequence, entries))
    return frames


def read_snapshot(path: Path) -> tuple[Counter[str], dict[str, str]]:
    """Totals by user, and users by key."""
    data = Bytes(path.read_bytes())
    head = header(data, b"lc-likes-snap\n\x1a\0")
    shard_bits, salt = head.integer(4), head.integer(8)
    head.take(16)
    created_ms = head.integer(8)
    totals: Counter[str] = Counter()
    keys = {}
    shards = []
    block = 0
    while True:
        _, at_ms, payload = framed(data, salt + block)
        assert at_ms == created_ms
        block += 1
        kind = payload.take(1)
        if kind == b"t":
            break
        if kind == b"u":
            shards.append(payload.varint())
        while payload.left:
            if kind == b"u":
                user = payload.text()
                totals[user] = payload.varint()
            else:
                key = payload.text()
                keys[key] = payload.text()
                payload.varint()
                payload.integer(8)
    assert [payload.integer(8) for _ in range(3)] == [len(totals), totals.total(), len(keys)]
    assert not payload.left
    assert not data.left
    assert shards == list(range(1 << shard_bits))
    return totals, keys


def test_the_page_on_the_format_is_enough_to_read_a_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with lc.serve(data=str(data), snapshot_log_bytes=700) as service:
        for user, requests in (("alice", 30), ("bob", 20)):
            run = lc.run(
                f"{service.url}/v1/{user}/likes",
                method="POST",
                requests=requests,
                connections=1,
                headers={"Idempotency-Key": '"once"'} if user == "bob" else {},
            )
            assert run.requests.failed.status == 0
        end = time.monotonic() + 10
        while not list(data.glob("snapshot-*")):
            assert time.monotonic() < end
            time.sleep(0.02)
    del service  # and with it the directory's lock
    logged: Counter[str] = Counter()
    keys = []
    for path in sorted(data.glob("log-*")):
        for _, entries in read_segment(path):
            for user, likes, key in entries:
                logged[user] += likes
                keys += [key] if key else []
    assert logged == {"alice": 30, "bob": 1}
    assert keys == ["once"]

    importing = _core.LikesImport(str(data), key_age_ms=86_400_000)
    importing.take(b"userId,likes\ncarol,300\n")
    importing.finish()
    totals, users = read_snapshot(max(data.glob("snapshot-*")))
    assert totals == {"alice": 30, "bob": 1, "carol": 300}
    assert users == {"once": "bob"}


KEPT: dict[str, Any] = {
    "exact": False,
    "snapshots": ["snapshot-9"],
    "frames": 3,
    "keeps": {"users": 2, "likes": 1234, "keys": 0},
    "missing": [(4, 4), (7, 9)],
    "frames_missing": 4,
    "rebased_missing": [],
    "users_short": 1,
    "users_gone_max": None,
    "left_out": 0,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ["2 users with 1,234 likes and 0 keys", "4 frames (4, 7 to 9)", "1 user of these"]),
        ({"users_gone_max": 5}, ["up to 5 users of snapshot-9 may be gone altogether"]),
        ({"rebased_missing": ["snapshot-9"]}, ["an import or a repair put into snapshot-9"]),
        ({"left_out": 1}, ["1 addition beyond 2^63 - 1 left out"]),
        ({"missing": [(i, i) for i in range(2, 40, 2)]}, ["18, 20, and 9 more gaps"]),
        ({"exact": True, "missing": []}, ["all of it", "nothing is lost"]),
    ],
)
def test_what_a_repair_keeps_is_said(change: dict[str, Any], words: list[str]) -> None:
    report = {
        "snapshots": [],
        "segments": [],
        "damage": [{"file": "log-1", "offset": 64, "what": "not a whole frame"}],
        "holds": None,
        "repair": {**KEPT, **change},
    }
    lines = text.checked("likes", report)
    assert lines[0] == "likes is damaged"
    assert "damaged: log-1 at byte 64: not a whole frame" in lines
    assert "the service refuses to start with it" in lines
    for word in words:
        assert word in lines[-1]


def test_differences_of_an_audit_are_shown_up_to_a_bound() -> None:
    report = {
        "newest": "snapshot-9",
        "base": None,
        "recounted": True,
        "why_not": "",
        "first_sequence": 1,
        "last_sequence": 12,
        "frames": 12,
        "holds": {"users": 2, "likes": 9, "keys": 0},
        "keys_older": 1,
        "differences": 3,
        "first_differences": [("user alice", "5", "4"), ("user bob", "not there", "4")],
    }
    assert text.audited("likes", report) == [
        "likes does not agree with its log: 3 differences",
        "recounted from the first frame on: 12 frames, sequences 1 to 12",
        "1 older key of the recount had been forgotten before, to make room",
        "user alice: 5 with snapshot-9, 4 recounted",
        "user bob: not there with snapshot-9, 4 recounted",
        "and 1 more",
    ]
