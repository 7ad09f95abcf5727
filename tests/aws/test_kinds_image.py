"""The baked image: made once of a template instance that goes, whatever is cut off."""

from __future__ import annotations

import base64
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from instances_world import PROFILE, STACK, prepared, template, template_data
from services_world import World
from stack_world import SHUT_ITSELF_DOWN

from loadcore_aws.stack import converge
from loadcore_aws.stack.kinds import image as image_kind
from loadcore_aws.stack.resource import Resource
from loadcore_aws.stack.spec import (
    Instances,
    Service,
    Stack,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_front.front import Front


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    return prepared(aws, tmp_path)


BAKED = replace(STACK, instances=Instances(bake=True, migration="echo once"))


def baked(world: World, stack: Stack = BAKED) -> list[Resource]:
    """Image and template alone, with all that they refer to standing ready."""
    iam = world.client("iam")
    if not iam.list_instance_profiles()["InstanceProfiles"]:
        iam.create_instance_profile(InstanceProfileName=PROFILE)
    return template(world, stack)


def play_machine(
    world: World, aws: Front, says: str = "", by: str = SHUT_ITSELF_DOWN
) -> list[bytes]:
    """Whenever somebody sleeps, a template instance stops, as its script would have it do, or says
    something on its console. The answer is the user data of each that stopped."""
    ec2, time, stopped = world.client("ec2"), world.account.time, list[bytes]()

    def stop(number: str) -> None:
        data = ec2.describe_instance_attribute(InstanceId=number, Attribute="userData")
        stopped.append(base64.b64decode(data["UserData"]["Value"]))
        aws.ended_by(number, by)
        ec2.stop_instances(InstanceIds=[number])

    def console(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Output"] = says

    if says:
        ec2.meta.events.register_last("after-call.ec2.GetConsoleOutput", console)
    else:
        world.account.time = replace(time, sleep=meanwhile(world, stop))
    return stopped


def meanwhile(world: World, happens: Callable[[str], None]) -> Callable[[float], None]:
    """Sleep in which something happens to each instance that runs."""
    ec2, time = world.client("ec2"), world.account.time
    running = [{"Name": "instance-state-name", "Values": ["running"]}]

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        for reservation in ec2.describe_instances(Filters=running)["Reservations"]:
            for instance in reservation["Instances"]:
                happens(instance["InstanceId"])

    return sleep


def count(aws: Front) -> dict[str, int]:
    """Of what an image is made of."""
    kinds = ("ec2.image", "ec2.instance", "ec2.snapshot", "ec2.volume")
    return {kind: len(found) for kind, found in aws.inventory().items() if kind in kinds}


def test_an_image_is_baked_of_a_template_instance_that_goes(world: World, aws: Front) -> None:
    stopped = play_machine(world, aws)
    world.settle(baked(world))
    (data,) = stopped
    script = data.decode()
    assert "MIGRATION='echo once'" in script
    assert script.endswith(image_kind.STOP)
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}
    (made,) = world.client("ec2").describe_images(Owners=["self"])["Images"]
    assert template_data(world)["ImageId"] == made["ImageId"]
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags["loadcore:resource"] == "image.baked"
    assert world.destroy().left == ()
    assert count(aws) == {}


def test_it_is_baked_again_only_when_something_in_it_changed(world: World, aws: Front) -> None:
    stopped = play_machine(world, aws)
    world.settle(baked(world))
    first = world.one("image.baked")
    bigger = replace(BAKED, instances=replace(BAKED.instances, type="t3.large"))
    world.settle(baked(world, bigger))
    assert world.one("image.baked").id == first.id
    assert len(stopped) == 1

    other = replace(bigger, service=Service(threads=2))
    assert world.changes(baked(world, other))["image.baked"] == ("replace", {"digest"})
    world.settle(baked(world, other))
    assert world.one("image.baked").id != first.id
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}


@pytest.mark.parametrize("word", ["FAILED", "NOT YET"])
def test_a_template_instance_that_fails_says_why_and_goes(
    world: World, aws: Front, word: str
) -> None:
    play_machine(world, aws, says=f"[ 7.1] cloud-init: loadcore user data: {word}: no room\r\nmore")
    outcome = world.apply(baked(world))
    ((address, error),) = outcome.failed
    assert address == "image.baked"
    assert "could not be set up and is being terminated: no room; mend that" in str(error)
    assert count(aws) == {}


