"""What the controller remembers, and that there is one of it: files, tags, locks and leases."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.front import Front
from botocore.exceptions import ClientError
from scaled_group import GROUP, ScaledGroup

import loadcore as lc
from loadcore_aws.autoscaling.control import lease as leases
from loadcore_aws.autoscaling.control import memory
from loadcore_aws.autoscaling.control.config import Control, Lease, Queue, ScaleIn, ScaleOut
from loadcore_aws.autoscaling.control.controller import Controller
from loadcore_aws.autoscaling.control.decide import Group, State
from loadcore_aws.autoscaling.control.lease import TableLease, TagLease, lease_of, owner_text
from loadcore_aws.autoscaling.control.lock import FileLock
from loadcore_aws.autoscaling.control.memory import FileMemory, TagMemory
from loadcore_aws.autoscaling.control.scaling_group import ScalingGroup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATE = State(2, 0, "out", 1_800_000_000.125, settled=False)


def test_states_are_kept_in_files_and_in_tags(aws: Front, tmp_path: Path) -> None:
    file = FileMemory(tmp_path / "state.json")
    assert file.load() == (State(), "")
    file.save(STATE)
    assert file.load() == (STATE, "")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]

    world = ScaledGroup(aws.url)
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    tag = TagMemory(group)
    group.look()
    assert tag.load() == (State(), "")
    tag.save(STATE)
    group.look()
    assert tag.load() == (STATE, "")
    aws.forget_calls()
    tag.save(STATE)
    assert not aws.calls
    assert len(memory.dump(replace(STATE, above=1000, below=1000))) <= 256


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "17", '{"v":2}', "\x00", "[" * 100_000,
        memory.dump(STATE).replace('"above":2', '"above":-2'),
        memory.dump(STATE).replace('"out"', '"up"'),
        memory.dump(STATE).replace("1800000000.125", "NaN"),
        memory.dump(STATE).replace("1800000000.125", '"soon"'),
        memory.dump(STATE).replace("1800000000.125", "9" * 400),
        memory.dump(STATE).replace('"above":2', '"above":true'),
        memory.dump(STATE).replace('"out"', "[]"),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_damaged_state_is_begun_anew_and_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    state, damage = FileMemory(path).load()
    assert state == State()
    assert f"{path} was unreadable" in damage


def test_one_process_holds_the_lock_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    text = (
        "import sys; from pathlib import Path\n"
        "from loadcore_aws.autoscaling.control.lock import FileLock\n"
        "with FileLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", text, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(lc.RunError, match=rf"process {process.pid}\).*{path}"), FileLock(path):
            pass
        process.kill()
        process.wait()
    with FileLock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def tag_lease(world: ScaledGroup, owner: str, sleep: Callable[[float], None]) -> TagLease:
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    group.look()
    return TagLease(group, owner, 100, sleep)


def test_a_tag_holds_others_off_until_it_expires(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    pauses: list[float] = []
    first = tag_lease(world, "one:1", pauses.append)
    assert first.take(1000) == ""
    assert world.tags[leases.TAG] == "one:1 1100"
    assert pauses == [leases.READ_BACK_AFTER_S]
    assert first.take(1050) == ""
    assert len(pauses) == 1  # a renewal is contested by nobody
    assert tag_lease(world, "two:2", pauses.append).take(1149) == "one:1"
    assert tag_lease(world, "two:2", pauses.append).take(1150) == ""
    assert tag_lease(world, "one:1", pauses.append).take(1151) == "two:2"


def test_of_two_that_write_the_tag_at_once_the_earlier_gives_way(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    first = tag_lease(world, "one", lambda _: world.tag(leases.TAG, "two 1100"))
    assert first.take(1000) == "two"
    first.release()
    assert world.tags[leases.TAG] == "two 1100"


def test_a_lease_that_was_just_being_taken_is_released(aws: Front) -> None:
    world = ScaledGroup(aws.url)

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    lease = tag_lease(world, "one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lease.take(1000)
    lease.release()
    assert world.tags[leases.TAG] == "one 0"


def test_a_released_tag_and_one_that_was_edited_hold_nobody_off(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    first = tag_lease(world, "one", lambda _: None)
    first.take(1000)
    first.release()
    assert tag_lease(world, "two", lambda _: None).take(1001) == ""
    for damaged in ("", "two", "two soon", "two 9e99"):
        world.tag(leases.TAG, damaged)
        assert tag_lease(world, "one", lambda _: None).take(1000) == ""


def lease_table(world: ScaledGroup) -> Any:
    """A client; the table is `leases` by `name`."""
    tables = world.client("dynamodb")
    tables.create_table(
        TableName="leases",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return tables


def test_a_table_gives_the_lease_to_one(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    tables = lease_table(world)

    def lease(owner: str) -> TableLease:
        return TableLease(tables, "leases", "name", GROUP, owner, 100)

    one, two = lease("one"), lease("two")
    assert one.take(1000) == ""
    assert two.take(1099) in ("one", "another")
    two.release()
    assert one.take(1099) == ""
    assert two.take(1199) == ""
    one.release()  # it has expired and is the other's
    assert one.take(1200) != ""
    two.release()
    assert one.take(1200) == ""
    with pytest.raises(ClientError, match="ResourceNotFound"):
        TableLease(tables, "nowhere", "name", GROUP, "one", 100).take(0)


class Reader:
    """In place of a figure: it takes its time to be read, in which others may be at work."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._meanwhile = meanwhile

    def value(self, group: Group) -> float:
        self._meanwhile()
        return 99.0


