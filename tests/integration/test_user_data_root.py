"""User data run for real: on a fresh Debian with its real systemd, against moto's S3, Auto Scaling
and CloudWatch Logs and a metadata service at its real address. What it installs then serves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import own_wheel
import pytest
import scratch_root
from aws_front import inventory
from aws_front.front import Front
from imds_server import INSTANCE, ImdsServer, imds_server
from moto_server import moto_server
from scratch_root import Machine

import loadcore as lc
from loadcore_aws.stack import userdata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.skipif(bool(scratch_root.why_not()), reason=scratch_root.why_not()),
    pytest.mark.skipif(
        sys.version_info[:2] != scratch_root.PYTHON,
        reason=f"the root has Python {scratch_root.PYTHON} and the wheel is for another",
    ),
    # A new machine makes the root and builds the wheel first, and a mirror may need patience.
    pytest.mark.timeout(2400),
]

CACHE = Path(__file__).parents[2] / ".cache"
REGION = "eu-central-1"
BUCKET = "loadcore-packages"
GROUP, HOOK, LOG_GROUP = "loadcore-group", "loadcore-drain", "/loadcore/test"
SCRIPT = "/var/lib/cloud/instance/user-data.txt"
PORT = 8080
PATIENCE_S = 30.0
USER_DATA = "cloud-init-main.service"
STORY = "loadcore user data: done"
UNITS = ("loadcore-likes", "loadcore-drain", "loadcore-ship-logs")


@dataclass(frozen=True)
class Site:
    """A machine, what is around it, and the plan of what it is to become."""

    machine: Machine
    front: Front
    imds: ImdsServer
    plan: userdata.InstancePlan

    def client(self, service: str) -> Any:
        return inventory.client(self.front.moto_url, service, REGION)

    def run(self, plan: userdata.InstancePlan) -> subprocess.CompletedProcess[str]:
        """What cloud-init does."""
        self.machine.write(SCRIPT, userdata.render(plan))
        return self.machine.run("/bin/bash", SCRIPT, timeout_s=240)

    def calls(self, action: str) -> list[dict[str, Any]]:
        return [call.parameters for call in self.front.calls if call.action == action]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    package = own_wheel.wheel()
    wheels = own_wheel.dependencies(package)
    root = scratch_root.base(CACHE)
    with (
        scratch_root.network(),
        moto_server() as url,
        Front(url) as front,
        imds_server("169.254.169.254", 80) as imds,
        scratch_root.booted(root) as machine,
    ):
        make_surroundings(url)
        plan = userdata.InstancePlan(
            stack="scratch",
            region=REGION,
            bucket=BUCKET,
            package=uploaded(url, package),
            wheels=tuple(uploaded(url, wheel) for wheel in wheels),
            environment={"GREETING": 'it\'s 100 % "quoted" \\ $HOME'},
            arguments=("--key-age", "2h"),
            log_group=LOG_GROUP,
            group=GROUP,
            hook=HOOK,
            settle_s=1,
            # moto's hook waits at once, and so nobody waits for the balancer.
            deregistration_delay_s=300,
            shell=("echo own line >>/root/own-lines",),
            migration='loadcore --version >/root/migrated\necho "$GREETING" >>/root/migrated',
            endpoint_url=front.url,
        )
        yield Site(machine, front, imds, plan)


def uploaded(url: str, path: Path) -> userdata.Artifact:
    client = inventory.client(url, "s3", REGION)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"packages/{sha256[:16]}/{path.name}"
    client.put_object(Bucket=BUCKET, Key=key, Body=content)
    return userdata.Artifact(key, sha256)


def make_surroundings(url: str) -> None:
    """What the stack makes before its first instance starts."""
    inventory.client(url, "s3", REGION).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    inventory.client(url, "logs", REGION).create_log_group(logGroupName=LOG_GROUP)
    groups = inventory.client(url, "autoscaling", REGION)
    groups.create_launch_configuration(
        LaunchConfigurationName=GROUP, ImageId="ami-12345678", InstanceType="t3.small"
    )
    groups.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchConfigurationName=GROUP,
        AvailabilityZones=[f"{REGION}a"],
        MinSize=0,
        MaxSize=1,
    )
    groups.put_lifecycle_hook(
        AutoScalingGroupName=GROUP,
        LifecycleHookName=HOOK,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )


@pytest.fixture(scope="module")
def installed(site: Site) -> Site:
    """After the first boot."""
    done = site.run(site.plan)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("loadcore user data: done\n"), done.stdout
    return site


def asked(method: str, path: str, port: int = PORT) -> tuple[int, Any]:
    request = Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def snapshot(site: Site) -> dict[str, str]:
    """Whatever a run could have changed: processes, and files with the time they were written."""
    pids = {unit: site.machine.output("systemctl", "show", "-PMainPID", unit) for unit in UNITS}
    places = "/etc/loadcore /etc/systemd /opt/loadcore /var/lib/loadcore-instance /root"
    listing = site.machine.output(
        "sh", "-c", f"find {places} -name __pycache__ -prune -o -printf '%p %T@ %s\\n' | sort"
    )
    return {**pids, "files": listing}


def test_a_fresh_machine_serves(installed: Site) -> None:
    assert asked("GET", "/v1/healthcheck") == (200, {"healthy": True})
    assert asked("POST", "/v1/alice/likes") == (200, {"userId": "alice", "likes": 1})
    assert asked("POST", "/v1/alice/likes") == (200, {"userId": "alice", "likes": 2})
    assert asked("GET", "/v1/alice/likes") == (200, {"userId": "alice", "likes": 2})
    assert asked("GET", "/v1/readiness")[0] == 200
    machine = installed.machine
    for unit in UNITS:
        assert machine.output("systemctl", "is-active", unit) == "active"
        assert machine.output("systemctl", "is-enabled", unit) == "enabled"
    pid = machine.output("systemctl", "show", "-PMainPID", "loadcore-likes")
    arguments = machine.output("cat", f"/proc/{pid}/cmdline").split("\0")
    assert arguments[arguments.index("--data") + 1] == "/var/lib/loadcore-likes"
    assert arguments[arguments.index("--key-age") + 1] == "2h"
    greeting = installed.plan.environment["GREETING"]
    assert f"GREETING={greeting}" in machine.output("cat", f"/proc/{pid}/environ").split("\0")
    assert "quoted" not in machine.output("systemctl", "show", "loadcore-likes")
    assert machine.output("stat", "-c", "%a %U", str(userdata.ENVIRONMENT)) == "600 root"
    assert machine.output("cat", "/root/own-lines") == "own line"
    assert machine.output("cat", "/root/migrated").splitlines() == [
        f"loadcore {lc.__version__}",
        greeting,
    ]
    assert "loadcore user data: done" in machine.output("cat", "/var/log/loadcore-user-data.log")


def test_run_again_it_changes_nothing(installed: Site) -> None:
    before = snapshot(installed)
    again = installed.run(replace(installed.plan, shell=()))
    assert again.returncode == 0, again.stdout
    assert again.stdout.splitlines()[-1] == "loadcore user data: done; nothing changed"
    assert snapshot(installed) == before


def test_new_arguments_reach_the_service_and_likes_stay(installed: Site) -> None:
    likes = asked("POST", "/v1/bob/likes")[1]
    again = installed.run(replace(installed.plan, shell=(), arguments=("--key-age", "3h")))
    assert again.returncode == 0, again.stdout
    pid = installed.machine.output("systemctl", "show", "-PMainPID", "loadcore-likes")
    assert "--key-age\x003h\x00" in installed.machine.output("cat", f"/proc/{pid}/cmdline")
    assert asked("GET", "/v1/bob/likes") == (200, likes)


def test_metrics_are_shown_to_others_only_where_the_plan_says_so(installed: Site) -> None:
    page = f"http://169.254.169.254:{installed.plan.admin_port}/metrics"  # no loopback address
    with pytest.raises(URLError, match="refused"):
        build_opener(ProxyHandler({})).open(page, timeout=5)
    shown = installed.run(replace(installed.plan, shell=(), admin_host="0.0.0.0"))
    assert shown.returncode == 0, shown.stdout
    with build_opener(ProxyHandler({})).open(page, timeout=5) as answer:
        assert "loadcore_http_request_duration_seconds_bucket" in answer.read().decode()
    assert installed.run(replace(installed.plan, shell=())).returncode == 0


def test_a_package_that_is_not_the_promised_one_is_refused(installed: Site) -> None:
    plan = replace(
        installed.plan, shell=(), package=replace(installed.plan.package, sha256="0" * 64)
    )
    refused = installed.run(plan)
    assert refused.returncode == 1
    last = refused.stdout.splitlines()[-1]
    assert last.startswith("loadcore user data: FAILED: s3://loadcore-packages/packages/")
    assert last.endswith(f"not {'0' * 64}; upload the package again")
    assert asked("GET", "/v1/healthcheck")[0] == 200, "what ran before goes on"


def test_a_low_port_works_without_root_and_memory_needs_no_folder(installed: Site) -> None:
    low = replace(installed.plan, shell=(), port=81, durability="memory")
    done = installed.run(low)
    assert done.returncode == 0, done.stdout
    assert asked("POST", "/v1/alice/likes", 81) == (200, {"userId": "alice", "likes": 1})
    pid = installed.machine.output("systemctl", "show", "-PMainPID", "loadcore-likes")
    assert installed.machine.output("stat", "-c", "%u", f"/proc/{pid}") != "0"
    assert installed.run(replace(installed.plan, shell=())).returncode == 0
    assert asked("GET", "/v1/alice/likes")[1]["likes"] >= 2, "the disk still has them"


def test_a_service_that_does_not_start_is_quoted_and_mended(installed: Site) -> None:
    done = installed.run(replace(installed.plan, shell=(), arguments=("--nonsense",)))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "loadcore user data: FAILED: loadcore-likes.service did not start; its log is above"
    )
    assert "--nonsense" in done.stdout
    done = installed.run(replace(installed.plan, shell=()))
    assert done.returncode == 0, done.stdout
    assert asked("GET", "/v1/healthcheck")[0] == 200


def test_the_whole_log_arrives_in_a_stream_of_the_instance(installed: Site) -> None:
    machine, logs = installed.machine, installed.client("logs")

    def shipped() -> list[str]:
        found = logs.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP, logStreamNames=[INSTANCE]
        )
        return sorted(event["message"] for page in found for event in page["events"])

    def written() -> list[str]:
        units = [f"--unit={unit}" for unit in (*UNITS[:2], USER_DATA)]
        said = machine.output("journalctl", "--quiet", "--output=json", *units)
        return sorted(json.loads(line)["MESSAGE"] for line in said.splitlines())

    until(lambda: bool(logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]), "no log")
    # The story of the user data, as a cloud-init with one process for all stages leaves it.
    machine.output("systemd-run", "--quiet", "--wait", f"--unit={USER_DATA}", "echo", STORY)
    # What is written while nobody ships it arrives, too, and nothing twice.
    machine.output("systemctl", "stop", "loadcore-ship-logs")
    machine.output("systemctl", "restart", "loadcore-likes")
    machine.output("systemctl", "start", "loadcore-ship-logs")
    until(lambda: shipped() == written(), "the log differs from the journal")
    assert STORY in shipped()
    assert any(
        line.startswith("{") and json.loads(line)["event"] == "started" for line in shipped()
    )


def test_the_end_of_an_instance_loses_no_like_and_is_told_to_the_group(installed: Site) -> None:
    machine, before = installed.machine, asked("GET", "/v1/carol/likes")[1]["likes"]
    counted, refused = [before], threading.Event()

    def like_until_refused() -> None:
        while True:
            try:
                status, told = asked("POST", "/v1/carol/likes")
            except OSError:
                return refused.set()
            if status == 200:
                counted.append(told["likes"])

    client = threading.Thread(target=like_until_refused)
    client.start()
    until(lambda: len(counted) > 20, "the service does not count")
    installed.imds.categories["autoscaling/target-lifecycle-state"] = "Terminated"
    until(lambda: bool(installed.calls("CompleteLifecycleAction")), "the group was not told")
    assert refused.wait(PATIENCE_S)
    client.join()
    (completed,) = installed.calls("CompleteLifecycleAction")
    assert completed["AutoScalingGroupName"] == GROUP
    assert completed["LifecycleHookName"] == HOOK
    assert completed["InstanceId"] == INSTANCE
    assert completed["LifecycleActionResult"] == "CONTINUE"
    assert installed.calls("RecordLifecycleActionHeartbeat")
    for unit in UNITS:
        until(lambda unit=unit: state_of(machine, unit) == "inactive", f"{unit} goes on")  # type: ignore[misc]
    assert machine.output("systemctl", "show", "-PResult", "loadcore-likes") == "success"
    last = installed.client("logs").get_log_events(
        logGroupName=LOG_GROUP, logStreamName=INSTANCE, startFromHead=False
    )["events"]
    assert any("Stopped loadcore-likes" in event["message"] for event in last)
    machine.output("systemctl", "start", "loadcore-likes")
    assert asked("GET", "/v1/carol/likes")[1]["likes"] == counted[-1]


def state_of(machine: Machine, unit: str) -> str:
    return machine.output("systemctl", "show", "-PActiveState", unit)
