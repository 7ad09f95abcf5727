"""loadcore likes: a data directory that a real service wrote, cared for by the real command."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import termios
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from command import loadcore, started

from loadcore import _core

CSV = "userId,likes\nalice,42\nbob,7\n"


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[str]:
    """Its URL; it is drained at the end of the block."""
    with started("serve", "--port", "0", "--data", str(data), *arguments) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def like(url: str, user: str, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": f'"{key}"'} if key else {}
    request = urllib.request.Request(f"{url}/v1/{user}/likes", method="POST", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def total(url: str, user: str) -> int:
    with urllib.request.urlopen(f"{url}/v1/{user}/likes", timeout=5) as answer:
        return int(json.load(answer)["likes"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a service: 30 likes of five users, three of each run with a key; snapshots."""
    path = tmp_path_factory.mktemp("written") / "data"
    for run in range(2):
        with serving(path, "--snapshot-log-bytes", "200") as url:
            for i in range(15):
                like(url, f"user-{i % 5}", f"key-{run}-{i}" if i < 3 else None)
            wait_for_snapshots(path, run + 1)
    return path


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "data"))


def wait_for_snapshots(data: Path, count: int) -> None:
    end = time.monotonic() + 10
    while len(names(data, "snapshot-")) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def names(data: Path, prefix: str = "") -> list[str]:
    return sorted(name for name in os.listdir(data) if name.startswith(prefix) and name != "LOCK")


def contents(data: Path) -> dict[str, bytes]:
    return {name: (data / name).read_bytes() for name in names(data)}


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x40
    path.write_bytes(content)


