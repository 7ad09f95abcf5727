"""`loadcore autoscale control` as a user starts it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.front import Front
from command import Terminal, loadcore, started
from scaled_group import ScaledGroup

from loadcore_aws.autoscaling.control import lease, memory

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

TEXT = """
group = "workers"
region = "eu-central-1"
every_s = 1
[figure]
kind = "queue"
queue = "jobs"
[scale_out]
above = 20
adjust = 2
[scale_in]
below = 5
"""


@pytest.fixture
def world(aws: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ScaledGroup:
    """A group of two and a queue of 30 messages."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    world = ScaledGroup(aws.url)
    world.queue(30)
    return world


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "control.toml"
    path.write_text(TEXT)
    return str(path)


def control(*arguments: str) -> subprocess.CompletedProcess[str]:
    return loadcore("autoscale", "control", *arguments)


def records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_line_of_cron_scales_and_remembers(world: ScaledGroup, file: str, tmp_path: Path) -> None:
    first = control(file, "--once")
    assert (first.returncode, first.stderr) == (0, "")
    (record,) = records(first.stdout)
    assert record.pop("time").endswith("Z")
    assert record == {
        "group": "workers", "action": "out", "figure": 30.0, "detail": "30", "in_service": 2,
        "desired": 2, "capacity": 4, "reason": "30 > 20", "dry_run": False,
    }  # fmt: skip
    assert world.desired == 4
    assert world.tags[lease.TAG].endswith(" 0")
    (state,) = (tmp_path / "state" / "loadcore").glob("*.json")
    assert memory.parse(state.read_text()).direction == "out"
    (again,) = records(control(file, "--once").stdout)
    assert again["action"] == "wait"
    assert "cooldown for" in again["reason"]
    assert world.desired == 4
    state.write_text("{")
    (anew,) = records(control(file, "--once").stdout)
    assert (anew["action"], world.desired) == ("out", 6)
    assert "unreadable: counts and cooldown begin anew" in anew["reason"]


def test_a_dry_run_says_and_leaves_nothing(world: ScaledGroup, file: str, tmp_path: Path) -> None:
    before = world.tags
    (record,) = records(control(file, "--once", "--dry-run").stdout)
    assert (record["action"], record["capacity"], record["dry_run"]) == ("out", 4, True)
    assert (world.desired, world.tags) == (2, before)
    assert not (tmp_path / "state").exists()


def test_the_loop_goes_on_until_sigterm(world: ScaledGroup, file: str) -> None:
    with started("autoscale", "control", file) as process:
        assert process.stdout
        actions = [json.loads(process.stdout.readline())["action"] for _ in range(2)]
        second = control(file, "--once")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert actions == ["out", "wait"]
    assert second.returncode == 4
    assert f"another controller of this group is at work here (process {process.pid})" in (
        second.stderr)  # fmt: skip
    assert (process.returncode, errors) == (0, "")
    assert {record["action"] for record in records(rest)} <= {"wait"}
    assert world.tags[lease.TAG].endswith(" 0")


def test_a_terminal_shows_a_line_for_people_and_takes_ctrl_c(world: ScaledGroup, file: str) -> None:
    with Terminal("autoscale", "control", file) as terminal:
        terminal.read_until("cooldown")
        terminal.press(b"\x03")
        assert terminal.exit_code() == 130
    assert "2 → 4 instances: 30 > 20" in terminal.output
    assert "4 instances: 30 > 20; cooldown for" in terminal.output
    assert "Traceback" not in terminal.output
    assert world.tags[lease.TAG].endswith(" 0")


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_a_terminal_that_wants_no_colours_gets_none(
    world: ScaledGroup, file: str, monkeypatch: pytest.MonkeyPatch, no_color: str, colored: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    with Terminal("autoscale", "control", file, "--once", "--dry-run") as terminal:
        assert terminal.exit_code() == 0
    assert "would be 2 → 4 instances: 30 > 20" in terminal.output
    assert ("\x1b[32mout" in terminal.output) == colored


def test_the_group_is_controlled_whoever_reads_of_it(world: ScaledGroup, file: str) -> None:
    """What is left to say goes to stderr."""
    with started("autoscale", "control", file) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert json.loads(process.stderr.readline())["action"] == "wait"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_ctrl_c_ends_a_reading_that_is_under_way(world: ScaledGroup, tmp_path: Path) -> None:
    slow = tmp_path / "slow.toml"
    begun = tmp_path / "begun"
    command = f'["sh", "-c", "touch {begun}; sleep 50"]'
    text = TEXT.replace('kind = "queue"\nqueue = "jobs"', f'kind = "command"\ncommand = {command}')
    slow.write_text(text.replace("every_s = 1", "every_s = 60"))
    with started("autoscale", "control", str(slow)) as process:
        for _ in range(2000):
            if begun.exists():
                break
            signal.sigtimedwait([], 0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert world.desired == 2


def test_where_another_machine_has_the_lease_once_gives_up(world: ScaledGroup, file: str) -> None:
    world.tag(lease.TAG, "other:1 99999999999")
    once = control(file, "--once")
    assert once.returncode == 4
    (record,) = records(once.stdout)
    assert (record["action"], record["reason"]) == ("standby", "other:1 controls this group")
    assert "other:1 controls this group; end that one" in once.stderr
    assert world.desired == 2


@pytest.mark.usefixtures("world")
def test_what_cannot_be_is_one_sentence_with_an_exit_code(file: str, tmp_path: Path) -> None:
    missing = control(str(tmp_path / "none.toml"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "none.toml: cannot be read" in missing.stderr
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(TEXT.replace("below = 5", "below = 50").replace("adjust = 2", "adjust = 0"))
    faults = control(str(wrong))
    assert faults.returncode == 2
    assert "line 10: scale_out.adjust is 0" in faults.stderr
    nobody = tmp_path / "nobody.toml"
    nobody.write_text(TEXT.replace("workers", "nobody"))
    absent = control(str(nobody))
    assert absent.returncode == 4
    assert "there is no Auto Scaling group nobody in eu-central-1" in absent.stderr
    folder = control(file, "--state", str(tmp_path / "no" / "state.json"))
    assert folder.returncode == 2
    assert "--state: there is no folder" in folder.stderr
    for result in (missing, faults, absent, folder):
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("world")
def test_without_credentials_or_region_it_says_what_to_do(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nowhere.toml"
    nowhere.write_text(TEXT.replace('region = "eu-central-1"', ""))
    result = control(str(nowhere))
    assert (result.returncode, "region: none is set" in result.stderr) == (2, True)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = control(file)
    assert (result.returncode, "aws configure" in result.stderr) == (4, True)
