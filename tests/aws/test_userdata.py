"""The user data as text, and its parts run by the shell; tests/integration/test_user_data_root.py
runs all of it on a machine of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from imds_server import ROLE, categories, imds_server
from target import target

import loadcore as lc
from loadcore_aws.autoscaling.spec import Group
from loadcore_aws.stack.userdata import (
    ENVIRONMENT,
    Artifact,
    InstancePlan,
    environment_file,
    key_part,
    render,
    service_drop_in,
)

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = "loadcore-0.1.0-cp311-cp311-linux_x86_64.whl"
PACKAGE = Artifact(f"packages/0123/{WHEEL}", "a" * 64)
PLAN = InstancePlan("demo", "eu-central-1", "packages", PACKAGE)
RPM = replace(PLAN, package=Artifact("packages/loadcore-0.1.0-1.x86_64.rpm", "b" * 64))


def parts(plan: InstancePlan, calls: str) -> subprocess.CompletedProcess[str]:
    """The script's own functions, then `calls` instead of its last line."""
    script = render(plan)
    body, _, last = script.rstrip("\n").rpartition("\n")
    assert last.startswith("main ")
    return subprocess.run(
        ["bash", "-c", f"{body}\n{calls}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


# --- what it is made of


def test_it_is_a_shell_script_without_faults_that_fits() -> None:
    wheels = tuple(
        Artifact(f"packages/{n:064}/some-1.0-py3-none-any.whl", "c" * 64) for n in range(12)
    )
    script = render(replace(PLAN, wheels=wheels, log_group="/l", group="g", hook="h"))
    assert script.startswith("#!/bin/bash\n")
    assert len(script.encode()) <= 16_384
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_boot_ends_within_the_grace_that_a_group_gives_unless_told_otherwise() -> None:
    """The group's clock runs from InService on, when nothing has booted yet."""
    assert "\nREADY_S=120\n" in render(PLAN)
    assert PLAN.ready_s + 120 <= Group().health_check_grace_s, "as long again for all the rest"


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("C", "Z")))


@settings(max_examples=25, deadline=None)
@given(TEXT, TEXT, st.lists(TEXT, max_size=2))
def test_texts_come_out_of_the_shell_as_they_went_in(
    migration: str, value: str, lines: list[str]
) -> None:
    plan = replace(PLAN, migration=f"{migration}\n'", environment={"V": value}, shell=tuple(lines))
    calls = """service_environment; printf '%s\\0' "$MIGRATION" "$V" "$OWN_LINES" "$PYTHON" """
    expected = [f"{migration}\n'", value, "\n".join(lines), "python3.11", ""]
    assert parts(plan, calls).stdout.split("\0") == expected


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (PLAN, "serve --host 0.0.0.0 --port 8080 --admin-host 127.0.0.1 --admin-port 8081 "
               "--log events --durability fsync --data ${STATE_DIRECTORY}"),
        (replace(PLAN, port=9, admin_host="0.0.0.0", threads=3, durability="memory"),
         "serve --host 0.0.0.0 --port 9 --admin-host 0.0.0.0 --admin-port 8081 "
         "--log events --threads 3 --durability memory"),
        (replace(PLAN, durability="os", arguments=("a b", 'c"d', "100%", "$HOME", "e\\f", "")),
         "--durability os --data ${STATE_DIRECTORY} "
         '"a b" "c\\"d" 100%% $$HOME "e\\\\f" ""'),
    ],
)  # fmt: skip
def test_the_service_starts_as_the_plan_says(plan: InstancePlan, line: str) -> None:
    starts = [each for each in service_drop_in(plan).splitlines() if each.startswith("ExecStart=")]
    assert starts[0] == "ExecStart=", "what the unit says is replaced, not added to"
    assert starts[1].startswith("ExecStart=/opt/loadcore/bin/loadcore serve ")
    assert starts[1].endswith(line)


def test_a_low_port_needs_a_right() -> None:
    assert "CAP_NET_BIND_SERVICE" not in service_drop_in(PLAN)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in service_drop_in(replace(PLAN, port=80))


def test_everything_wrong_with_a_plan_is_told_at_once() -> None:
    plan = replace(
        PLAN,
        package=Artifact("a b.txt", "12"),
        wheels=(Artifact("ok-1-py3-none-any.whl", "x"),),
        settle_s=60,
        environment={"1A": "x", "B": "two\nlines"},
        arguments=("a\0b",),
        hook="h",
    )
    with pytest.raises(lc.PlanError) as caught:
        render(plan)
    for said in (
        "package.key is 'a b.txt'; take letters",
        "ends in the name of a .whl or .rpm",
        "package.sha256 must be 64",
        "wheels[1].sha256",
        "settle_s must be from 0 to below drain_s",
        "environment.1A is no name",
        "environment.B must be one printable line",
        "arguments[1] must be one printable line",
        "group is missing; a lifecycle hook belongs to one",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    "plan",
    [
        replace(PLAN, package=replace(PACKAGE, key="loadcore-0.1.0-py3-none-any.whl")),
        replace(RPM, wheels=(PACKAGE,)),
    ],
)
def test_packages_that_cannot_be_installed(plan: InstancePlan) -> None:
    with pytest.raises(lc.PlanError, match=r"names no wheel of CPython 3|belong to a wheel"):
        render(plan)


