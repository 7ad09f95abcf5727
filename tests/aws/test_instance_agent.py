"""What runs on an instance: its settings, its metadata, readiness and the command itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from imds_server import INSTANCE, ImdsServer, imds_server
from instance_world import Clock
from target import target

import loadcore as lc
from loadcore_aws.instance import ready, settings, units
from loadcore_aws.instance.imds import TOKEN_TTL_S, Imds, Unreachable
from loadcore_aws.instance.settings import DRAIN_UNIT, LOGS_UNIT, SERVICE_UNIT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
STATE = "autoscaling/target-lifecycle-state"
SETTINGS = Settings(stack="demo", region="eu-central-1", group="group", hook="hook", drain_s=60)


@pytest.fixture
def server() -> Iterator[ImdsServer]:
    with imds_server() as running:
        yield running


# --- settings


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "instance.json"
    written = replace(SETTINGS, log_group="/l", hook="down", endpoint_url="http://127.0.0.1:1")
    path.write_text(written.to_json())
    assert settings.load(path) == written
    path.write_text(json.dumps({"stack": "s", "region": "r", "of_a_newer_loadcore": 1}))
    assert settings.load(path) == Settings("s", "r")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the user data of a stack writes this file"),
        ("{", "is no JSON"),
        ("[]", "holds no object"),
        ('{"stack": "s"}', "region: is missing"),
        ('{"stack": "s", "region": "r", "drain_s": "60"}', "drain_s: is '60'"),
        ('{"stack": "s", "region": "r", "port": true}', "port: is True"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "instance.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(lc.PlanError) as caught:
        settings.load(path)
    assert said in str(caught.value)


# --- the metadata service


def test_one_token_serves_many_questions(server: ImdsServer) -> None:
    imds = Imds(server.url)
    assert imds.instance_id() == INSTANCE
    assert imds.get(STATE) == "InService"
    assert imds.get("spot/instance-action") is None
    assert server.asked.count("/latest/api/token") == 1


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused(server: ImdsServer) -> None:
    clock = Clock()
    imds = Imds(server.url, clock=clock)
    imds.get(STATE)
    clock.now_s += TOKEN_TTL_S - 1
    imds.get(STATE)
    assert server.asked.count("/latest/api/token") == 2
    server.tokens.clear()  # the instance was stopped and started
    assert imds.get(STATE) == "InService"
    assert server.asked.count("/latest/api/token") == 3


def test_the_address_may_be_given_as_botocore_takes_it(
    server: ImdsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url + "/")
    assert Imds().instance_id() == INSTANCE


def test_without_an_answer_the_address_is_named(server: ImdsServer) -> None:
    server.broken = True
    with pytest.raises(Unreachable, match=f"at {server.url} does not answer: HTTP Error 500"):
        Imds(server.url).get(STATE)
    server.broken = False
    del server.categories["instance-id"]
    with pytest.raises(Unreachable, match="is this an EC2 instance"):
        Imds(server.url).instance_id()
    server.server_close()
    server.shutdown()
    with pytest.raises(Unreachable, match="does not answer"):
        Imds(server.url).get(STATE)


# --- readiness


def test_a_healthy_service_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with lc.serve(port=0) as service:
        port = int(service.url.rpartition(":")[2])
        ready.wait(port, 0)
    clock = Clock()
    with pytest.raises(lc.RunError, match=r"not healthy after 5 s: http://127.0.0.1:\d+.*refused"):
        ready.wait(port, 5, clock=clock, sleep=clock.sleep)
    assert 1005 <= clock.now_s < 1006


def test_an_unhealthy_service_is_quoted() -> None:
    full = b'{"healthy": false, "reason": "the disk is full"}'
    for body, said in ((full, "says: the disk is full"), (b"busy", "not answer as a likes")):
        head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
        with target(head + body) as unwell:
            assert said in ready.health(urlsplit(unwell.url).port or 0)


# --- the command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadcore_aws.instance", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_unit_files_are_written_where_they_differ(tmp_path: Path) -> None:
    names = ["loadcore-drain.service", "loadcore-likes.service", "loadcore-ship-logs.service"]
    assert command("units", str(tmp_path)).stdout.split() == names
    (tmp_path / names[1]).write_text("[Service]\n")
    assert command("units", str(tmp_path)).stdout.split() == names[1:2]
    assert (tmp_path / names[1]).read_text() == (ROOT / "service" / names[1]).read_text()
    again = command("units", str(tmp_path))
    assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["drain"], 2, "loadcore: settings: SETTINGS: No such file"),
        (["ready", "--timeout", "x"], 2, "'x' is not a valid float"),
        (["ready", "--timeout", "0"], 4, "loadcore: not healthy after 0 s: http://127.0.0.1:1/"),
        (["ship-logs", "--state", "FOLDER"], 2, "loadcore: log_group: is empty"),
        (["units", "/nowhere"], 2, "'/nowhere' does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    path = tmp_path / "settings"
    if arguments != ["drain"]:
        path.write_text(Settings("s", "eu-central-1", port=1).to_json())
    given = [str(tmp_path) if word == "FOLDER" else word for word in arguments]
    done = command("--settings", str(path), *given)
    assert done.returncode == code
    assert said.replace("SETTINGS", str(path)) in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_log_has_the_user_datas_story_whichever_cloud_init_ran_it(
    tmp_path: Path, server: ImdsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journalctl that notes what it is asked for and has nothing to tell."""
    program = tmp_path / "journalctl"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked\n')
    program.chmod(0o755)
    path = tmp_path / "settings"
    path.write_text(Settings("s", "eu-central-1", log_group="/l").to_json())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
    done = command("--settings", str(path), "ship-logs", "--state", str(tmp_path))
    assert (done.returncode, "ended by itself" in done.stderr) == (4, True), done.stderr
    asked = (tmp_path / "asked").read_text().split()
    # What runs user data: its last stage before cloud-init 24.3, one process for all of them since.
    for unit in ("cloud-final.service", "cloud-init-main.service", SERVICE_UNIT, DRAIN_UNIT):
        assert f"--unit={unit}" in asked


def test_the_unit_files_are_sound_and_give_few_rights(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    units.install(tmp_path)
    for name in (settings.DRAIN_UNIT, LOGS_UNIT):
        path = tmp_path / name
        # The program is not there on this machine, which systemd would complain about.
        path.write_text(path.read_text().replace("/opt/loadcore/bin/python", sys.executable))
        verified = subprocess.run(
            [analyze, "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60
        )
        assert [line for line in verified.stderr.splitlines() if path.stem in line] == []
        security = subprocess.run(
            [analyze, "security", "--offline=yes", "--threshold=45", str(path)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert security.returncode == 0, security.stdout[-400:]
