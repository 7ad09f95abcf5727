"""stack publish against moto's server, with container engines that are scripts on PATH: they note
what they are told to do, and fail as told."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from services_world import World, make

import loadcore as lc
from loadcore_aws.stack import publish as publishing
from loadcore_aws.stack.publish import publish
from loadcore_aws.stack.spec import Containers, Package, Stack

if TYPE_CHECKING:
    from aws_front.front import Front

STACK = Stack("demo", "eu-central-1", containers=Containers(image_tag="1.2"))
URI = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/demo-main"

ENGINE = """#!{python}
import hashlib, json, os, sys, time
given = "" if sys.argv[1] != "login" else sys.stdin.read()
with open(os.environ["ENGINE_LOG"], "a") as log:
    log.write(json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], given]) + "\\n")
if os.environ.get("ENGINE_FAILS") == sys.argv[1]:
    print("Cannot connect to the daemon", file=sys.stderr)
    sys.exit(1)
print("layer 1")
if sys.argv[1] == "push":
    import boto3
    config = {{"digest": str(time.time_ns())}}
    manifest = json.dumps({{"schemaVersion": 2, "mediaType": "{type}", "config": config}})
    boto3.client("ecr", "eu-central-1", endpoint_url=os.environ["ENGINE_ECR"]).put_image(
        repositoryName=sys.argv[2].partition("/")[2].partition(":")[0],
        imageTag=sys.argv[2].rpartition(":")[2],
        imageManifest=manifest,
        imageDigest="sha256:" + hashlib.sha256(manifest.encode()).hexdigest(),
    )
