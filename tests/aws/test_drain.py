"""How an instance leaves its group: a metadata service of our own, made-up time and systemctl, and
the calls once against moto's server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from aws_front.front import Front
from botocore.exceptions import EndpointConnectionError
from client_errors import client_error
from imds_server import INSTANCE, ImdsServer, imds_server
from instance_world import IDLE, Clock, Group, Systemctl

import loadcore as lc
from loadcore_aws import Session
from loadcore_aws.instance import drain
from loadcore_aws.instance.imds import Imds
from loadcore_aws.instance.settings import LOGS_UNIT, SERVICE_UNIT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = "autoscaling/target-lifecycle-state"
SETTINGS = Settings(stack="demo", region="eu-central-1", group="group", hook="hook", drain_s=60)


@pytest.fixture
def server() -> Iterator[ImdsServer]:
    with imds_server() as running:
        yield running


@dataclass
class Scene:
    server: ImdsServer
    clock: Clock
    group: Group
    systemctl: Systemctl
    said: list[str] = field(default_factory=list)

    def watch(self, told: Settings = SETTINGS) -> None:
        around = drain.Surroundings(
            Imds(self.server.url, clock=self.clock),
            self.group,
            self.said.append,
            self.clock,
            self.clock.sleep,
            self.systemctl.start,
        )
        drain.watch(told, around)


@pytest.fixture
def scene(server: ImdsServer) -> Scene:
    clock = Clock()
    return Scene(server, clock, Group(clock), Systemctl(clock))


STOPS = [("stop", SERVICE_UNIT), ("stop", LOGS_UNIT)]
COMPLETED = {
    "AutoScalingGroupName": "group",
    "LifecycleHookName": "hook",
    "InstanceId": INSTANCE,
    "LifecycleActionResult": "CONTINUE",
}


@pytest.mark.parametrize("state", ["Terminated", "Warmed:Terminated"])
def test_a_terminated_instance_is_drained_and_let_go(scene: Scene, state: str) -> None:
    scene.clock.at(600, lambda: scene.server.categories.update({STATE: state}))
    scene.watch()
    assert scene.systemctl.calls == STOPS
    assert scene.group.completed == [COMPLETED]
    announced_s = 1600 + drain.POLL_S
    assert 1600 + SETTINGS.settle_s <= scene.clock.now_s <= announced_s + SETTINGS.settle_s + 1
    assert scene.said == ["the group terminates this instance", "drained; the group goes on"]


@pytest.mark.parametrize("notice", ['{"action": "terminate", "time": "2026-01-01T00:02:00Z"}', "?"])
def test_an_interrupted_spot_instance_is_drained(scene: Scene, notice: str) -> None:
    scene.clock.at(10, lambda: scene.server.categories.update({"spot/instance-action": notice}))
    scene.watch()
    assert scene.systemctl.calls == STOPS
    assert scene.said[0].startswith("EC2 interrupts this spot instance")
    assert ("terminate at 2026-01-01T00:02:00Z" in scene.said[0]) == notice.startswith("{")


def test_heartbeats_keep_the_hook_waiting_while_it_lasts(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.systemctl.stop_s[SERVICE_UNIT] = 100
    scene.watch(replace(SETTINGS, drain_s=120))
    beats = scene.group.heartbeats_s
    assert beats[0] == 1000, "at once: nobody knows how long the hook has waited"
    gaps = [after - before for before, after in pairwise(beats)]
    assert max(gaps) < 15, "a hook's heartbeat time-out is 30 s at the least"
    assert len(beats) >= 8
    assert scene.group.completed == [COMPLETED]


def test_a_service_that_hangs_does_not_hold_the_group_up(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.systemctl.stop_s[SERVICE_UNIT] = 1e9
    scene.watch()
    kill = ("kill", "--signal=KILL", SERVICE_UNIT)
    assert scene.systemctl.calls == [STOPS[0], kill, STOPS[1]]
    assert scene.clock.now_s < 1000 + SETTINGS.drain_s + 2
    assert "the service was not drained within 60 s" in scene.said
    assert scene.group.completed == [COMPLETED]


def test_the_hook_may_wait_only_later(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.refusals = [IDLE] * 5
    scene.group.heartbeat_refusal = IDLE
    scene.watch()
    assert scene.group.completed == [COMPLETED]
    assert not any("heartbeat" in line for line in scene.said)


SPOT = {"spot/instance-action": '{"action": "terminate", "time": "soon"}'}
SLOW = replace(SETTINGS, deregistration_delay_s=300)


@pytest.mark.parametrize("hook_from_s", [300, 340], ids=["at the delay's end", "later"])
def test_the_group_waits_for_the_balancer_before_its_hook_does(
    scene: Scene, hook_from_s: float
) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.hook_from_s = hook_from_s
    scene.watch(SLOW)
    assert scene.group.completed == [COMPLETED]
    assert scene.systemctl.calls == STOPS
    assert scene.systemctl.called_s[0] == 300, "requests under way may take the whole delay"
    assert scene.clock.now_s - 1000 <= hook_from_s + drain.HOOK_POLL_S
    beats = scene.group.heartbeats_s
    assert all(after - before >= 12 for before, after in pairwise(beats)), "no storm of calls"
    assert not any("heartbeat" in line for line in scene.said)


def test_a_hook_that_waits_early_is_not_kept_waiting(scene: Scene) -> None:
    """The balancer is done at once where nothing is under way."""
    scene.server.categories[STATE] = "Terminated"
    scene.group.hook_from_s = 20
    scene.watch(SLOW)
    assert scene.group.completed == [COMPLETED]
    assert 20 <= scene.systemctl.called_s[0] < 20 + drain.HEARTBEAT_S + drain.POLL_S


def test_an_interruption_does_not_wait_for_the_balancer(scene: Scene) -> None:
    scene.server.categories.update(SPOT)
    scene.group.hook_from_s = 300
    scene.watch(SLOW)
    assert scene.systemctl.called_s[0] == SLOW.settle_s
    assert scene.clock.now_s - 1000 < SLOW.settle_s + drain.HOOK_WAIT_S + 5
    assert scene.said[-1] == "drained; no hook waits for this instance"


def test_an_interruption_after_the_groups_announcement_ends_the_wait(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.hook_from_s = 300
    scene.clock.at(40, lambda: scene.server.categories.update(SPOT))
    scene.clock.at(20, lambda: setattr(scene.server, "broken", True))
    scene.clock.at(30, lambda: setattr(scene.server, "broken", False))
    scene.watch(SLOW)
    assert 40 <= scene.systemctl.called_s[0] <= 40 + drain.POLL_S
    assert "EC2 interrupts this spot instance (terminate at soon)" in scene.said


def test_without_a_hook_nobody_waits_for_the_balancer(scene: Scene) -> None:
    """The group ends the instance right after the deregistration: it must be drained by then."""
    scene.server.categories[STATE] = "Terminated"
    scene.watch(replace(SLOW, hook=""))
    assert scene.systemctl.called_s[0] == SLOW.settle_s
    assert scene.group.heartbeats_s == []


def test_without_a_waiting_hook_the_drain_ends_all_the_same(scene: Scene) -> None:
    scene.server.categories["spot/instance-action"] = "{}"
    scene.group.refusals = [IDLE] * 1000
    scene.watch()
    assert scene.group.completed == []
    assert scene.said[-1] == "drained; no hook waits for this instance"
    assert scene.clock.now_s < 1000 + SETTINGS.settle_s + drain.HOOK_WAIT_S + 5


def test_what_the_group_refuses_for_good_is_an_error(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.refusals = [client_error("AccessDenied")]
    scene.group.heartbeat_refusal = client_error("AccessDenied")
    with pytest.raises(lc.RunError, match=r"the group was not told to go on.*AccessDenied"):
        scene.watch()
    assert scene.systemctl.calls == STOPS
    assert any(line.startswith("no heartbeat: ") for line in scene.said)
    scene.watch()  # systemd starts it again
    assert scene.group.completed == [COMPLETED]


def test_why_the_group_was_not_told_is_shipped(scene: Scene) -> None:
    """The journal ends with the instance, and the sender was stopped before the call."""
    told = replace(SETTINGS, log_group="/l")
    scene.server.categories[STATE] = "Terminated"
    scene.group.refusals = [client_error("AccessDenied")]
    with pytest.raises(lc.RunError, match="AccessDenied"):
        scene.watch(told)
    assert scene.systemctl.calls == [*STOPS, ("start", LOGS_UNIT)]
    scene.watch(told)
    assert scene.systemctl.calls[3:] == STOPS, "which sends what the first attempt had to say"


def test_a_lost_connection_to_aws_is_an_error_too(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.refusals = [EndpointConnectionError(endpoint_url="http://aws")]
    with pytest.raises(lc.RunError, match="not told"):
        scene.watch()
    assert scene.systemctl.calls == STOPS, "no log is to leave this instance"


def test_without_a_group_only_the_service_is_stopped(scene: Scene) -> None:
    scene.server.categories["spot/instance-action"] = "{}"
    scene.watch(replace(SETTINGS, group="", hook=""))
    assert scene.systemctl.calls == STOPS
    assert (scene.group.heartbeats_s, scene.group.completed) == ([], [])


def test_a_silent_metadata_service_is_told_once_and_asked_on(scene: Scene) -> None:
    scene.server.broken = True

    def mended() -> None:
        scene.server.broken = False
        scene.server.categories[STATE] = "Terminated"

    scene.clock.at(60, mended)
    scene.watch()
    assert sum("does not answer" in line for line in scene.said) == 1
    assert scene.group.completed == [COMPLETED]


def test_the_calls_are_ones_that_aws_takes(
    scene: Scene, aws: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.server.categories[STATE] = "Terminated"
    client = Session(region="eu-central-1", endpoint_url=aws.url).client("autoscaling")
    client.create_launch_configuration(
        LaunchConfigurationName="agent", ImageId="ami-12345678", InstanceType="t3.small"
    )
    client.create_auto_scaling_group(
        AutoScalingGroupName="group",
        LaunchConfigurationName="agent",
        AvailabilityZones=["eu-central-1a"],
        MinSize=0,
        MaxSize=1,
    )
    client.put_lifecycle_hook(
        AutoScalingGroupName="group",
        LifecycleHookName="hook",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
    monkeypatch.setattr(scene, "group", client)
    scene.watch()
    called = [(call.action, call.status) for call in aws.calls]
    assert ("RecordLifecycleActionHeartbeat", 200) in called
    assert called[-1] == ("CompleteLifecycleAction", 200)
