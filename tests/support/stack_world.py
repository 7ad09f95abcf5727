"""Stacks for tests: the sample files with a package that exists, an account behind a front, and
time that passes when it is slept."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_front import inventory

from loadcore_aws import stack
from loadcore_aws.stack.account import Time
from loadcore_aws.stack.names import RESOURCE

if TYPE_CHECKING:
    from aws_front.front import Front

EXAMPLES = Path(__file__).parents[2] / "orchestration/examples"

MANIFEST = """{"schemaVersion": 2,
 "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
 "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 7,
            "digest": "sha256:%s"}, "layers": []}"""
SHUT_ITSELF_DOWN = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
MOTO_IMAGE_GB = 15  # what moto says of every image; those of Amazon Linux need 8


class Clock:
    """Real time and what was slept: nothing is waited for, and whatever polls comes to its end.
    What happens in AWS meanwhile, `meanwhile` does."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self._slept_s = 0.0
        self._lock = threading.Lock()
        self.time = Time(now=self.now, sleep=self.sleep, jitter=lambda: 0.5)

    def now(self) -> float:
        return self._slept_s + time.monotonic()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._slept_s += seconds
            self._meanwhile()


def account(front: Front, region: str) -> stack.Account:
    """A new command's, in which nobody waits. Clients take longer to make than to use, so commands
    share them."""
    clock = Clock(lambda: template_instances_finish(front, region))
    clients = _clients.setdefault((front.url, region), {})
    return stack.Account(region, endpoint_url=front.url, time=clock.time, clients=clients)


_clients: dict[tuple[str, str], dict[str, Any]] = {}


def template_instances_finish(front: Front, region: str) -> None:
    """A template instance shuts down once it is set up; moto's never run anything."""
    ec2 = inventory.client(front.moto_url, "ec2", region)
    running = [
        {"Name": f"tag:{RESOURCE}", "Values": ["image.*"]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    for reservation in ec2.describe_instances(Filters=running)["Reservations"]:
        for each in reservation["Instances"]:
            front.ended_by(each["InstanceId"], SHUT_ITSELF_DOWN)
            ec2.stop_instances(InstanceIds=[each["InstanceId"]])


def publish(wanted: stack.Stack, front: Front) -> None:
    """Puts an image where `loadcore stack publish` would, if its repository is there."""
    if wanted.containers is None:
        return
    tag = wanted.containers.image_tag
    manifest = MANIFEST % hashlib.sha256(tag.encode()).hexdigest()
    ecr = inventory.client(front.moto_url, "ecr", wanted.region)
    for repository in ecr.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        images = ecr.list_images(repositoryName=name)["imageIds"]
        if tag not in {image["imageTag"] for image in images}:
            ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag=tag)


def sample(name: str, folder: Path) -> stack.Stack:
    """Of orchestration/examples, with a package in `folder`. What it holds matters to instances
    only, and moto starts none."""
    read = stack.read(EXAMPLES / f"{name}.toml")
    named = read.package
    if named is None:
        return read
    disk_gb = max(read.instances.disk_gb, MOTO_IMAGE_GB)
    read = replace(read, instances=replace(read.instances, disk_gb=disk_gb))
    if read.database is not None:
        # A final snapshot is meant to stay, and would be counted as left.
        read = replace(read, database=replace(read.database, snapshot_at_end=False))
    package = folder / Path(named.file).name
    package.write_bytes(b"a wheel")
    if not named.wheels:
        return replace(read, package=stack.Package(str(package)))
    wheels = folder / "wheels"
    wheels.mkdir(exist_ok=True)
    (wheels / "click-8.1.0-py3-none-any.whl").write_bytes(b"another wheel")
    return replace(read, package=stack.Package(str(package), str(wheels)))
