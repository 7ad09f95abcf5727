"""`loadcore stack` on moto's server: what it prints, asks and returns."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from command import Terminal, loadcore
from serving import balanced
from stack_world import EXAMPLES
from stack_world import publish as push_image

import loadcore as lc
from loadcore.cli import main
from loadcore_aws.cli import _options
from loadcore_aws.stack.account import Account, Time
from loadcore_aws.stack.names import STACK, tag_dict, tag_list
from loadcore_aws.stack.spec import read

if TYPE_CHECKING:
    from aws_front.front import Front

SMALL = """
name = "likes"
region = "eu-central-1"

[package]
file = "loadcore-0.1.0-cp312-cp312-linux_x86_64.whl"

[instances]
type = "t3.small"
disk_gb = 16

[group]
min = 2
max = 4

[[policy]]
kind = "simple"
name = "out"
adjust = 1

[[alarm]]
name = "busy"
metric = "cpu"
threshold = 60.0
actions = ["out"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "loadcore-0.1.0-cp312-cp312-linux_x86_64.whl").write_bytes(b"a wheel")
    path = tmp_path / "STACK.toml"
    path.write_text(SMALL)
    return path


@dataclass
class Said:
    code: int
    out: str
    err: str


class Slept:
    """A clock that goes on, and is put forward instead of being slept by."""

    def __init__(self) -> None:
        self._slept_s = 0.0

    def now(self) -> float:
        return self._slept_s + time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._slept_s += seconds


