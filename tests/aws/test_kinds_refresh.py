"""The package's update: an instance refresh against moto's server, however long it takes,
whether it is gone on with or comes to nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from group_world import SMALL, World, changes, look_seldom, make, settled
from services_world import REGION

import loadcore as lc
from loadcore_aws.autoscaling.spec import Group
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.spec import Instances, Mixed

if TYPE_CHECKING:
    from aws_front.front import Front

    from loadcore_aws.stack.progress import Event


@pytest.fixture
def world(aws: Front) -> World:
    return make(aws)


EIGHT = replace(SMALL, group=Group(8, 10, drain_s=0))
"""A refresh of these goes on for several looks."""


def versions(world: World) -> set[str]:
    groups = world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return {each["LaunchTemplate"]["Version"] for each in groups[0]["Instances"]}


def started(aws: Front) -> list[dict[str, Any]]:
    return [call.parameters for call in aws.calls if call.action == "StartInstanceRefresh"]


@pytest.mark.parametrize(
    "instances",
    [Instances(), Instances(mixed=Mixed(("t3.small", "t3a.small"), 1, 0))],
    ids=["one type", "mixed"],
)
def test_a_new_version_comes_by_a_refresh_with_rollback(
    world: World, aws: Front, instances: Instances
) -> None:
    aws.switches.refresh_polls = 4
    stack = replace(SMALL, instances=instances)
    settled(world, stack)
    world.release("new")
    told: list[Event] = []
    assert changes(world, stack) == {"auto_scaling_group.main": ("update", {"template"})}
    assert world.apply(stack, told.append).complete
    assert any("instance refresh 50 %" in event.detail for event in told)
    assert world.plan(stack).empty
    assert versions(world) == {"2"}
    (refresh,) = started(aws)
    assert refresh["Preferences.AutoRollback"] == "true"
    assert refresh["Preferences.MinHealthyPercentage"] == "90"
    assert refresh["Preferences.MaxHealthyPercentage"] == "120"


def test_other_types_come_by_a_refresh_too(world: World, aws: Front) -> None:
    settled(world, SMALL)
    mixed = replace(SMALL, instances=Instances(mixed=Mixed(("t3.small", "t3a.small"), 1, 0)))
    assert world.apply(mixed).complete
    assert len(started(aws)) == 1
    assert world.one("auto_scaling_group.main").settings["capacity_rebalance"] is True


def test_an_interrupted_apply_goes_on_waiting_for_its_refresh(world: World, aws: Front) -> None:
    aws.switches.refresh_polls = 20
    settled(world, EIGHT)
    world.release("new")
    stop = threading.Event()

    def stop_at_once(event: Event) -> None:
        if "refresh" in event.detail:
            stop.set()

    assert not world.apply(EIGHT, stop_at_once, stop).complete
    told: list[Event] = []
    assert world.apply(EIGHT, told.append).complete
    assert any("instance refresh" in event.detail for event in told)
    assert len(started(aws)) == 1
    assert versions(world) == {"2"}


def test_a_version_that_fails_is_told_and_the_old_one_runs(world: World, aws: Front) -> None:
    settled(world, SMALL)
    aws.switches.refresh_fails = True
    world.release("broken")
    told: list[Event] = []
    outcome = world.apply(SMALL, told.append)
    ((address, error),) = outcome.failed
    assert address == "auto_scaling_group.main"
    assert isinstance(error, lc.RunError)
    assert "RollbackSuccessful" in str(error)
    assert "health checks" in str(error)
    assert "the old version runs on" in str(error)
    assert versions(world) == {"1"}
    assert any("the old version is coming back" in event.detail for event in told)
    aws.switches.refresh_fails = False
    settled(world, SMALL)  # once mended, the same command again brings it
    assert versions(world) == {"2"}
    assert len(started(aws)) == 2


def test_a_still_newer_version_takes_the_place_of_one_under_way(world: World, aws: Front) -> None:
    aws.switches.refresh_polls = 50
    settled(world, EIGHT)
    world.release("second")
    stop = threading.Event()
    world.apply(EIGHT, lambda event: stop.set() if "refresh" in event.detail else None, stop)
    world.release("third")
    aws.switches.refresh_polls = 2
    settled(world, EIGHT)
    assert versions(world) == {"3"}
    assert "CancelInstanceRefresh" in {call.action for call in aws.calls}


def test_instances_of_several_versions_show_as_drift(world: World, aws: Front) -> None:
    settled(world, EIGHT)
    world.release("new")
    aws.switches.refresh_polls = 50
    stop = threading.Event()
    world.apply(EIGHT, lambda event: stop.set() if "refresh" in event.detail else None, stop)
    client = world.client("autoscaling")
    first = client.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"][0]
    assert first["LifecycleState"] == "InService"
    client.cancel_instance_refresh(AutoScalingGroupName="demo-main")
    client.describe_instance_refreshes(AutoScalingGroupName="demo-main")
    aws.switches.refresh_polls = 2
    assert changes(world, EIGHT)["auto_scaling_group.main"] == ("update", {"template"})
    settled(world, EIGHT)
    assert versions(world) == {"2"}


# As long as it takes


def slow(world: World, aws: Front, batch_s: float) -> None:
    """Whatever a refresh starts boots and warms up so long, or does not get healthy."""
    look_seldom(world)
    aws.switches.clock = world.account.time.now
    aws.switches.refresh_batch_s = batch_s


def test_instances_may_take_as_long_to_come_as_the_file_allows(world: World, aws: Front) -> None:
    stack = replace(SMALL, group=Group(2, 4, warmup_s=960, drain_s=0))
    settled(world, stack)
    slow(world, aws, 1700)
    world.release("new")
    begin = world.account.time.now()
    settled(world, stack)
    assert versions(world) == {"2"}
    assert world.account.time.now() - begin >= 2 * 1700


def test_a_version_that_fails_is_waited_for_until_aws_has_gone_back(
    world: World, aws: Front
) -> None:
    """For an hour it stands at 0 %."""
    settled(world, SMALL)
    slow(world, aws, 3600)
    aws.switches.refresh_fails = True
    world.release("broken")
    ((_, error),) = world.apply(SMALL).failed
    assert "ended as RollbackSuccessful" in str(error)
    assert versions(world) == {"1"}


def test_a_refresh_that_never_ends_is_told_after_its_bound(world: World, aws: Front) -> None:
    balancer = replace(SMALL.balancer, deregistration_delay_s=200)
    stack = replace(SMALL, balancer=balancer, group=Group(2, 4, warmup_s=500, drain_s=100))
    settled(world, stack)
    slow(world, aws, float("inf"))
    world.release("new")
    begin = world.account.time.now()
    ((address, error),) = world.apply(stack).failed
    assert f"{address} is not ready: instance refresh 0 %, and 5000 s have passed" in str(error)
    assert world.account.time.now() - begin < 5500


def test_a_newer_version_does_not_wait_for_the_instances_of_the_one_before(
    world: World, aws: Front
) -> None:
    """Which take half an hour to boot, warm up and drain; AWS waits for them when it cancels a
    refresh, unless told otherwise."""
    settled(world, SMALL)
    slow(world, aws, 1800)
    world.release("second")
    stop = threading.Event()
    world.apply(SMALL, lambda event: stop.set() if "refresh" in event.detail else None, stop)
    begin = world.account.time.now()
    world.release("third")
    settled(world, SMALL)
    assert versions(world) == {"3"}
    assert world.account.time.now() - begin < 2 * 1800 + 600


def in_another_process(world: World, aws: Front) -> World:
    """Which knows nothing of what this one has seen."""
    return replace(world, account=Account(REGION, endpoint_url=aws.url, time=world.account.time))


@pytest.mark.parametrize("next_version", ["the same", "a mended one"])
def test_a_version_that_was_rolled_back_since_is_not_silently_tried_again(
    world: World, aws: Front, next_version: str
) -> None:
    settled(world, SMALL)
    slow(world, aws, 3600)
    aws.switches.refresh_fails = True
    world.release("broken")
    stop = threading.Event()
    world.apply(SMALL, lambda event: stop.set() if "0 %" in event.detail else None, stop)
    world.account.time.sleep(3600)
    client = world.client("autoscaling")
    for status in ("RollbackInProgress", "RollbackSuccessful"):
        (last,) = client.describe_instance_refreshes(AutoScalingGroupName="demo-main")[
            "InstanceRefreshes"
        ]
        assert last["Status"] == status

    later = in_another_process(world, aws)
    aws.switches.refresh_fails = False
    if next_version != "the same":
        later.release("mended")
    told: list[Event] = []
    assert later.apply(SMALL, told.append).complete
    said = (
        "instance refresh 0 %; the last refresh to this version ended as RollbackSuccessful (The "
        "new instances did not pass the health checks of the load balancer): trying again"
    )
    assert (said in {event.detail for event in told}) == (next_version == "the same")
    assert len(started(aws)) == 2
