"""What an answer of the likes service promises, and what it does when it cannot keep that."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk
from likes_client import Answer, LikesClient, NoAnswerError
from nursery import Child, Nursery

NOBODY = 65_534
DRAIN_S = 5.0


class Running:
    """A service and where it listens."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port
        self.clients: list[LikesClient] = []

    def client(self) -> LikesClient:
        """Closed when the service is."""
        self.clients.append(LikesClient(self.port))
        return self.clients[-1]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as started:
        yield started


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(tmp_path / "faults")


@pytest.fixture
def faulty(disk: FaultyDisk) -> Iterator[Nursery]:
    """Its services stand on `disk`."""
    with Nursery(disk.environment) as started:
        yield started


@contextmanager
def serving(nursery: Nursery, data: Path | None, *options: str) -> Iterator[Running]:
    where = () if data is None else ("--data", str(data))
    child = nursery.start("serve", "--port", "0", *where, *options)
    try:
        first = child.first_line()
        assert first, "it did not start"
        running = Running(child, int(first["url"].rpartition(":")[2]))
        try:
            yield running
        finally:
            for client in running.clients:
                client.close()
    finally:
        said = child.close()
        assert "Traceback" not in said
        assert "assertion" not in said


def refusal(nursery: Nursery, data: Path, user_id: int | None = None) -> str:
    """Starts a service that must not start: one sentence, exit 4."""
    child = nursery.start("serve", "--port", "0", "--data", str(data), user_id=user_id)
    assert child.first_line() == {}
    assert child.wait() == 4
    said = child.close()
    assert said.startswith("loadcore: ")
    assert said.count("\n") == 1
    assert str(data) in said
    return said


def fingerprint(path: Path) -> str:
    """Of names, kinds, rights and contents below a path, and of the path itself."""
    digest = hashlib.sha256()
    for each in sorted([path, *path.rglob("*")]):
        status = each.lstat()
        digest.update(f"{each}\0{status.st_mode}\0{status.st_size}\0".encode())
        if each.is_file():
            digest.update(each.read_bytes())
    return digest.hexdigest()


def newest_log(data: Path) -> Path:
    return max(data.glob("log-*"))


# --- what survives


@pytest.mark.parametrize("durability", ["os", "fsync"])
def test_likes_and_keys_survive_the_process(
    nursery: Nursery, tmp_path: Path, durability: str
) -> None:
    data = tmp_path / "data"
    for life in range(3):
        with serving(nursery, data, "--durability", durability) as service:
            client = service.client()
            assert client.likes("alice") == 2 * life
            assert client.like("alice").likes == 2 * life + 1
            assert client.like("alice", f"key-{life}").likes == 2 * life + 2
            for earlier in range(life + 1):
                assert client.like("alice", f"key-{earlier}").likes == 2 * earlier + 2
                assert client.like("bob", f"key-{earlier}").status == 422
            assert client.likes("alice") == 2 * life + 2
            assert client.likes("bob") == 0
            service.child.kill()


def test_memory_promises_nothing_and_keeps_nothing(nursery: Nursery, tmp_path: Path) -> None:
    for _ in range(2):
        with serving(nursery, None) as service:
            assert service.client().like("alice").likes == 1
            service.child.kill()
    assert list(tmp_path.iterdir()) == []


def test_keys_are_forgotten_after_their_time_and_not_before(
    nursery: Nursery, tmp_path: Path
) -> None:
    with serving(nursery, tmp_path / "data", "--key-age", "1s") as service:
        client = service.client()
        begin = time.monotonic()
        assert client.like("alice", "key").likes == 1
        again = client.like("alice", "key").likes
        assert again == 1 or time.monotonic() - begin > 1
        time.sleep(1.1)
        assert client.like("alice", "key").likes == 2


def test_at_most_so_many_keys_are_remembered(nursery: Nursery, tmp_path: Path) -> None:
    with serving(nursery, tmp_path / "data", "--keys-max", "10") as service:
        client = service.client()
        for number in range(11):
            assert client.like("alice", f"key-{number}").likes == number + 1
        assert client.like("alice", "key-1").likes == 2
        assert client.like("alice", "key-0").likes == 12  # it had to go for key-10


def test_reads_show_only_what_is_safe(faulty: Nursery, disk: FaultyDisk, tmp_path: Path) -> None:
    with serving(faulty, tmp_path / "data") as service:
        client, reader = service.client(), service.client()
        assert client.like("alice").likes == 1
        disk.slow_down_syncs(400)
        begin = time.monotonic()
        client.send_like("alice")
        while True:
            seen = reader.likes("alice")
            if time.monotonic() - begin >= 0.4:  # the sync may have been over by then
                break
            assert seen == 1
        assert client.answer().likes == 2
        assert reader.likes("alice") == 2