USER = "Client.UserInitiatedShutdown: User initiated shutdown"


@pytest.mark.parametrize("by", [USER, "Server.ScheduledStop: Stopped due to scheduled retirement"])
def test_a_template_instance_that_others_stop_is_no_image(
    world: World, aws: Front, by: str
) -> None:
    """How far its set-up got, nobody knows."""
    time = world.account.time
    play_machine(world, aws, by=by)
    ((address, error),) = world.apply(baked(world)).failed
    assert address == "image.baked"
    assert f"did not stop by itself ({by}), so its disk may be half made" in str(error)
    assert count(aws) == {}
    assert not any(call.action == "CreateImage" for call in aws.calls)

    world.account.time = time
    play_machine(world, aws)
    world.settle(baked(world))


LAUNCH_ENDS = {
    "Client.VolumeLimitExceeded: Volume limit exceeded": "raise the quotas of EBS storage",
    "Client.InternalError: Client error on launch": "use the KMS key that EBS encrypts disks with",
    "Server.InternalError: Internal error on launch": "mend that and repeat the command",
}


@pytest.mark.parametrize(("reason", "remedy"), LAUNCH_ENDS.items(), ids=lambda text: text[:12])
def test_a_launch_that_fails_says_why_and_the_next_apply_begins_anew(
    world: World, aws: Front, reason: str, remedy: str
) -> None:
    """EC2 takes the call, and terminates what it started within seconds."""
    ec2, time = world.client("ec2"), world.account.time

    def fail(number: str) -> None:
        aws.ended_by(number, reason)
        ec2.terminate_instances(InstanceIds=[number])

    world.account.time = replace(time, sleep=meanwhile(world, fail))
    ((address, error),) = world.apply(baked(world)).failed
    assert address == "image.baked"
    assert f"was terminated ({reason}); " in str(error)
    assert remedy in str(error)
    assert sum(call.action == "RunInstances" for call in aws.calls) == 1
    assert world.found() == [], "it is listed for an hour, and stands for nothing"
    assert world.destroy().left == ()

    world.account.time = time
    play_machine(world, aws)
    world.settle(baked(world))
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}


def test_the_migration_is_the_template_instances_alone_and_makes_another_image(
    world: World, aws: Front
) -> None:
    play_machine(world, aws)
    world.settle(baked(world))
    clones = base64.b64decode(template_data(world)["UserData"]).decode()
    assert "MIGRATION=''" in clones
    other = replace(BAKED, instances=replace(BAKED.instances, migration="echo twice"))
    assert world.changes(baked(world, other))["image.baked"] == ("replace", {"digest"})


PLAYED = """
die() { echo "FAILED: $*"; exit 1; }
truncate() { :; }
sync() { :; }
systemctl() { echo "systemctl $*"; }
shutdown() { echo "shutdown $*"; }
journalctl() { echo "journalctl $* with $(ls @/var/log/journal | wc -l)"; }
"""


def test_nothing_that_the_template_instance_logged_is_shipped_by_its_clones(tmp_path: Path) -> None:
    """Its services keep their state behind links, as systemd makes them for a DynamicUser."""
    for name in ("loadcore-likes", "loadcore-ship-logs"):
        (tmp_path / "var/lib/private" / name).mkdir(parents=True)
        (tmp_path / "var/lib" / name).symlink_to(f"private/{name}")
        (tmp_path / "var/lib" / name / "kept").touch()
    (tmp_path / "var/log/journal/0123").mkdir(parents=True)
    (tmp_path / "var/log/journal/0123/system.journal").touch()
    script = PLAYED.replace("@", str(tmp_path)) + image_kind.STOP.replace(
        "/var/", f"{tmp_path}/var/"
    )
    ran = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, timeout=20)
    assert ran.stdout.splitlines() == [
        "systemctl stop loadcore-drain.service loadcore-ship-logs.service loadcore-likes.service",
        "journalctl --relinquish-var with 1",
        "shutdown -h now",
    ]
    assert ran.stderr == ""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert (tmp_path / "var/log/journal").is_dir(), "without it the clones' would not persist"
    assert (tmp_path / "var/lib/private/loadcore-ship-logs").is_dir()