class Command:
    """`loadcore stack` in this process, with time that passes when it is slept."""

    def __init__(self, aws: Front, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = aws.url
        self._capsys = capsys

    def __call__(self, verb: str, *arguments: str | Path) -> Said:
        self._capsys.readouterr()
        code = main(["stack", verb, *map(str, arguments), "--endpoint-url", self._url])
        captured = self._capsys.readouterr()
        return Said(code, captured.out, captured.err)


@pytest.fixture
def stack(
    aws: Front, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    # One for all commands of a test: making its clients is most of what a command takes.
    @cache
    def account_of(region: str, profile: str | None, endpoint_url: str | None) -> Account:
        clock = Slept()
        here = Time(now=clock.now, sleep=clock.sleep)
        return Account(region, profile=profile, endpoint_url=endpoint_url, time=here)

    monkeypatch.setattr(_options, "account_of", account_of)
    return Command(aws, capsys)


def words(text: str) -> str:
    return " ".join(text.split())


# --- a life


def test_a_life_on_the_command_line(stack: Command, aws: Front, file: Path) -> None:
    planned = stack("plan", file)
    assert planned.code == 0
    assert "  + auto_scaling_group.main" in planned.out
    assert "prices of eu-central-1 as of" in planned.out
    assert aws.inventory() == {}

    applied = stack("apply", file, "--yes", "--expires-in", "4h")
    assert (applied.code, applied.err) == (0, "")
    assert "✓ auto_scaling_group.main: created" in applied.out
    assert "The stack stands: http://likes-main" in applied.out

    again = stack("apply", file)
    assert again.code == 0, "with nothing to change nothing is asked"
    assert "to keep as they are" in again.out

    seen = stack("status", file)
    assert seen.code == 0
    assert "size: 2 in service of 2 desired, 2 to 4" in seen.out
    check_status(json.loads(stack("status", file, "--json").out))

    gone = stack("destroy", file, "--yes")
    assert (gone.code, gone.err) == (0, "")
    assert gone.out.endswith("What is left: nothing.\n")
    assert aws.inventory() == {}
    assert "has nothing in eu-central-1" in stack("destroy", file, "--yes").out


def check_status(told: dict[str, Any]) -> None:
    assert told["schema"] == "loadcore.stack.status/1"
    assert told["size"] == {"min": 2, "desired": 2, "max": 4, "running": 2}
    assert len(told["instances"]) == 2
    assert {each["lifecycle"] for each in told["instances"]} == {"InService"}
    assert {each["state"] for each in told["targets"]} == {"healthy"}
    assert [each["name"] for each in told["alarms"]] == ["likes-busy"]
    assert len(told["activities"]) >= 1
    assert told["url"].startswith("http://likes-main")
    end = datetime.strptime(told["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert timedelta(hours=3.9) < end - datetime.now(timezone.utc) <= timedelta(hours=4)


def test_a_change_shows_its_reason(stack: Command, file: Path) -> None:
    assert stack("apply", file, "--yes").code == 0
    file.write_text(
        SMALL.replace("max = 4", "max = 6")
        .replace("threshold = 60.0", "threshold = 70.0")
        .replace("[group]", "[logs]\nretention_days = 30\n\n[group]")
    )
    planned = stack("plan", file)
    said = words(planned.out)
    assert "~ auto_scaling_group.main max: 4 → 6" in said
    assert "~ alarm.busy threshold: 60.0 → 70.0" in said
    assert "retention_days: 14 → 30" in said
    assert "3 to change" in said
    assert "4 (max)" not in said
    told = json.loads(stack("plan", file, "--json").out)
    change = next(each for each in told["changes"] if each["address"] == "alarm.busy")
    assert change["action"] == "update"
    assert change["reasons"] == [{"setting": "threshold", "had": 60.0, "wanted": 70.0}]
    assert told["counts"]["update"] == 3
    assert told["cost"]["sizes"] == {"min": 2, "desired": 2, "max": 6}

    file.write_text(SMALL[: SMALL.index("[[policy]]")])
    said = words(stack("plan", file).out)
    assert "- alarm.busy - scaling_policy.out" in said
    assert "2 to remove" in said


OWN = f'{SMALL}\n[network]\nkind = "own"\ncidr = "10.1.0.0/16"\n'
CONTAINERS = SMALL[: SMALL.index("[package]")] + '[containers]\nimage_tag = "1"\n'


@pytest.mark.parametrize(
    ("stands", "wanted", "field"),
    [
        (OWN, OWN.replace("10.1", "10.2"), "network"),
        (OWN, SMALL, "network"),
        (SMALL, f"{SMALL}\n[service]\nport = 9090\n", "service.port"),
        (SMALL, f"{SMALL}\n[balancer]\ninternal = true\n", "balancer.internal"),
        (SMALL, CONTAINERS, "containers"),
    ],
)
def test_what_would_leave_clients_without_an_answer_is_refused(
    stack: Command, file: Path, stands: str, wanted: str, field: str
) -> None:
    file.write_text(stands)
    assert stack("apply", file, "--yes").code == 0
    file.write_text(wanted)
    for verb in ("plan", "apply"):
        said = stack(verb, file)
        assert (said.code, said.out) == (2, "")
        assert f"{field}: cannot be changed while the stack stands" in words(said.err)
    assert stack("destroy", file, "--yes").code == 0
    assert stack("plan", file).code == 0


BARE = 'name = "likes"\nregion = "eu-central-1"\n'


@pytest.mark.parametrize(
    "says", [BARE, SMALL.replace("min = 2", "min = 9"), f'{SMALL}\n[gruop]\nmin = "two"\n']
)
def test_name_and_region_of_a_file_are_enough_to_look_and_to_remove(
    stack: Command, aws: Front, file: Path, says: str
) -> None:
    """Whatever else it lacks or gets wrong, and which plan and apply refuse."""
    leave(aws, "likes", "2999-01-01T00:00:00Z")
    file.write_text(says)
    seen = stack("status", file)
    assert (seen.code, seen.err) == (0, "")
    assert "vpc.main" in seen.out
    assert "run loadcore stack apply first" in words(stack("logs", file).err)
    assert "has no balancer yet" in words(stack("stress", file).err)
    assert "likes until 2999" in words(stack("sweep", file).out)
    for verb in ("plan", "apply"):
        assert stack(verb, file).code == 2
    assert left(aws) == {"likes"}
    gone = stack("destroy", file, "--yes")
    assert (gone.code, gone.err) == (0, "")
    assert left(aws) == set()


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ('name = "likes"\n', "file.toml: region is missing"),
        (BARE.replace("likes", "Likes"), "line 1: name is 'Likes'; take 2 to 16 of"),
        (f'{BARE}account = "999999999999"\n', "account: the credentials are of account 1234567890"),
        ("name = likes\n", "file.toml: is not valid TOML: Invalid value (at line 1, column 8)"),
    ],
)
def test_what_cannot_be_told_of_a_file_is_said(
    stack: Command, aws: Front, tmp_path: Path, says: str, sentence: str
) -> None:
    leave(aws, "likes", "2020-01-01T00:00:00Z")
    path = tmp_path / "file.toml"
    path.write_text(says)
    for verb in ("status", "logs", "destroy", "sweep"):
        said = stack(verb, path)
        assert (said.code, said.out) == (2, "")
        assert sentence in said.err
    assert left(aws) == {"likes"}


def test_status_of_nothing(stack: Command, file: Path) -> None:
    said = stack("status", file)
    assert said.code == 0
    assert "URL: none yet" in said.out


# --- failure and interruption


def test_a_failure_is_one_sentence_and_the_command_goes_on_later(
    stack: Command, aws: Front, file: Path
) -> None:
    aws.inject("denied", "elbv2", "CreateLoadBalancer")
    said = stack("apply", file, "--yes")
    assert said.code == 4
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("loadcore: load_balancer.main: not allowed for these credentials")
    assert "1 failed" in lines[1]
    assert f"loadcore stack apply {file} goes on from there" in lines[1]
    assert "✗ load_balancer.main: failed" in said.out
    assert "· listener.main: needs load_balancer.main" in said.out
    aws.clear_faults()
    assert stack("apply", file, "--yes").code == 0
    assert stack("destroy", file, "--yes").code == 0


# --- sweep


def leave(aws: Front, stack: str, expires: str) -> None:
    """What is left of a stack whose file is lost: one tagged network."""
    tags = {"loadcore:stack": stack, "loadcore:resource": "vpc.main", "loadcore:expires": expires}
    ec2(aws).create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": tag_list(tags)}],
    )


def left(aws: Front) -> set[str]:
    """Stacks of which there still is a network."""
    tagged = [{"Name": "tag-key", "Values": [STACK]}]
    vpcs = ec2(aws).describe_vpcs(Filters=tagged)["Vpcs"]
    return {tag_dict(vpc["Tags"])[STACK] for vpc in vpcs}


def ec2(aws: Front) -> Any:
    return Account("eu-central-1", endpoint_url=aws.url).client("ec2")


def test_sweep_removes_what_has_outlived_its_end(stack: Command, aws: Front, file: Path) -> None:
    leave(aws, "gone", "2020-01-01T00:00:00Z")
    leave(aws, "kept", "2999-01-01T00:00:00Z")
    refused = stack("sweep", "--region", "eu-central-1")
    assert refused.code == 2
    assert "gone until 2020-01-01T00:00:00Z, which is over" in words(refused.out)
    assert "there is no terminal to ask on whether to remove gone" in refused.err
    assert left(aws) == {"gone", "kept"}
    swept = stack("sweep", file, "--yes")
    assert (swept.code, swept.err) == (0, "")
    assert "What is left of gone: nothing." in swept.out
    assert left(aws) == {"kept"}
    again = stack("sweep", "--region", "eu-central-1")
    assert again.code == 0
    assert "kept until 2999" in words(again.out)
    assert "No stack in eu-central-1 has outlived its end." in again.out
    assert "gone" not in again.out, "tags that moto, as AWS for a while, still tells of"


def test_sweep_wants_to_know_where(stack: Command, file: Path) -> None:
    for arguments in ((), (file, "--region", "eu-central-1")):
        said = stack("sweep", *arguments)
        assert said.code == 2
        assert "give either STACK.toml or --region" in said.err


# --- the running service


def test_validate_and_stress_want_a_balancer(stack: Command, file: Path) -> None:
    for verb in ("validate", "stress"):
        said = stack(verb, file)
        assert said.code == 4
        assert "has no balancer yet" in said.err


def test_validate_prints_a_table_and_stress_a_run(stack: Command, file: Path) -> None:
    with lc.serve(port=0) as service:
        said = stack("validate", file, "--url", service.url, "--instances", "1")
        told = json.loads(stack("validate", file, "--url", service.url, "--json").out)
        run = stack("stress", file, "--url", service.url, "-d", "1s", "-r", "50", "--json")
    assert said.code == 0
    assert said.out.count("pass  ") == 12
    assert told["passed"]
    assert run.code == 0
    assert json.loads(run.out)["requests"]["scheduled"] == 50


def test_what_stands_is_found_validated_and_driven_through_its_balancer(
    stack: Command, aws: Front, file: Path
) -> None:
    with balanced(2) as url:
        file.write_text(f"{SMALL}\n[balancer]\nport = {urlsplit(url).port}\n")
        aws.switches.balancers_at = "127.0.0.1"
        assert f"The stack stands: {url}" in stack("apply", file, "--yes").out
        validated = stack("validate", file)
        run = stack("stress", file, "-d", "1s", "-r", "50", "--json")
    assert validated.code == 0
    assert url in validated.out
    assert json.loads(run.out)["requests"]["completed"] == 50


def test_validate_fails_with_3_and_4(stack: Command, file: Path) -> None:
    with lc.serve(port=0) as service:
        url = service.url
        assert stack("validate", file, "--url", f"{url}/elsewhere").code == 0
    said = stack("validate", file, "--url", url, "--wait", "1s")
    assert said.code == 4
    assert "does not answer" in said.err


def test_logs_want_a_log_group(stack: Command, file: Path) -> None:
    said = stack("logs", file)
    assert said.code == 4
    assert "run loadcore stack apply first" in words(said.err)


def test_publish_wants_containers(stack: Command, file: Path) -> None:
    said = stack("publish", file)
    assert said.code == 2
    assert "containers" in said.err


# --- bad input


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (('region = "eu-central-1"\n', ""), ["region is missing"]),
        (
            ("min = 2", "min = 5"),
            ["line 14: group.max is 4, below min, 5"],
        ),
        (
            ('"t3.small"\ndisk_gb = 16', '"t3.small"\ndisk_gb = 1\ntipe = "x"'),
            [
                "line 10: instances.disk_gb must be 2 or more",
                "line 11: instances.tipe is not known",
            ],
        ),
        (
            ('region = "eu-central-1"', 'region = "eu-central-1"\naccount = "999999999999"'),
            ["account: the credentials are of account 123456789012, and the file is for 9"],
        ),
        (("loadcore-0.1.0-cp312", "loadcore-0.2.0-cp312"), ["package.file: ", "does not exist"]),
    ],
)
def test_what_is_wrong_with_the_file_is_said_at_once(
    stack: Command, aws: Front, file: Path, change: tuple[str, str], sentences: list[str]
) -> None:
    file.write_text(SMALL.replace(*change))
    said = stack("apply", file, "--yes")
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    for sentence in sentences:
        assert sentence in said.err
    assert aws.inventory() == {}


