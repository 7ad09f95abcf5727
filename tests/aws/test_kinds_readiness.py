"""When a group's instances serve, and what is told where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from group_world import SMALL, World, look_seldom, make, settled

from loadcore_aws.stack.find import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_front.front import Front

    from loadcore_aws.stack.progress import Event, Outcome


@pytest.fixture
def world(aws: Front) -> World:
    return make(aws)


def test_a_group_is_ready_once_the_balancer_calls_all_of_it_healthy(world: World) -> None:
    settled(world, SMALL)
    kind = kind_of(world.one("auto_scaling_group.main"))
    first = world.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"][
        0
    ]["InstanceId"]
    target_group = world.one("target_group.main").id
    world.client("elbv2").deregister_targets(TargetGroupArn=target_group, Targets=[{"Id": first}])
    said = kind.pending(world.account, world.one("auto_scaling_group.main"))
    assert said == f"1 of 2 healthy; {first}: not registered yet"
    world.client("autoscaling").set_instance_health(InstanceId=first, HealthStatus="Unhealthy")
    said = kind.pending(world.account, world.one("auto_scaling_group.main"))
    assert said == "1 of 2 in service"


# The set-up


def instances_of(world: World) -> dict[str, str]:
    """Id → version of the launch template."""
    (group,) = world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return {each["InstanceId"]: each["LaunchTemplate"]["Version"] for each in group["Instances"]}


def play_set_up(world: World, consoles: Callable[[], Mapping[str, str]]) -> None:
    """The balancer calls those instances unhealthy that have something on their console."""

    def unhealthy(parsed: dict[str, Any], **_: Any) -> None:
        said = consoles()
        for each in parsed["TargetHealthDescriptions"]:
            if said.get(each["Target"]["Id"]):
                each["TargetHealth"] = {"State": "unhealthy", "Reason": "Target.Timeout"}

    def says(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Output"] = consoles().get(parsed.get("InstanceId", ""), "")

    balancers, ec2 = world.client("elbv2"), world.client("ec2")
    event = "after-call.elastic-load-balancing-v2.DescribeTargetHealth"
    balancers.meta.events.register_last(event, unhealthy)
    ec2.meta.events.register_last("after-call.ec2.GetConsoleOutput", says)


def nothing_answers(world: World, console: str) -> None:
    play_set_up(world, lambda: dict.fromkeys(instances_of(world), console))


BROKEN = "[ 9.2] cloud-init: loadcore user data: FAILED: the package has another SHA-256\r\nmore"


def why_it_failed(outcome: Outcome) -> str:
    ((address, error),) = outcome.failed
    assert address == "auto_scaling_group.main"
    return str(error)


def test_a_set_up_that_fails_is_told_at_once(world: World) -> None:
    """Its log never left the instance, which the group terminates."""
    nothing_answers(world, BROKEN)
    begin = world.account.time.now()
    said = why_it_failed(world.apply(SMALL))
    assert "could not be set up: the package has another SHA-256; mend that and apply again" in said
    assert "AWS starts others in its place" in said
    assert world.account.time.now() - begin < 60


def test_a_set_up_that_goes_on_is_waited_for_as_long_as_its_grace(world: World) -> None:
    look_seldom(world)
    nothing_answers(world, "[ 9.2] cloud-init: loadcore user data: installing")
    begin = world.account.time.now()
    said = why_it_failed(world.apply(SMALL))
    assert "0 of 2 healthy; i-" in said
    assert "Target.Timeout, and 900 s have passed" in said
    assert world.account.time.now() - begin < 1200


def test_a_service_that_is_healthy_late_is_waited_for(world: World) -> None:
    """User data gives it two minutes, the group's grace five."""
    begin = world.account.time.now()

    def console() -> str:
        since_s = world.account.time.now() - begin
        if since_s >= 150:
            return ""
        late = "NOT YET: not healthy after 120 s: it reads its log\r\n"
        return f"loadcore user data: {late if since_s >= 120 else 'stack demo'}"

    play_set_up(world, lambda: dict.fromkeys(instances_of(world), console()))
    told: list[Event] = []
    assert world.apply(SMALL, told.append).complete
    late = [event.detail for event in told if "reads its log" in event.detail]
    assert late
    assert all(detail.startswith("0 of 2 healthy; i-") for detail in late)
    assert all(": not healthy after 120 s: it reads its log" in detail for detail in late)


def test_a_type_without_the_newest_console_is_asked_for_the_older_one(
    world: World, aws: Front
) -> None:
    nothing_answers(world, BROKEN)
    aws.inject("error", "ec2", "GetConsoleOutput", nth=1, code="UnsupportedOperation")
    assert "another SHA-256" in why_it_failed(world.apply(SMALL))
    latest = [call.parameters.get("Latest") for call in aws.calls
              if call.action == "GetConsoleOutput"]  # fmt: skip
    assert latest == ["true", None]


# Once more


def versions_fail(world: World, *broken: str) -> None:
    def consoles() -> dict[str, str]:
        return {
            instance: f"loadcore user data: FAILED: bad wheel of version {version}\n"
            for instance, version in instances_of(world).items()
            if version in broken
        }

    play_set_up(world, consoles)


def slowly(world: World, aws: Front) -> None:
    """A refresh replaces an instance in five minutes: many looks."""
    aws.switches.clock = world.account.time.now
    aws.switches.refresh_polls = 2
    aws.switches.refresh_batch_s = 300


def test_what_never_was_set_up_is_mended_by_the_next_version(world: World, aws: Front) -> None:
    versions_fail(world, "1", "2")
    assert "bad wheel of version 1" in why_it_failed(world.apply(SMALL))
    slowly(world, aws)
    world.release("as bad")
    said = why_it_failed(world.apply(SMALL))
    assert "bad wheel of version 2; mend that and apply again (AWS tries the new version" in said
    assert "the old version runs on" not in said
    world.release("mended")
    settled(world, SMALL)
    assert set(instances_of(world).values()) == {"3"}


def test_a_bad_version_is_told_while_the_old_one_runs_and_mended_by_the_next_one(
    world: World, aws: Front
) -> None:
    """Its instances stay until they are replaced, and so does what they said."""
    settled(world, SMALL)
    versions_fail(world, "2")
    slowly(world, aws)
    world.release("broken")
    begin = world.account.time.now()
    said = why_it_failed(world.apply(SMALL))
    assert "bad wheel of version 2; mend that and apply again (the old version runs on" in said
    assert world.account.time.now() - begin < 300 + 60
    world.release("mended")
    settled(world, SMALL)
    assert set(instances_of(world).values()) == {"3"}


def test_the_same_command_again_is_another_try(world: World) -> None:
    """Where the cause was outside of the stack, what the health check replaces comes up well, and
    what it replaces once more in vain is told."""
    bad: set[str] = set()
    play_set_up(world, lambda: dict.fromkeys(bad & set(instances_of(world)), BROKEN))
    scaling = world.client("autoscaling")
    mended = False
    told: list[str] = []

    def replace_all(event: Event) -> None:
        if "from before" not in event.detail:
            return
        told.append(event.detail)
        for instance in instances_of(world):
            scaling.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=False
            )
        if not mended:
            bad.update(instances_of(world))

    settled(world, SMALL)
    bad.update(instances_of(world))
    said = why_it_failed(world.apply(SMALL, replace_all))
    assert "could not be set up: the package has another SHA-256; mend that" in said
    (first,) = told
    assert first.endswith(", from before, could not be set up: the package has another SHA-256")
    mended = True
    assert world.apply(SMALL, replace_all).complete
    assert len(told) == 2