# --- what its parts do


def test_a_step_is_tried_a_bounded_number_of_times() -> None:
    done = parts(PLAN, 'sleep() { echo "pause $1"; }; retry "the step" false; echo never')
    assert done.returncode == 1
    pauses = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("pause")]
    assert pauses == [1, 2, 4, 8, 16]
    assert done.stdout.endswith("FAILED: the step: 6 attempts failed, the last as said above\n")
    done = parts(PLAN, "sleep() { :; }; n=0; third() { ((++n == 3)); }; retry x third; echo $n")
    assert done.stdout.splitlines()[-1] == "3"


# A distribution as the script sees it: which programs there are, and what is run.
CURL = "curl() { echo 'curl 8.5.0 (x86_64-redhat-linux-gnu) libcurl/8.5.0'; }; "
AMAZON = CURL + 'dnf() { echo "dnf $*"; }; command() { [ "$2" = dnf ] || [ "$2" = curl ]; }; '
DEBIAN = CURL + 'apt-get() { echo "$*" >&2; }; command() { [ "$2" = apt-get ]; }; '
NO_PYTHON = "has_python() { false; }; "


@pytest.mark.parametrize(
    ("plan", "machine", "said"),
    [
        (PLAN, AMAZON + NO_PYTHON, "dnf install -y -q python3.11\n"),
        (PLAN, AMAZON + "has_python() { true; }; ", ""),
        (PLAN, DEBIAN + NO_PYTHON, "--no-install-recommends curl ca-certificates python3.11 "
                                   "python3.11-venv\n"),
        (RPM, AMAZON + NO_PYTHON, ""),
        (PLAN, "command() { false; }; sleep() { :; }; " + NO_PYTHON,
         "FAILED: this image has neither dnf nor apt-get; take Amazon Linux 2023, Debian or "
         "Ubuntu\n"),
    ],
)  # fmt: skip
def test_only_what_is_missing_is_installed(plan: InstancePlan, machine: str, said: str) -> None:
    done = parts(plan, f"{machine}install_system")
    assert done.stdout.endswith(said)
    assert bool(done.stdout) == bool(said)


@pytest.mark.parametrize(
    ("version", "good"), [("7.81.0", False), ("7.88.1", True), ("8.17.0", True), ("10.0.0", True)]
)
def test_a_curl_that_cannot_sign_is_refused(version: str, good: bool) -> None:
    machine = AMAZON.replace("curl 8.5.0", f"curl {version}") + "has_python() { true; }; "
    done = parts(PLAN, f"{machine}install_system")
    assert (done.returncode == 0) == good
    assert ("FAILED: curl is older than 7.87" in done.stdout) == (not good)


def test_an_rpm_goes_through_dnf(tmp_path: Path) -> None:
    around = (
        f"mktemp() {{ echo {tmp_path}; }}; STATE_DIR={tmp_path}; HOME_DIR=/nowhere; "
        "read_credentials() { :; }; fetch() { :; }; "
    )
    done = parts(RPM, f"{AMAZON}{around}install_package")
    assert done.stdout.startswith(f"dnf install -y -q {tmp_path}/loadcore-0.1.0-1.x86_64.rpm\n")


def test_an_rpm_is_refused_at_once_where_there_is_no_dnf() -> None:
    done = parts(RPM, f"{DEBIAN}install_system; echo never")
    assert done.returncode == 1
    assert done.stdout == (
        "loadcore user data: FAILED: an RPM needs Amazon Linux 2023, and this image has no dnf; "
        "upload a wheel\n"
    )


def test_a_file_is_written_only_where_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "deep/file"
    text = "two lines\nand no end"
    put = f"put {path} 0640 '{text}'; echo \"[$CHANGED]\""
    assert parts(PLAN, put).stdout == f"[ {path}]\n"
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o640
    assert parts(PLAN, put).stdout == "[]\n"
    path.write_text(text + "\n")
    assert parts(PLAN, put).stdout == f"[ {path}]\n"


def test_the_migration_runs_once_with_the_services_environment(tmp_path: Path) -> None:
    plan = replace(PLAN, migration=f"echo $A >>{tmp_path}/ran", environment={"A": "b"})
    run = f"STATE_DIR={tmp_path}; migrate; migrate"
    assert parts(plan, run).returncode == 0
    assert (tmp_path / "ran").read_text() == "b\n"
    failing = parts(replace(plan, migration="exit 7"), run)
    assert failing.stdout.endswith("FAILED: the migration ended with exit code 7\n")