def report(*arguments: str, code: int = 0) -> Any:
    done = loadcore("likes", *arguments, "--json")
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[str], code: int = 4) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def exported(data: Path, *arguments: str) -> str:
    done = loadcore("likes", "export", str(data), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_service_wrote_is_sound_and_agrees(data: Path) -> None:
    before = contents(data)
    found = report("check", str(data))
    assert found["sound"] is True
    assert found["holds"] == {"users": 5, "likes": 30, "keys": 6}
    assert [file["file"] for file in found["snapshots"]] == names(data, "snapshot-")
    assert [file["file"] for file in found["segments"]] == names(data, "log-")
    audit = report("audit", str(data))
    assert audit["recounted"] is True
    assert audit["agrees"] is True
    assert audit["holds"] == found["holds"]
    said = loadcore("likes", "check", str(data)).stdout.splitlines()
    assert said[0] == f"{data} is sound: 5 users with 30 likes and 6 keys"
    assert loadcore("likes", "repair", str(data)).stdout.startswith(f"{data} is sound, nothing")
    assert contents(data) == before


def test_a_damaged_snapshot_is_named_and_repaired(data: Path) -> None:
    newest = names(data, "snapshot-")[-1]
    flip(data / newest, 2000)
    before = contents(data)
    found = report("check", str(data), code=3)
    assert found["holds"] is None
    assert [(at["file"], at["offset"] <= 2000) for at in found["damage"]] == [(newest, True)]
    said = loadcore("likes", "check", str(data))
    assert said.returncode == 3
    assert f"damaged: {newest} at byte " in said.stdout
    assert "would keep all of it, 5 users with 30 likes and 6 keys: nothing is lost" in said.stdout
    for command in ("export", "audit", "import"):
        sentence = refused(loadcore("likes", command, str(data), input=CSV))
        assert newest in sentence
        assert f"'loadcore likes repair {data}'" in sentence
    dry = loadcore("likes", "repair", "-n", str(data))
    assert dry.returncode == 0
    assert "nothing was changed" in dry.stdout
    assert contents(data) == before

    done = report("repair", str(data))
    assert done["repair"]["exact"] is True
    assert (data / f"damaged-{newest}").read_bytes() == before[newest]
    assert report("check", str(data))["holds"] == {"users": 5, "likes": 30, "keys": 6}
    with serving(data) as url:
        assert total(url, "user-0") == 6
        assert like(url, "user-0", "key-0-0") == {"userId": "user-0", "likes": 1}
        assert like(url, "user-0")["likes"] == 7


def test_a_lost_frame_is_counted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as url:
        for i in range(10):
            like(url, f"user-{i}")
    log = data / "log-00000000000000000001"
    flip(log, 64 + 3 * (24 + 9) + 30)  # every frame here is as long as another
    said = loadcore("likes", "repair", str(data))
    assert said.returncode == 0
    assert "1 frame (4) cannot be read" in said.stdout
    assert "no count is too high" in said.stdout
    with serving(data) as url:
        assert [total(url, f"user-{i}") for i in range(10)] == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("arguments", [(), ("-f", "jsonl")])
def test_export_and_import_come_out_even(
    data: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    text = exported(data, *arguments)
    copy = tmp_path / "copy"
    done = loadcore("likes", "import", str(copy), input=text)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"standard input: 5 lines with 30 likes added to {copy}, which now has"
        " 5 users with 30 likes and 0 keys\n"
    )
    assert sorted(exported(copy, *arguments).splitlines()) == sorted(text.splitlines())
    with serving(copy) as url:
        assert total(url, "user-3") == 6


def test_export_to_a_file_is_whole_or_not_at_all(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "likes.jsonl"
    path.write_text("old")
    done = loadcore("likes", "export", str(data), "-f", "jsonl", "-o", str(path))
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path}: 5 users with 30 likes, ")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["userId"]: line["likes"] for line in lines} == {f"user-{i}": 6 for i in range(5)}
    flip(data / names(data, "snapshot-")[-1], 80)
    refused(loadcore("likes", "export", str(data), "-o", str(path)))
    assert len(path.read_text().splitlines()) == 5
    assert sorted(os.listdir(tmp_path)) == ["data", "likes.jsonl"]


def test_import_adds_to_what_is_there(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("userId,likes\nuser-0,100\nsomebody-else,1\n")
    done = report("import", str(data), str(path))
    assert done["users"] == 2
    assert done["holds"] == {"users": 6, "likes": 131, "keys": 6}
    assert report("audit", str(data))["recounted"] is False
    with serving(data) as url:
        assert total(url, "user-0") == 106
        assert like(url, "user-0", "key-0-0")["likes"] == 1


def test_a_bad_line_is_named_and_nothing_is_counted(data: Path, tmp_path: Path) -> None:
    before = contents(data)
    path = tmp_path / "bad.csv"
    path.write_text(CSV + "carol,many\n")
    sentence = refused(loadcore("likes", "import", str(data), str(path)), 2)
    assert f"{path}, line 4: likes is not a whole number" in sentence
    assert "nothing of it was counted" in sentence
    assert contents(data) == before
    fresh = tmp_path / "fresh"
    refused(loadcore("likes", "import", str(fresh), str(path)), 2)
    assert not fresh.exists()
    assert "nowhere.csv" in refused(loadcore("likes", "import", str(data), "nowhere.csv"), 2)


@pytest.mark.parametrize("command", ["check", "repair", "audit", "export", "import"])
def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.write_text("not a directory")
    assert "is a file" in refused(loadcore("likes", command, str(file), input=CSV))
    newer = tmp_path / "newer"
    loadcore("likes", "import", str(newer), input=CSV)
    write_newer(newer / names(newer, "snapshot-")[-1])
    before = contents(newer)
    assert "newer version" in refused(loadcore("likes", command, str(newer), input=CSV))
    assert contents(newer) == before
    if command != "import":
        assert "does not exist" in refused(loadcore("likes", command, str(tmp_path / "no")))
        assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("command", ["check", "repair", "audit", "export", "import"])
def test_a_directory_in_use_is_left_alone(data: Path, command: str) -> None:
    with serving(data) as url:
        done = loadcore("likes", command, str(data), input=CSV)
        assert "in use by another process" in refused(done)
        assert total(url, "user-0") == 6


def test_a_wrong_key_age_is_the_arguments_fault(data: Path) -> None:
    assert "--key-age" in refused(loadcore("likes", "check", str(data), "--key-age", "old"), 2)


def test_ctrl_c_ends_an_import_that_waits_for_its_input(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started("likes", "import", str(data), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(CSV)
        process.stdin.flush()
        until_read(process.stdin)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.strip() == "loadcore: interrupted"
    assert not data.exists()


def until_read(pipe: IO[str]) -> None:
    """Until whoever has the other end has taken all that was written."""
    end = time.monotonic() + 20
    left = bytearray(struct.calcsize("i"))
    while True:
        fcntl.ioctl(pipe, termios.FIONREAD, left)
        if not any(left):
            return
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_signal_ends_what_takes_long(tmp_path: Path) -> None:
    class RaisedError(Exception):
        pass

    def handle(number: int, frame: object) -> None:
        raise RaisedError

    data = str(tmp_path / "data")
    importing = _core.LikesImport(data, key_age_ms=1000)
    importing.take(b"userId,likes\n")
    importing.take("".join(f"user-{i},{i + 1}\n" for i in range(300_000)).encode())
    importing.finish()
    del importing  # and with it the lock
    before = signal.signal(signal.SIGALRM, handle)
    try:
        for work in (_core.likes_check, _core.likes_audit, _core.likes_repair):
            with pytest.raises(RaisedError):  # noqa: PT012
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                work(data, key_age_ms=1000)
        with pytest.raises(RaisedError):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            _core.LikesExport(data)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert _core.likes_check(data, key_age_ms=1000)["damage"] == []


def write_newer(snapshot: Path) -> None:
    """Gives a snapshot's header the next format version, with the checksum that belongs to it."""
    header = bytearray(snapshot.read_bytes())
    header[16:20] = (2).to_bytes(4, "little")
    header[60:64] = crc32c(bytes(header[:60])).to_bytes(4, "little")
    snapshot.write_bytes(header)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