def test_likes_that_wait_share_a_sync(faulty: Nursery, disk: FaultyDisk, tmp_path: Path) -> None:
    with serving(faulty, tmp_path / "data") as service:
        clients = [service.client() for _ in range(50)]
        for client in clients:
            client.get("/v1/readiness")
        disk.slow_down_syncs(300)
        begin = time.monotonic()
        for client in clients:
            client.send_like("alice")
        totals = sorted(client.answer().likes for client in clients)
        assert totals == list(range(1, 51))
        assert time.monotonic() - begin < 10  # two or three syncs, not fifty


# --- a disk that fails


def test_after_a_failed_sync_nothing_is_acknowledged(
    faulty: Nursery, disk: FaultyDisk, nursery: Nursery, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(faulty, data) as service:
        client = service.client()
        for total in range(1, 6):
            assert client.like("alice", f"key-{total}").likes == total
        assert client.get("/v1/healthcheck").status == 200
        disk.fail_next_sync()
        refused = [client.like("alice", f"new-{number}") for number in range(20)]
        assert disk.sync_has_failed
        assert [answer.status for answer in refused] == [503] * 20
        assert all("retry-after" in answer.fields for answer in refused)
        health = client.get("/v1/healthcheck")
        assert health.status == 503
        body = json.loads(health.body)
        assert body["healthy"] is False
        assert str(data) in body["reason"]
        assert "Input/output error" in body["reason"]
        assert client.likes("alice") == 5
        assert client.like("bob").status == 503
        assert client.likes("bob") == 0
        service.child.send_signal(signal.SIGTERM)
        assert service.child.wait() == 0
    with serving(nursery, data) as service:
        client = service.client()
        assert client.get("/v1/healthcheck").status == 200
        # The frame whose sync failed may be there; none was written after it.
        assert client.likes("alice") in (5, 6)
        assert [client.like("alice", f"key-{total}").likes for total in range(1, 6)] == [
            *range(1, 6)
        ]
        assert client.like("alice", "new-0").likes == 6
        assert client.like("alice", "new-1").likes == 7


def check_refused_for_lack_of_room(client: LikesClient, total: int) -> None:
    for number in range(3):
        answer = client.like("alice", f"refused-{number}")
        assert answer.status == 503
        assert int(answer.fields["retry-after"]) > 0
        assert "error" in json.loads(answer.body)
    assert client.likes("alice") == total


def test_a_full_disk_refuses_likes_until_there_is_room(
    faulty: Nursery, disk: FaultyDisk, nursery: Nursery, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(faulty, data) as service:
        client = service.client()
        for life in range(3):
            assert client.like("alice").likes == 2 * life + 1
            disk.fill()
            check_refused_for_lack_of_room(client, 2 * life + 1)
            disk.heal()
            assert client.like("alice", f"key-{life}").likes == 2 * life + 2
        disk.fill()
        check_refused_for_lack_of_room(client, 6)
        service.child.kill()
    with serving(nursery, data) as service:
        client = service.client()
        assert client.likes("alice") == 6  # what was refused is not there
        assert client.like("alice", "refused-0").likes == 7


def test_a_limit_on_file_sizes_is_a_full_disk(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(nursery, data) as service:
        client = service.client()
        assert client.like("alice").likes == 1
        pid = service.child.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        for room in (0, 1, 10, 40):
            size = newest_log(data).stat().st_size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + room, most))
            check_refused_for_lack_of_room(client, client.likes("alice"))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
            before = client.likes("alice")
            assert client.like("alice").likes == before + 1
        total = client.likes("alice")
        service.child.kill()
    with serving(nursery, data) as service:
        assert service.client().likes("alice") == total == 5


# --- how it ends


def wait_until_nobody_gets_in(service: Running) -> None:
    end = time.monotonic() + DRAIN_S
    while True:
        with LikesClient(service.port) as client:
            try:
                client.get("/v1/readiness")
            except NoAnswerError:
                return
        assert time.monotonic() < end


def test_sigterm_answers_what_it_has_taken_and_exits_0(
    faulty: Nursery, disk: FaultyDisk, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(faulty, data, "--threads", "2") as service:
        clients = [service.client() for _ in range(64)]
        asking = service.client()
        for client in clients:
            assert client.get("/v1/readiness").status == 200
        disk.slow_down_syncs(450)
        asking.send(b"GET /v1/readiness HTTP/1.1\r\nHo")
        for client in clients:
            client.send_like("alice")
        time.sleep(0.4)  # they are taken, and not yet answered
        begin = time.monotonic()
        service.child.send_signal(signal.SIGTERM)
        wait_until_nobody_gets_in(service)
        asking.send(b"st: a\r\n\r\n")
        ready = asking.answer()
        assert ready.status == 503
        assert ready.fields["connection"] == "close"
        answers = [client.answer() for client in clients]
        assert sorted(answer.likes for answer in answers) == list(range(1, 65))
        assert {answer.fields.get("connection") for answer in answers} <= {"close", None}
        assert service.child.wait() == 0
        assert time.monotonic() - begin < DRAIN_S + 15
    with serving(faulty, data) as service:
        assert service.client().likes("alice") == 64


def test_sigterm_under_load_loses_nothing(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(nursery, data, "--threads", "2") as service:
        answers: list[Answer] = []
        unknown = []

        def drive() -> None:
            with service.client() as client:
                try:
                    while True:
                        answers.append(client.like("alice"))
                except NoAnswerError as error:
                    unknown.append(error.sent)

        threads = [threading.Thread(target=drive) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        service.child.send_signal(signal.SIGTERM)
        assert service.child.wait() == 0
        for thread in threads:
            thread.join()
    assert {answer.status for answer in answers} == {200}
    with serving(nursery, data) as service:
        total = service.client().likes("alice")
    # A request that crosses the end of an idle connection is not taken, so it is not counted.
    assert len(answers) == total > 0


# --- directories that cannot be used


def test_one_process_a_directory(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(nursery, data) as service:
        client = service.client()
        assert client.like("alice").likes == 1
        before = fingerprint(data)
        assert "in use by another process" in refusal(nursery, data)
        assert fingerprint(data) == before
        assert client.like("alice").likes == 2
    with serving(nursery, data) as service:  # the dead hold no lock
        assert service.client().likes("alice") == 2


def test_a_file_is_no_directory(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("something of somebody's")
    before = fingerprint(tmp_path)
    assert "is a file" in refusal(nursery, data)
    assert fingerprint(tmp_path) == before


def test_a_directory_below_a_file_cannot_be_made(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refusal(nursery, tmp_path / "file" / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("holds", ["nothing", "likes"])
def test_a_directory_that_is_read_only(nursery: Nursery, tmp_path: Path, holds: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if holds == "likes":
        with serving(nursery, data) as service:
            service.client().like("alice")
        (data / "LOCK").chmod(0o444)
    for folder in (data, *data.parents):
        if folder.owner() == tmp_path.owner() and folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    data.chmod(0o555)
    before = fingerprint(data)
    try:
        is_root = os.geteuid() == 0
        assert "cannot be" in refusal(nursery, data, user_id=NOBODY if is_root else None)
        assert fingerprint(data) == before
    finally:
        data.chmod(0o755)


def crc32c(data: bytes | bytearray) -> int:
    """Bit by bit, from the polynomial of RFC 3720 appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_a_directory_of_a_newer_version(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(nursery, data) as service:
        service.client().like("alice")
    log = newest_log(data)
    content = bytearray(log.read_bytes())
    assert struct.unpack_from("<I", content, 60)[0] == crc32c(content[:60])
    struct.pack_into("<I", content, 16, struct.unpack_from("<I", content, 16)[0] + 1)
    struct.pack_into("<I", content, 60, crc32c(content[:60]))
    log.write_bytes(content)
    before = fingerprint(data)
    assert "newer" in refusal(nursery, data)
    assert fingerprint(data) == before


def test_damage_in_the_middle_is_refused_with_the_place_and_the_way_out(
    nursery: Nursery, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(nursery, data) as service:
        client = service.client()
        for _ in range(5):
            client.like("alice")
    log = newest_log(data)
    content = bytearray(log.read_bytes())
    content[100] ^= 1
    log.write_bytes(content)
    before = fingerprint(data)
    said = refusal(nursery, data)
    assert log.name in said
    assert "byte 96" in said  # where the second frame begins
    assert f"loadcore likes repair {data}" in said
    assert fingerprint(data) == before


def test_what_a_crash_leaves_half_written_is_no_obstacle(nursery: Nursery, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(nursery, data) as service:
        client = service.client()
        for _ in range(5):
            client.like("alice")
    with newest_log(data).open("ab") as log:
        log.write(b"\x20\0\0\0half of a frame")
    (data / "log.new").write_bytes(b"half a header")
    (data / "snapshot.new").write_bytes(b"half a snapshot")
    with serving(nursery, data) as service:
        client = service.client()
        assert client.likes("alice") == 5
        assert client.like("alice").likes == 6
    assert not (data / "snapshot.new").exists()