def test_a_file_that_is_not_there(stack: Command) -> None:
    said = stack("plan", "nowhere.toml")
    assert said.code == 2
    assert "nowhere.toml: cannot be read" in said.err


@pytest.mark.parametrize("verb", ["plan", "apply", "destroy", "status", "logs", "validate"])
def test_without_credentials_nothing_is_asked(
    stack: Command, file: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = stack(verb, file)
    assert said.code == 4
    assert "no AWS credentials were found; run aws configure" in words(said.err)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredToken", "the AWS credentials have expired; sign in again"),
        ("InvalidClientTokenId", "AWS does not know these credentials"),
    ],
)
def test_credentials_that_do_not_do(
    stack: Command, aws: Front, file: Path, code: str, sentence: str
) -> None:
    aws.inject("error", "sts", "GetCallerIdentity", code=code, message=code, status=403)
    for verb in ("plan", "apply", "destroy", "status"):
        said = stack(verb, file)
        assert said.code == 4
        assert sentence in said.err
        assert len(said.err.splitlines()) == 1


def test_a_profile_that_does_not_exist(stack: Command, file: Path) -> None:
    said = stack("plan", file, "--profile", "holiday")
    assert said.code == 2
    assert "holiday" in said.err


@pytest.mark.parametrize("text", ["4", "h", "4h5", "-1h", "0s", "4 h"])
def test_what_is_no_duration(stack: Command, file: Path, text: str) -> None:
    said = stack("apply", file, f"--expires-in={text}")
    assert said.code == 2
    assert "write it like 90s, 10m, 4h or 1h30m" in said.err


