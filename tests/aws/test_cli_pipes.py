"""`loadcore stack` and `autoscale` whose stdout goes away: what they do goes on to its end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command import LOADCORE, loadcore, started
from stack_world import EXAMPLES, account

from loadcore_aws import stack
from loadcore_aws.stack.names import tag_list

if TYPE_CHECKING:
    from aws_front.front import Front

REGION = "eu-central-1"
SMALL = """
name = "likes"
region = "eu-central-1"
package = { file = "loadcore-0.1.0-cp312-cp312-linux_x86_64.whl" }
instances = { type = "t3.small", disk_gb = 16 }
group = { min = 1, max = 2 }
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "loadcore-0.1.0-cp312-cp312-linux_x86_64.whl").write_bytes(b"a wheel")
    path = tmp_path / "STACK.toml"
    path.write_text(SMALL)
    return str(path)


def left_after(text: str, *arguments: str, send: int | None = None) -> tuple[int, str]:
    """Exit code and stderr of a command whose reader leaves once it has read `text`; then `send`
    comes, as Ctrl-C does that has ended `tee` before."""
    with started(*arguments) as process:
        assert process.stdout
        assert process.stderr
        assert any(text in line for line in process.stdout)
        process.stdout.close()
        if send is not None:
            process.send_signal(send)
        errors = process.stderr.read()
        return process.wait(timeout=60), errors


def unread(*arguments: str) -> tuple[int, str]:
    """The same of one whose reader is gone from the first."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*LOADCORE, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_what_nobody_reads_of_is_done_all_the_same(aws: Front, file: str) -> None:
    here = ("--yes", "--endpoint-url", aws.url)
    code, errors = left_after("likes", "stack", "apply", file, *here)
    assert code == 0
    assert "loadcore: stdout was lost (Broken pipe), not the work: " in errors
    assert " done, 0 failed, 0 not carried out" in errors
    assert "The stack stands: http://likes-main" in errors
    assert aws.inventory()
    code, errors = left_after("Stack likes", "stack", "destroy", file, *here)
    assert code == 0
    assert "0 failed, 0 not carried out" in errors
    assert errors.endswith("What is left: nothing.\n")
    assert aws.inventory() == {}


def test_ctrl_c_that_ends_the_reader_too_is_said_and_130(aws: Front, file: str) -> None:
    aws.inject("throttle", "autoscaling", "CreateAutoScalingGroup", times=1000)
    command = ("stack", "apply", file, "--yes", "--endpoint-url", aws.url)
    code, errors = left_after("launch_template.instances: created", *command, send=signal.SIGINT)
    assert code == 130
    assert "Stopping: nothing new begins" in errors
    assert "Interrupted: " in errors
    assert f"loadcore stack apply {file} goes on from there" in errors
    assert "Traceback" not in errors


def test_a_full_disk_is_told_before_anything_is_changed(aws: Front, file: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*LOADCORE, "stack", "apply", file, "--yes", "--endpoint-url", aws.url],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr == (
        "loadcore: stdout cannot be written (No space left on device); send it elsewhere\n"
    )
    assert aws.inventory() == {}


def test_a_disk_that_fills_up_keeps_nothing_from_being_done(
    aws: Front, file: str, tmp_path: Path
) -> None:
    leave(aws)
    command = ("stack", "destroy", file, "--endpoint-url", aws.url)
    before = loadcore(*command, stdin=subprocess.DEVNULL)
    assert before.returncode == 2
    room = len(before.stdout.encode())
    with open(tmp_path / "log", "w") as log:
        done = subprocess.run(
            [*LOADCORE, *command, "--yes"],
            stdout=log, stderr=subprocess.PIPE, text=True, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        )  # fmt: skip
    assert (tmp_path / "log").read_text() == before.stdout
    assert done.returncode == 0
    assert "stdout was lost (File too large), not the work: 1 done, 0 failed" in done.stderr
    assert done.stderr.endswith("What is left: nothing.\n")
    assert aws.inventory() == {}


@pytest.mark.parametrize("raised", [SystemExit(1), ValueError("a mistake in a notebook")])
def test_a_callback_that_fails_ends_the_telling_only(aws: Front, raised: BaseException) -> None:
    leave(aws)
    told = []

    def tell(event: stack.Event) -> None:
        told.append(event)
        raise raised

    likes = stack.Stack("likes", REGION)
    outcome = stack.destroy(likes, account(aws, REGION), on_event=tell)
    assert outcome.complete
    assert outcome.done == ("vpc.main",)
    assert outcome.untold is raised
    assert len(told) == 1
    assert aws.inventory() == {}


def leave(aws: Front) -> None:
    """A stack of one network."""
    tags = {"loadcore:stack": "likes", "loadcore:resource": "vpc.main"}
    account(aws, REGION).client("ec2").create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": tag_list(tags)}],
    )


STUCK = str(EXAMPLES / "policies" / "stuck.toml")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("autoscale", "--help"), 0),
        (("autoscale", "lint", STUCK), 0),
        (("autoscale", "lint", STUCK, "--strict"), 3),
        (("autoscale", "simulate", STUCK, "--json", "-"), 0),
    ],
)
def test_a_reader_that_leaves_makes_no_exit_code_of_its_own(
    arguments: tuple[str, ...], code: int
) -> None:
    assert unread(*arguments)[0] == code


def test_a_command_may_be_started_without_stdout_and_stderr() -> None:
    flapping = str(EXAMPLES / "policies" / "flapping.toml")
    lint = [*LOADCORE, "autoscale", "lint", STUCK, "--strict"]
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *lint], stderr=-1, timeout=60)
    assert (closed.returncode, closed.stderr) == (3, b"")
    simulate = [*LOADCORE, "autoscale", "simulate", flapping]
    mute = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *simulate], stdout=-1, timeout=60)
    assert mute.returncode == 0
    assert mute.stdout.startswith(b"300 users at 30/s, 2 to 10 instances")


def test_what_is_only_shown_is_done_once_nobody_reads(aws: Front, file: str) -> None:
    assert unread("stack", "plan", file, "--endpoint-url", aws.url) == (0, "")


def test_logs_are_followed_as_long_as_somebody_reads(aws: Front, file: str) -> None:
    logs = account(aws, REGION).client("logs")
    place = {"logGroupName": "/loadcore/likes", "logStreamName": "i-1"}
    logs.create_log_group(logGroupName=place["logGroupName"])
    logs.create_log_stream(**place)

    def put(message: str) -> None:
        event = {"timestamp": round(time.time() * 1000), "message": message}
        logs.put_log_events(**place, logEvents=[event])

    put("first")
    with started("stack", "logs", file, "--follow", "--endpoint-url", aws.url) as process:
        assert process.stdout
        assert process.stderr
        assert "first" in process.stdout.readline()
        process.stdout.close()
        put("second")
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""


def test_nobody_on_stderr_either(aws: Front, file: str) -> None:
    leave(aws)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*LOADCORE, "stack", "destroy", file, "--yes", "--endpoint-url", aws.url],
        stdout=writer, stderr=writer, timeout=60,
    )  # fmt: skip
    failed = subprocess.run([*LOADCORE, "rnu"], stdout=writer, stderr=writer, timeout=60)
    os.close(writer)
    assert (done.returncode, failed.returncode) == (0, 2)
    assert aws.inventory() == {}
