"""From the journal to CloudWatch Logs: batches within the documented limits, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError
from client_errors import client_error
from hypothesis import given
from hypothesis import strategies as st

import loadcore as lc
from loadcore_aws import Session
from loadcore_aws.instance import batches, journal
from loadcore_aws.instance.batches import Batch
from loadcore_aws.instance.journal import Entry, entry
from loadcore_aws.instance.ship_logs import PAUSE_S_MAX, Cursor, Shipper, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aws_front.front import Front

PATIENCE_S = 20.0
DAY_MS = 24 * 3600 * 1000


def line(number: int, message: Any = None, time_ms: int = 1_700_000_000_000) -> bytes:
    """As journalctl prints it."""
    told = {
        "__CURSOR": f"c{number}",
        "__REALTIME_TIMESTAMP": str((time_ms + number) * 1000),
        "MESSAGE": f"line {number}" if message is None else message,
    }
    return json.dumps(told).encode() + b"\n"


# --- the journal


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("plain", "plain"),
        ([104, 105, 255], "hi�"),
        (["one", "two"], "one\ntwo"),
        ([[104, 105], "two"], "hi\ntwo"),
        ("", ""),
    ],
)
def test_every_form_of_a_message_is_read(message: Any, text: str) -> None:
    assert entry(line(7, message)) == Entry(1_700_000_000_007, text, "c7")


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"{}", b'{"__CURSOR": "c", "MESSAGE": "m"}'])
def test_what_is_no_entry_is_passed_over(broken: bytes) -> None:
    assert entry(broken) is None


def test_the_journal_is_read_on_from_the_cursor_through_all_boots() -> None:
    call = journal.command(["a.service", "b.service"], "s=1;i=2")
    assert call[0] == "journalctl"
    assert {"--unit=a.service", "--unit=b.service", "--cursor=s=1;i=2"} <= set(call)
    assert {"--follow", "--no-tail", "--merge", "--all", "--output=json"} <= set(call)
    assert not any("cursor" in word for word in journal.command(["a.service"], ""))


def test_without_journalctl_there_is_a_sentence() -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory")

    with (
        pytest.raises(lc.RunError, match="journalctl: No such file"),
        journal.following(["a"], "", missing),
    ):
        pass


# --- batches


def split(entries: list[Entry]) -> list[Batch]:
    found = [Batch()]
    for each in entries:
        if not found[-1].take(each):
            found.append(Batch())
            assert found[-1].take(each), "a new batch takes any entry"
    return found


def entries() -> st.SearchStrategy[list[Entry]]:
    message = st.one_of(
        st.text(max_size=8),
        # As long as to fill a batch in a few.
        st.builds(str.__mul__, st.sampled_from("aä€😀"), st.integers(1, 400_000)),
    )
    time_ms = st.integers(0, 3 * DAY_MS)
    return st.lists(st.builds(Entry, time_ms, message, st.just("c")), max_size=12)


@given(entries())
def test_batches_keep_the_limits_and_lose_nothing(given_entries: list[Entry]) -> None:
    sent = []
    for batch in split(given_entries):
        events = batch.events()
        times = [event["timestamp"] for event in events]
        assert times == sorted(times)
        assert not times or times[-1] - times[0] < DAY_MS
        sizes = [len(event["message"].encode()) for event in events]
        assert all(sizes)
        assert sum(sizes) + 26 * len(sizes) <= 1_048_576
        sent += [(event["timestamp"], event["message"]) for event in events]
    room = batches.MESSAGE_BYTES_MAX
    cut = {
        each.message: each.message.encode()[:room].decode(errors="ignore") for each in given_entries
    }
    expected = [(each.time_ms, cut[each.message]) for each in given_entries if each.message]
    assert sorted(sent) == sorted(expected)


def test_a_batch_has_ten_thousand_events_at_most() -> None:
    found = split([Entry(0, "x", str(number)) for number in range(10_001)])
    assert [len(batch) for batch in found] == [10_000, 1]
    assert found[0].cursor == "9999"


def test_a_day_is_a_batch_and_no_more() -> None:
    found = split([Entry(DAY_MS, "b", "1"), Entry(1, "a", "2"), Entry(0, "too early", "3")])
    assert [len(batch) for batch in found] == [2, 1]


def test_an_empty_line_is_not_sent_and_not_read_again() -> None:
    batch = Batch()
    assert batch.take(Entry(0, "", "c9"))
    assert (len(batch), batch.cursor) == (0, "c9")


# --- sending


@dataclass
class Logs:
    """A CloudWatch Logs client whose answers are given: exceptions are raised, in turn."""

    answers: list[Any] = field(default_factory=list)
    sent: list[list[str]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    creation: Exception | None = None

    @property
    def messages(self) -> list[str]:
        return [message for batch in self.sent for message in batch]

    def put_log_events(self, **call: Any) -> Any:
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        self.sent.append([event["message"] for event in call["logEvents"]])
        return answer

    def create_log_stream(self, **call: str) -> None:
        self.created.append(call["logStreamName"])
        if self.creation:
            raise self.creation


@dataclass
class Sending:
    logs: Logs = field(default_factory=Logs)
    said: list[str] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)

    @property
    def stream(self) -> Stream:
        return Stream(self.logs, "/g", "i-1", self.said.append, self.slept_s.append, lambda: 1.0)

    def put(self) -> None:
        batch = Batch()
        batch.take(Entry(0, "x", "c"))
        self.stream.put(batch)


def test_throttling_is_waited_out_ever_longer_up_to_a_bound() -> None:
    lost = EndpointConnectionError(endpoint_url="http://aws")
    passing = [client_error("ThrottlingException"), lost, client_error("Whatever", status=503)] * 4
    sending = Sending(Logs(answers=list(passing)))
    sending.put()
    assert sending.logs.sent == [["x"]]
    assert sending.slept_s[:4] == [0.5, 1, 2, 4]
    assert sending.slept_s[-1] == PAUSE_S_MAX
    assert len(sending.slept_s) == len(passing) == len(sending.said)


def test_a_missing_stream_is_made_and_a_missing_group_is_not() -> None:
    sending = Sending(Logs(answers=[client_error("ResourceNotFoundException")]))
    sending.put()
    assert (sending.logs.created, sending.logs.sent) == (["i-1"], [["x"]])
    sending = Sending(Logs(answers=[client_error("ResourceNotFoundException")]))
    sending.logs.creation = client_error("ResourceAlreadyExistsException")
    sending.put()
    assert sending.logs.sent == [["x"]]
    sending = Sending(Logs(answers=[client_error("ResourceNotFoundException")]))
    sending.logs.creation = client_error("ResourceNotFoundException")
    with pytest.raises(lc.RunError, match="there is no log group /g; apply the stack again"):
        sending.put()
    sending = Sending(Logs(answers=[client_error("ResourceNotFoundException")]))
    sending.logs.creation = client_error("AccessDeniedException")
    with pytest.raises(lc.RunError, match="stream i-1 could not be made"):
        sending.put()


def test_what_was_taken_before_is_taken() -> None:
    sending = Sending(Logs(answers=[client_error("DataAlreadyAcceptedException")]))
    sending.put()
    assert (sending.logs.sent, sending.slept_s) == ([], [])


def test_what_is_left_out_is_said_and_what_is_forbidden_is_an_error() -> None:
    sending = Sending(Logs(answers=[{"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}}]))
    sending.put()
    assert "tooOldLogEventEndIndex" in sending.said[0]
    with pytest.raises(lc.RunError, match=r"does not take the log.*AccessDeniedException"):
        Sending(Logs(answers=[client_error("AccessDeniedException")])).put()


# --- all of it


def shipped(sending: Sending, folder: Path, lines: list[bytes]) -> None:
    with pytest.raises(lc.RunError, match="journalctl ended by itself"):
        Shipper(sending.stream, Cursor(folder / "cursor")).run(lines)


def test_lines_arrive_and_their_place_is_kept(tmp_path: Path) -> None:
    sending = Sending()
    shipped(sending, tmp_path, [line(number) for number in range(1, 26)] + [b"broken"])
    assert sending.logs.messages == [f"line {number}" for number in range(1, 26)]
    assert Cursor(tmp_path / "cursor").load() == "c25"
    assert [path.name for path in tmp_path.iterdir()] == ["cursor"]


def test_what_was_sent_last_is_not_sent_again_and_what_follows_is(tmp_path: Path) -> None:
    sending = Sending()
    shipped(sending, tmp_path, [line(1), line(2)])
    shipped(sending, tmp_path, [line(2), line(3)])
    # The journal has lost its oldest entries meanwhile, the last one that was sent among them.
    shipped(sending, tmp_path, [line(5), line(6)])
    assert sending.logs.messages == [f"line {number}" for number in (1, 2, 3, 5, 6)]


def test_the_place_moves_only_once_lines_were_taken(tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "cursor")
    assert cursor.load() == ""
    cursor.save("c0")
    sending = Sending(Logs(answers=[client_error("AccessDeniedException")]))
    with pytest.raises(lc.RunError, match="AccessDenied"):
        Shipper(sending.stream, cursor).run([line(1)])
    assert cursor.load() == "c0"


def test_on_the_way_out_everything_written_is_sent(tmp_path: Path) -> None:
    """journalctl goes on following; stop() ends it all the same, once it is quiet."""
    sending, program = Sending(), (
        "import sys, time; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]));"
        "sys.stdout.flush(); time.sleep(600)"
    )  # fmt: skip
    written = b"".join(line(number) for number in range(1, 6))

    def start(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        assert command[0] == "journalctl"
        return subprocess.Popen([sys.executable, "-c", program, written.hex()], **how)

    shipper = Shipper(sending.stream, Cursor(tmp_path / "cursor"))
    with journal.following(["a"], "", start) as lines:
        thread = threading.Thread(target=shipper.run, args=(lines,))
        thread.start()
        watch = threading.Event()
        for _ in range(int(PATIENCE_S / 0.05)):
            if Cursor(tmp_path / "cursor").load():
                break
            watch.wait(0.05)
        shipper.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert sending.logs.messages == [f"line {number}" for number in range(1, 6)]


def test_a_slow_cloud_makes_the_reader_wait(tmp_path: Path) -> None:
    read, going = [], threading.Event()

    def lines() -> Iterator[bytes]:
        for number in range(1, 1001):
            read.append(number)
            yield line(number)

    class Held(Logs):
        def put_log_events(self, **call: Any) -> Any:
            assert going.wait(PATIENCE_S)
            return super().put_log_events(**call)

    sending = Sending(Held())
    # Time passes in leaps, so that each line is a batch of its own.
    ticks = iter(range(0, 10**9, 10))
    shipper = Shipper(
        sending.stream, Cursor(tmp_path / "cursor"), clock=lambda: next(ticks) / 20, queue_max=10
    )

    def run() -> None:
        with pytest.raises(lc.RunError, match="ended by itself"):
            shipper.run(lines())

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(200):
        if len(read) >= 12:
            break
        going.wait(0.01)
    going.wait(0.1)
    assert len(read) <= 14, "one batch under way, ten lines waiting, one in hand"
    going.set()
    thread.join(PATIENCE_S)
    assert sending.logs.messages == [f"line {number}" for number in range(1, 1001)]


def test_it_works_with_the_service(aws: Front, tmp_path: Path) -> None:
    logs = Session(region="eu-central-1", endpoint_url=aws.url).client("logs")
    logs.create_log_group(logGroupName="/shipped")
    said: list[str] = []
    now_ms = int(time.time() * 1000)
    stream = Stream(logs, "/shipped", "i-1", said.append, lambda _: None)
    lines = [line(number, time_ms=now_ms) for number in range(3)]
    with pytest.raises(lc.RunError, match="ended by itself"):
        Shipper(stream, Cursor(tmp_path / "cursor")).run(lines)
    found = logs.filter_log_events(logGroupName="/shipped", logStreamNames=["i-1"])["events"]
    assert [event["message"] for event in found] == ["line 0", "line 1", "line 2"]
    assert said == []
    logs.delete_log_group(logGroupName="/shipped")