@pytest.mark.parametrize("text", ["3651d", "4000000d", "99999999999999d", f"{'9' * 400}h"])
def test_a_duration_that_no_date_could_take(stack: Command, file: Path, text: str) -> None:
    for verb, option in (("plan", "--expires-in"), ("apply", "--expires-in"), ("logs", "--since")):
        said = stack(verb, file, f"{option}={text}")
        assert said.code == 2
        assert f"'{option}': '{text}' is too long; give 3650d or less" in words(said.err)


def test_the_longest_duration_is_one(stack: Command, file: Path) -> None:
    said = stack("plan", file, "--expires-in", "3650d")
    assert (said.code, said.err) == (0, "")


def test_a_region_that_is_none(stack: Command) -> None:
    said = stack("sweep", "--region", "bogus!!")
    assert said.code == 2
    assert said.err.startswith("loadcore: region: 'bogus!!' is none; give one such as")


def test_a_configuration_that_cannot_be_read(
    stack: Command, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("region = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for verb, arguments in (("plan", [file]), ("sweep", ["--region", "eu-central-1"])):
        said = stack(verb, *arguments)
        assert said.code == 2
        assert said.err.startswith(f"loadcore: {tmp_path / 'config'}: is no AWS configuration")
        assert len(said.err.splitlines()) == 1


# --- as a process, with and without a terminal


def test_without_a_terminal_and_without_yes_nothing_is_changed(aws: Front, file: Path) -> None:
    done = loadcore("stack", "apply", str(file), "--endpoint-url", aws.url, stdin=-3)
    assert done.returncode == 2
    assert "there is no terminal to ask on" in done.stderr
    assert "add --yes" in done.stderr
    assert "to create" in done.stdout
    assert aws.inventory() == {}


def asked(aws: Front, file: Path, *answers: bytes, verb: str = "apply") -> Any:
    with Terminal("stack", verb, str(file), "--endpoint-url", aws.url) as terminal:
        terminal.read_until("Are you sure?")
        for answer in answers:
            terminal.press(answer)
        return terminal.exit_code(), terminal.output


@pytest.mark.parametrize("answer", [b"y\n", b"\x04", b"\x03"])
def test_only_yes_goes_on(aws: Front, file: Path, answer: bytes) -> None:
    code, output = asked(aws, file, answer)
    assert code == 130
    assert "Nothing was changed." in output
    assert aws.inventory() == {}


def test_yes_goes_on_and_ctrl_c_stops_in_order(aws: Front, file: Path) -> None:
    """The group's instances never come to health, so that apply waits for them until it is told to
    stop; the same command goes on, and destroy leaves nothing."""
    aws.inject("throttle", "autoscaling", "CreateAutoScalingGroup")
    with Terminal("stack", "apply", str(file), "--endpoint-url", aws.url) as terminal:
        terminal.read_until("Are you sure?")
        terminal.press(b"yes\n")
        terminal.read_until("launch_template.instances: created", timeout_s=40)
        terminal.read_until("auto_scaling_group.main")
        terminal.press(b"\x03")
        terminal.read_until("Stopping: nothing new begins")
        assert terminal.exit_code() == 130
        assert "goes on from there" in words(terminal.output)
    aws.clear_faults()
    done = loadcore("stack", "destroy", str(file), "--yes", "--endpoint-url", aws.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert aws.inventory() == {}


def test_a_container_service_shows_its_size(stack: Command, aws: Front) -> None:
    path = EXAMPLES / "containers.toml"
    first = stack("apply", path, "--yes")
    assert first.code == 4
    assert "publish" in first.err, "there is no image to run yet"
    push_image(read(path), aws)
    assert stack("apply", path, "--yes").code == 0
    seen = stack("status", path)
    assert "in service of 2 desired, 2 to 6" in seen.out, "how many run, moto does not say"
    assert "container_service.main" in seen.out