"""


class Engines:
    """Scripts named like container engines, the only ones on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, ecr_url: str) -> None:
        self.folder, self.log = folder / "bin", folder / "log"
        self.folder.mkdir()
        self.log.touch()
        monkeypatch.setenv("PATH", str(self.folder))
        monkeypatch.setenv("ENGINE_LOG", str(self.log))
        monkeypatch.setenv("ENGINE_ECR", ecr_url)

    def install(self, name: str, text: str = "") -> None:
        program = self.folder / name
        made = ENGINE.format(
            python=sys.executable, type="application/vnd.docker.distribution.manifest.v2+json"
        )
        program.write_text(text or made)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[list[Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: Front) -> Engines:
    return Engines(tmp_path, monkeypatch, aws.url)


@pytest.fixture
def world(aws: Front) -> World:
    return make(aws)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tree/service").mkdir(parents=True)
    (tmp_path / "tree/service/Dockerfile").touch()
    return tmp_path / "tree"


def test_an_image_is_built_and_pushed_to_the_stacks_repository(
    world: World, aws: Front, engines: Engines, checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engines.install("docker")
    steps: list[str] = []
    done = publish(STACK, world.account, source=checkout, on_step=steps.append)
    assert done.image == f"{URI}:1.2"
    told = [(name, arguments) for name, arguments, _ in engines.calls]
    assert told == [
        ("docker", ["info"]),
        ("docker", ["build", "--platform", "linux/amd64", "--file",
                    f"{checkout}/service/Dockerfile", "--tag", done.image, str(checkout)]),
        ("docker", ["login", "--username", "AWS", "--password-stdin", URI.partition("/")[0]]),
        ("docker", ["push", done.image]),
    ]  # fmt: skip
    # moto's token; it goes in through a pipe and is no argument.
    assert engines.calls[2][2] == "123456789012-auth-token"
    listed = world.client("ecr").describe_images(repositoryName="demo-main")["imageDetails"]
    assert [(each["imageTags"], each["imageDigest"]) for each in listed] == [(["1.2"], done.digest)]
    assert steps == ["building with docker", f"pushing {done.image}"]
    out, err = capfd.readouterr()
    assert (out, err.count("layer 1")) == ("", 3)
    # The repository is as an apply would have made it: an apply keeps it and a destroy finds it.
    assert world.destroy().complete
    assert aws.inventory() == {}


def test_published_again_the_tag_moves(world: World, engines: Engines, checkout: Path) -> None:
    engines.install("docker")
    first = publish(STACK, world.account, source=checkout)
    second = publish(STACK, world.account, source=checkout)
    assert first.digest != second.digest
    (tagged,) = world.client("ecr").describe_images(
        repositoryName="demo-main", imageIds=[{"imageTag": "1.2"}]
    )["imageDetails"]
    assert tagged["imageDigest"] == second.digest


def test_podman_does_as_well(world: World, engines: Engines, checkout: Path) -> None:
    engines.install("podman")
    publish(STACK, world.account, source=checkout)
    assert {name for name, _, _ in engines.calls} == {"podman"}


def test_podman_is_taken_where_docker_has_no_daemon(
    world: World, engines: Engines, checkout: Path
) -> None:
    engines.install("docker", "#!/bin/sh\necho 'ERROR: no daemon' >&2\nexit 1\n")
    engines.install("podman")
    publish(STACK, world.account, source=checkout)
    assert {name for name, _, _ in engines.calls} == {"podman"}


def test_without_an_engine_it_says_so_and_makes_nothing(
    world: World, aws: Front, engines: Engines, checkout: Path
) -> None:
    with pytest.raises(lc.RunError, match="install docker or podman"):
        publish(STACK, world.account, source=checkout)
    assert aws.inventory() == {}


def test_a_daemon_that_is_down_is_said_and_nothing_is_made(
    world: World,
    aws: Front,
    engines: Engines,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines.install("docker")
    monkeypatch.setenv("ENGINE_FAILS", "info")
    with pytest.raises(lc.RunError, match=r"docker: Cannot connect to the daemon.*start it"):
        publish(STACK, world.account, source=checkout)
    assert aws.inventory() == {}


def test_a_daemon_that_hangs_is_not_waited_for(
    world: World, engines: Engines, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines.install("docker", "#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(publishing, "ANSWERS_WITHIN_S", 0.2)
    with pytest.raises(lc.RunError, match="no answer within"):
        publish(STACK, world.account, source=checkout)


def test_an_engine_that_is_no_program_is_said(
    world: World, engines: Engines, checkout: Path
) -> None:
    engines.install("docker", "#!/nowhere/at/all\n")
    with pytest.raises(lc.RunError, match="does not answer"):
        publish(STACK, world.account, source=checkout)


@pytest.mark.parametrize("step", ["build", "login", "push"])
def test_a_step_that_fails_ends_it(
    world: World, engines: Engines, checkout: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    engines.install("docker")
    monkeypatch.setenv("ENGINE_FAILS", step)
    with pytest.raises(lc.RunError, match=f"docker {step} failed with exit code 1"):
        publish(STACK, world.account, source=checkout)
    assert engines.calls[-1][1][0] == step


def test_an_image_that_never_shows_is_told(world: World, engines: Engines, checkout: Path) -> None:
    engines.install("docker", f'#!/bin/sh\n[ -n "$1" ] || exit {os.EX_USAGE}\n')
    with pytest.raises(lc.RunError, match="was pushed and does not show"):
        publish(STACK, world.account, source=checkout)


def test_aws_may_throttle_meanwhile(
    world: World, aws: Front, engines: Engines, checkout: Path
) -> None:
    engines.install("docker")
    for action in ("CreateRepository", "GetAuthorizationToken", "DescribeImages"):
        aws.inject("throttle", "ecr", action, nth=1)
    publish(STACK, world.account, source=checkout)
    assert aws.hits == 3


def test_what_cannot_be_is_refused_first(
    world: World, aws: Front, engines: Engines, tmp_path: Path, checkout: Path
) -> None:
    instances = replace(STACK, containers=None, package=Package("a.whl"))
    with pytest.raises(lc.PlanError, match=r"containers: "):
        publish(instances, world.account, source=checkout)
    with pytest.raises(lc.PlanError, match=r"source: .*checkout"):
        publish(STACK, world.account, source=tmp_path)
    assert engines.calls == []
