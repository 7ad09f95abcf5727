"""The service's journal to CloudWatch Logs: one stream for each instance, named by its id.

Each line arrives at least once: the place in the journal is kept on disk after a batch was taken,
so what was under way in a crash is sent again. While CloudWatch Logs cannot be reached nothing is
dropped here; the journal keeps it, within its own limits.
"""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

import loadcore as lc
from loadcore_aws.instance import journal
from loadcore_aws.instance.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

QUEUE_ENTRIES_MAX = 20_000
LINGER_S = 1.0  # how long a line waits for others
QUIET_S = 0.5  # nothing new for so long, on the way out: that was all
PAUSE_S_MAX = 30.0
# A pause, and the same again: worth waiting for. Everything else needs a person.
PASSING = frozenset(
    {"ThrottlingException", "Throttling", "ServiceUnavailableException", "RequestTimeout",
     "InternalFailure", "InternalServerError", "LimitExceededException",
     "OperationAbortedException", "ExpiredTokenException"}
)  # fmt: skip
TAKEN = "DataAlreadyAcceptedException"  # CloudWatch Logs no longer says so; others still do
GONE = "ResourceNotFoundException"


class Cursor:
    """A place in the journal, in a file that is never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> str:
        try:
            return self._path.read_text().strip()
        except FileNotFoundError:
            return ""

    def save(self, cursor: str) -> None:
        partial = self._path.with_suffix(".new")
        with partial.open("w") as file:
            file.write(cursor + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


@dataclass(frozen=True)
class Stream:
    """Where events go. `logs` is a boto3 client; `say` takes a line."""

    logs: Any
    group: str
    name: str
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = field(default=random.random)

    def put(self, batch: Batch) -> None:
        """Until it is taken, waiting out what passes. Raises lc.RunError for what does not."""
        pause_s = 0.5
        while not self._sent(batch):
            self.sleep(pause_s * (0.5 + self.jitter() / 2))
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    def _sent(self, batch: Batch) -> bool:
        try:
            answer = self.logs.put_log_events(
                logGroupName=self.group, logStreamName=self.name, logEvents=batch.events()
            )
        except ClientError as error:
            return self._taken_after_all(error)
        except BotoCoreError as error:  # the network, or no credentials yet
            self.say(f"CloudWatch Logs: {error}; trying again")
            return False
        if rejected := answer.get("rejectedLogEventsInfo"):
            self.say(f"CloudWatch Logs left some lines out as too old or too new: {rejected}")
        return True

    def _taken_after_all(self, error: ClientError) -> bool:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == TAKEN:
            return True
        if code == GONE:
            self._create()
            return False
        if code in PASSING or status >= 500:
            self.say(f"CloudWatch Logs: {error}; trying again")
            return False
        raise lc.RunError(f"CloudWatch Logs does not take the log: {error}") from None

    def _create(self) -> None:
        """The stream; the group is the stack's to make, and the instance may not."""
        try:
            self.logs.create_log_stream(logGroupName=self.group, logStreamName=self.name)
        except BotoCoreError as error:
            self.say(f"CloudWatch Logs: {error}; trying again")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == GONE:
                sentence = f"there is no log group {self.group}; apply the stack again"
                raise lc.RunError(sentence) from None
            if code not in PASSING | {"ResourceAlreadyExistsException"}:
                sentence = f"the log stream {self.name} could not be made: {error}"
                raise lc.RunError(sentence) from None


class Shipper:
    """Reads lines on a thread of its own and sends them on the caller's.

    At most QUEUE_ENTRIES_MAX lines wait in between; then the reader waits, and so does journalctl.
    """

    def __init__(
        self,
        stream: Stream,
        cursor: Cursor,
        *,
        clock: Callable[[], float] = time.monotonic,
        queue_max: int = QUEUE_ENTRIES_MAX,
    ) -> None:
        self._stream = stream
        self._cursor = cursor
        self._clock = clock
        self._queue: queue.Queue[journal.Entry | None] = queue.Queue(queue_max)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Sends what has come and then returns from run(); safe in a signal handler."""
        self._stopping.set()

    def run(self, lines: Iterable[bytes]) -> None:
        """Until stop() or the end of `lines`, which begin with what was sent last.

        Raises lc.RunError for what waiting does not mend, and where `lines` ended by themselves.
        """
        reader = threading.Thread(target=self._read, args=(lines, self._cursor.load()), daemon=True)
        reader.start()
        batch, ended = Batch(), False
        while not ended:
            batch, ended = self._gathered(batch)
        self._send(batch)
        if not self._stopping.is_set():
            raise lc.RunError("journalctl ended by itself; its message is above")

    def _read(self, lines: Iterable[bytes], sent: str) -> None:
        try:
            for line in lines:
                found = journal.entry(line)
                if found and found.cursor != sent:
                    self._queue.put(found)
        except ValueError:  # closed while it was read: the end
            pass
        self._queue.put(None)

    def _gathered(self, batch: Batch) -> tuple[Batch, bool]:
        """Takes lines in for a moment and sends them; what begins next, and whether all is done."""
        until_s = self._clock() + LINGER_S
        while (left_s := until_s - self._clock()) > 0:
            leaving = self._stopping.is_set()
            try:
                entry = self._queue.get(timeout=QUIET_S if leaving else min(left_s, QUIET_S))
            except queue.Empty:
                if leaving:
                    return batch, True
                continue
            if entry is None:
                return batch, True
            if not batch.take(entry):
                self._send(batch)
                batch = Batch()
                batch.take(entry)
        self._send(batch)
        return Batch(), False

    def _send(self, batch: Batch) -> None:
        if len(batch):
            self._stream.put(batch)
        if batch.cursor:
            self._cursor.save(batch.cursor)