def test_a_template_instance_that_never_ends_is_told_and_kept(
    world: World, aws: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next apply goes on waiting for the same one."""
    monkeypatch.setattr(image_kind.Image, "ready_within_s", 60.0)
    ((_, error),) = world.apply(baked(world)).failed
    assert "image.baked is not ready: the template instance sets itself up" in str(error)
    play_machine(world, aws)
    world.settle(baked(world))
    assert sum(call.action == "RunInstances" for call in aws.calls) == 1


@pytest.mark.parametrize("action", ["RunInstances", "CreateImage", "TerminateInstances"])
def test_baking_goes_on_where_an_answer_was_lost(world: World, aws: Front, action: str) -> None:
    play_machine(world, aws)
    aws.inject("timeout_after_success", "ec2", action, nth=1)
    world.settle(baked(world))
    assert aws.hits == 1
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}


def test_snapshots_of_a_removal_that_was_cut_off_are_found(world: World, aws: Front) -> None:
    play_machine(world, aws)
    world.settle(baked(world))
    (made,) = world.client("ec2").describe_images(Owners=["self"])["Images"]
    world.client("ec2").deregister_image(ImageId=made["ImageId"])
    assert world.changes(baked(world))["image.baked"] == ("update", {"next_step"})
    world.settle(baked(world))
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}
    (made,) = world.client("ec2").describe_images(Owners=["self"])["Images"]
    world.client("ec2").deregister_image(ImageId=made["ImageId"])
    assert world.destroy().left == ()
    assert count(aws) == {}


def names(world: World) -> set[str]:
    """Of the image and its snapshots, as the console shows them."""
    ec2 = world.client("ec2")
    parts = ec2.describe_images(Owners=["self"])["Images"]
    owned = [{"Name": "tag:loadcore:stack", "Values": ["demo"]}]
    parts += ec2.describe_snapshots(OwnerIds=["self"], Filters=owned)["Snapshots"]
    return {tag["Value"] for part in parts for tag in part["Tags"] if tag["Key"] == "Name"}


def test_a_name_of_the_users_own_is_shown_and_keeps_nothing_from_being_found(
    world: World, aws: Front
) -> None:
    """Two versions stand side by side for a while, and are two all the same."""
    play_machine(world, aws)
    world.tags["Name"] = "shop"
    world.settle(baked(world))
    assert names(world) == {"shop"}
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}
    assert all(call.action != "CreateTags" for call in aws.calls), "named as it was made"
    first = world.one("image.baked")
    world.settle(baked(world, replace(BAKED, service=Service(threads=2))))
    assert world.one("image.baked").id != first.id
    assert count(aws) == {"ec2.image": 1, "ec2.snapshot": 1}
    assert world.destroy().left == ()
    assert count(aws) == {}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look is three calls, and there is one a second."""
    monkeypatch.setattr(converge, "VISIBLE_WITHIN_S", 6.0)
    monkeypatch.setattr(converge, "VISIBLE_AFTER_UNKNOWN_S", 3.0)
    monkeypatch.setattr(converge, "SHOWS_WITHIN_S", 20.0)


@pytest.mark.usefixtures("soon")
def test_a_template_instance_that_comes_and_goes_is_told(world: World, aws: Front) -> None:
    """As one does whose disk EC2 cannot encrypt; another try with the same token is answered with
    the one that is gone."""

    def hide(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Reservations"] = []

    world.client("ec2").meta.events.register_last("after-call.ec2.DescribeInstances", hide)
    begin = world.account.time.now()
    ((address, error),) = world.apply(baked(world)).failed
    assert address == "image.baked"
    told, _, rest = str(error).partition(" s ago ")
    assert re.fullmatch(r"image\.baked: it was asked for \d+", told)
    assert rest == "and AWS does not show it; look for it in the console, and repeat the command"
    assert 20 <= world.account.time.now() - begin < 60
    assert 1 < sum(call.action == "RunInstances" for call in aws.calls) < 10


@pytest.mark.usefixtures("soon")
def test_a_template_instance_that_is_never_answered_for_is_told(world: World, aws: Front) -> None:
    aws.inject("error", "ec2", "RunInstances", times=100, code="InternalError", status=500)
    begin = world.account.time.now()
    ((_, error),) = world.apply(baked(world)).failed
    assert "image.baked: it was asked for" in str(error)
    assert 20 <= world.account.time.now() - begin < 60
    aws.clear_faults()
    play_machine(world, aws)
    world.settle(baked(world))
