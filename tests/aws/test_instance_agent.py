"""What runs on an instance: against a metadata service of our own, with made-up time and systemctl,
and against moto's server where AWS is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from aws_front.front import Front
from botocore.exceptions import ClientError, EndpointConnectionError
from imds_server import INSTANCE, ImdsServer, imds_server
from target import target

import loadcore as lc
from loadcore_aws import Session
from loadcore_aws.instance import drain, ready, settings, units
from loadcore_aws.instance.imds import TOKEN_TTL_S, Imds, Unreachable
from loadcore_aws.instance.settings import LOGS_UNIT, SERVICE_UNIT, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
STATE = "autoscaling/target-lifecycle-state"
SETTINGS = Settings(stack="demo", region="eu-central-1", group="group", hook="hook", drain_s=60)


@pytest.fixture
def server() -> Iterator[ImdsServer]:
    with imds_server() as running:
        yield running


class Clock:
    """Time that passes only in sleep(), and what is to happen at its moments."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.events: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds
        for event in [event for event in self.events if event[0] <= self.now_s]:
            self.events.remove(event)
            event[1]()

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        self.events.append((1000.0 + seconds, event))


# --- settings


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "instance.json"
    written = replace(SETTINGS, log_group="/l", launch_hook="up", endpoint_url="http://127.0.0.1:1")
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


# --- draining


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CompleteLifecycleAction")


IDLE = refusal("ValidationError", f"No active Lifecycle Action found with instance ID {INSTANCE}")


@dataclass
class Group:
    """An Auto Scaling client that notes the calls; `refusals` are raised one after the other."""

    clock: Clock
    refusals: list[Exception] = field(default_factory=list)
    heartbeats_s: list[float] = field(default_factory=list)
    completed: list[dict[str, str]] = field(default_factory=list)
    heartbeat_refusal: Exception | None = None

    def record_lifecycle_action_heartbeat(self, **action: str) -> None:
        assert action["InstanceId"] == INSTANCE
        self.heartbeats_s.append(self.clock.now_s)
        if self.heartbeat_refusal:
            raise self.heartbeat_refusal

    def complete_lifecycle_action(self, **action: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.completed.append(action)


class Systemctl:
    """Stopping a unit takes as long as `stop_s` says; without an entry no time at all."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stop_s: dict[str, float] = {}
        self.calls: list[tuple[str, ...]] = []
        self.killed: set[str] = set()

    def start(self, command: list[str]) -> Any:
        assert command[0] == "systemctl"
        self.calls.append(tuple(command[1:]))
        if command[1] == "kill":
            self.killed.add(command[-1])
        return Job(self, command[-1], self.clock.now_s)


class Job:
    returncode = 0

    def __init__(self, systemctl: Systemctl, unit: str, since_s: float) -> None:
        self._systemctl, self._unit, self._since_s = systemctl, unit, since_s

    def poll(self) -> int | None:
        took_s = self._systemctl.clock.now_s - self._since_s
        done = took_s >= self._systemctl.stop_s.get(self._unit, 0)
        return 0 if done or self._unit in self._systemctl.killed else None

    def wait(self) -> int:
        assert self.poll() is not None, "this would wait for good"
        return 0


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


def test_without_a_waiting_hook_the_drain_ends_all_the_same(scene: Scene) -> None:
    scene.server.categories["spot/instance-action"] = "{}"
    scene.group.refusals = [IDLE] * 1000
    scene.watch()
    assert scene.group.completed == []
    assert scene.said[-1] == "drained; no hook waits for this instance"
    assert scene.clock.now_s < 1000 + SETTINGS.settle_s + drain.HOOK_WAIT_S + 5


def test_what_the_group_refuses_for_good_is_an_error(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.refusals = [refusal("AccessDenied")]
    scene.group.heartbeat_refusal = refusal("AccessDenied")
    with pytest.raises(lc.RunError, match=r"the group was not told to go on.*AccessDenied"):
        scene.watch()
    assert scene.systemctl.calls == STOPS
    assert any(line.startswith("no heartbeat: ") for line in scene.said)
    scene.watch()  # systemd starts it again
    assert scene.group.completed == [COMPLETED]


def test_a_lost_connection_to_aws_is_an_error_too(scene: Scene) -> None:
    scene.server.categories[STATE] = "Terminated"
    scene.group.refusals = [EndpointConnectionError(endpoint_url="http://aws")]
    with pytest.raises(lc.RunError, match="not told"):
        scene.watch()


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


def test_a_launch_hook_hears_how_it_went(scene: Scene) -> None:
    told = replace(SETTINGS, launch_hook="up")
    ready.complete_launch(told, scene.group, INSTANCE, healthy=True)
    ready.complete_launch(told, scene.group, INSTANCE, healthy=False)
    assert [call["LifecycleActionResult"] for call in scene.group.completed] == [
        "CONTINUE",
        "ABANDON",
    ]
    assert {call["LifecycleHookName"] for call in scene.group.completed} == {"up"}
    scene.group.refusals = [refusal("AccessDenied")]
    with pytest.raises(lc.RunError, match="launch hook was not told"):
        ready.complete_launch(told, scene.group, INSTANCE, healthy=True)


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