class Machines:
    """Controllers on machines of their own, at one group and one clock."""

    def __init__(self, aws: Front, kind: str) -> None:
        self.world = ScaledGroup(aws.url)
        self.now_s = 1_800_000_000.0
        self._tables = lease_table(self.world) if kind == "table" else None
        self.control = Control(Queue("queue", "jobs"), ScaleOut(9), ScaleIn(1), group=GROUP)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def controller(self, owner: str, reader: Reader, state: Path) -> Controller:
        group = ScalingGroup(self.world.client("autoscaling"), name=GROUP)
        lease = (
            TagLease(group, owner, 180, self.wait)
            if self._tables is None
            else TableLease(self._tables, "leases", "name", GROUP, owner, 180)
        )
        memory = FileMemory(state / owner)
        return Controller(self.control, group, reader, memory, lease, now_s=lambda: self.now_s)


@pytest.mark.parametrize("kind", ["table", "tag"])
@pytest.mark.parametrize("then_release", [False, True])
def test_who_loses_the_lease_while_reading_changes_nothing(
    aws: Front, tmp_path: Path, kind: str, then_release: bool
) -> None:
    machines = Machines(aws, kind)
    reports = []

    def meanwhile() -> None:
        machines.wait(181)
        other = machines.controller("other", Reader(), tmp_path)
        reports.append(other.round())
        if then_release:
            other.release()
        machines.wait(1)

    slow = machines.controller("slow", Reader(meanwhile), tmp_path)
    reports.append(slow.round())
    assert [report.action for report in reports] == ["out", "standby"]
    assert machines.world.desired == 3
    assert reports[1].reason.endswith(" took over while the figure was read")
    assert reports[1].figure == 99
    assert not (tmp_path / "slow").exists()  # its counts are not of a round that was its own
    slow.release()  # what is another's stays
    again = machines.controller("again", Reader(), tmp_path).round()
    assert again.action == ("out" if then_release else "standby")


@pytest.mark.parametrize("kind", ["table", "tag"])
def test_a_lease_that_expired_unnoticed_is_renewed_before_the_change(
    aws: Front, tmp_path: Path, kind: str
) -> None:
    machines = Machines(aws, kind)
    slow = machines.controller("slow", Reader(lambda: machines.wait(200)), tmp_path)
    assert (slow.round().action, machines.world.desired) == ("out", 3)
    machines.wait(170)  # 370 s after it was first taken
    assert machines.controller("other", Reader(), tmp_path).round().action == "standby"


def test_of_two_that_renew_and_take_the_tag_at_once_one_gives_way(aws: Front) -> None:
    """An expired lease is anybody's: its renewal is read back, too."""
    world = ScaledGroup(aws.url)
    world.tag(leases.TAG, "one 1100")
    expired = tag_lease(world, "one", lambda _: world.tag(leases.TAG, "two 1300"))
    assert expired.renew(1200) == "two"


def test_owners_fit_into_a_tag() -> None:
    assert owner_text("my host:3 ü") == "my-host:3--"
    assert len(owner_text("x" * 500)) == leases.OWNER_MAX
    assert owner_text("") == "-"


def test_the_file_says_which_lease_it_is(aws: Front) -> None:
    world = ScaledGroup(aws.url)
    group = ScalingGroup(world.client("autoscaling"), name=GROUP)
    control = Control(
        Queue("queue", "jobs"), ScaleOut(9), ScaleIn(1), group=GROUP, lease=Lease("nowhere", "id")
    )
    table = lease_of(control, world.client, group, GROUP, "me")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        table.take(0)
    group.look()
    tag = lease_of(replace(control, lease=None), world.client, group, GROUP, "me")
    world.tag(leases.TAG, "other 99")
    group.look()
    assert tag.take(98) == "other"