@pytest.mark.parametrize(
    ("code", "told", "said"),
    [
        (0, "", "goes on"),
        (4, "a\nloadcore: not healthy after 120 s: no", "NOT YET: not healthy after 120 s: no"),
        (2, "loadcore: port must be a number", "FAILED: port must be a number"),
    ],
)
def test_a_service_that_takes_its_time_has_not_failed(
    tmp_path: Path, code: int, told: str, said: str
) -> None:
    """As `loadcore_aws.instance ready` ends."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n[ \"$*\" = '-m loadcore_aws.instance ready --timeout 120' ] || "
                      f"exit 9\necho '{told}' >&2\nexit {code}\n")  # fmt: skip
    python.chmod(0o755)
    done = parts(PLAN, f"HOME_DIR={tmp_path}; wait_until_healthy; say 'goes on'")
    assert done.stdout == f"loadcore user data: {said}\n"
    assert done.returncode == (1 if code else 0)


def test_only_root_reads_the_services_environment(tmp_path: Path) -> None:
    plan = replace(PLAN, environment={"TOKEN": "it's a secret"})
    drop_in = service_drop_in(plan)
    assert f"\nEnvironmentFile={ENVIRONMENT}\n" in drop_in
    assert "TOKEN" not in drop_in, "any user may read what a unit file says"
    assert "Environment" not in service_drop_in(PLAN)
    watching = (
        f'chmod() {{ stat -c "%a $2" "$2"; command chmod "$@"; }}; mkdir() {{ :; }}; cd {tmp_path}'
    )
    wrote = parts(
        plan, f"{watching}; put file 0600 secret; put open 0644 text; stat -c %a file open"
    )
    assert wrote.stdout == "600 file.new\n600 open.new\n600\n644\n", "at no time anybody else"


@given(TEXT)
@settings(max_examples=25, deadline=None)
def test_a_shell_reads_of_the_environments_file_what_went_in(value: str) -> None:
    """As systemd does, whose rules for such files are a shell's."""
    file = environment_file(replace(PLAN, environment={"B": "", "A": value}))
    done = subprocess.run(
        ["bash", "-c", f'{file}printf "%s|%s" "$A" "$B"'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"{value}|", "")
    assert file.index("A=") < file.index("B="), "in order, so that the same makes the same script"


def test_a_local_version_keeps_its_name_though_no_key_has_a_plus(tmp_path: Path) -> None:
    name = "loadcore-0.1.0+g12ab-cp311-cp311-linux_x86_64.whl"
    package = Artifact(f"packages/main/0123/{key_part(name)}", hashlib.sha256(b"it").hexdigest())
    assert "+" not in package.key
    plan = replace(PLAN, package=package)
    assert f"\nPACKAGE_FILE={name}\n" in render(plan)
    calls = f'download() {{ printf it >"$2"; }}; fetch $PACKAGE_KEY $PACKAGE_SHA256 {tmp_path}'
    assert parts(plan, calls).stdout == ""
    assert (tmp_path / name).read_text() == "it"


def test_an_object_has_its_documented_address() -> None:
    calls = 'metadata() { echo amazonaws.com.cn; }; object_url "a/b"'
    assert parts(PLAN, calls).stdout == "https://packages.s3.eu-central-1.amazonaws.com.cn/a/b\n"
    local = replace(PLAN, endpoint_url="http://127.0.0.1:5000/")
    assert parts(local, calls).stdout == "http://127.0.0.1:5000/packages/a/b\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_package_is_asked_for_with_the_roles_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature is the one that botocore would have made."""
    key = "packages/main/01-_.~/" + key_part("a-1+b-py3-none-any.whl")
    file = tmp_path / "file"
    with imds_server() as imds, target() as s3:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url)
        plan = replace(PLAN, endpoint_url=s3.url)
        done = parts(plan, f"read_credentials && download {key} {file}")
    assert (done.returncode, done.stdout) == (0, "")
    assert file.read_text() == "ok"
    first, *lines = s3.requests[0].decode().rstrip().split("\r\n")
    assert first.split()[:2] == ["GET", f"/packages/{key}"]
    headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
    told = dict(
        part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(",")
    )
    signed = told["SignedHeaders"].split(";")
    assert {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= set(signed)
    role = json.loads(categories()[f"iam/security-credentials/{ROLE}"])
    credentials = Credentials(role["AccessKeyId"], role["SecretAccessKey"], role["Token"])
    assert told["Credential"].startswith(role["AccessKeyId"] + "/")
    signer = S3SigV4Auth(credentials, "s3", "eu-central-1")
    request = AWSRequest("GET", f"{s3.url}packages/{key}")
    for name in signed:
        request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(to_sign, request) == told["Signature"]
