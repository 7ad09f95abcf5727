"""When a group's instances serve, and what is told where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from group_world import SMALL, World, look_seldom, make, settled

from loadcore_aws.stack.find import kind_of

if TYPE_CHECKING:
    from aws_front.front import Front

    from loadcore_aws.stack.progress import Outcome


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


def nothing_answers(world: World, console: str) -> None:
    """The balancer calls no instance healthy, and each has said this on its console."""

    def unhealthy(parsed: dict[str, Any], **_: Any) -> None:
        for each in parsed["TargetHealthDescriptions"]:
            each["TargetHealth"] = {"State": "unhealthy", "Reason": "Target.Timeout"}

    def says(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Output"] = console

    balancers, ec2 = world.client("elbv2"), world.client("ec2")
    event = "after-call.elastic-load-balancing-v2.DescribeTargetHealth"
    balancers.meta.events.register_last(event, unhealthy)
    ec2.meta.events.register_last("after-call.ec2.GetConsoleOutput", says)


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


def test_a_new_version_whose_set_up_fails_is_told_while_the_old_one_runs(
    world: World, aws: Front
) -> None:
    settled(world, SMALL)
    aws.switches.clock = world.account.time.now
    aws.switches.refresh_batch_s = 3600
    world.release("broken")
    nothing_answers(world, BROKEN)
    begin = world.account.time.now()
    said = why_it_failed(world.apply(SMALL))
    assert "could not be set up: the package has another SHA-256" in said
    assert "the old version runs on" in said
    assert world.account.time.now() - begin < 60


def test_a_type_without_the_newest_console_is_asked_for_the_older_one(
    world: World, aws: Front
) -> None:
    nothing_answers(world, BROKEN)
    aws.inject("error", "ec2", "GetConsoleOutput", nth=1, code="UnsupportedOperation")
    assert "another SHA-256" in why_it_failed(world.apply(SMALL))
    latest = [call.parameters.get("Latest") for call in aws.calls
              if call.action == "GetConsoleOutput"]  # fmt: skip
    assert latest == ["true", None]
