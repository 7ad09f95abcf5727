"""How many tasks a container service has: cron times in six fields, warm-ups as cooldowns, what is
refused with its line, and what somebody has suspended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fast_time import NOW
from services_world import World, make

from loadcore_aws._faults import SpecError
from loadcore_aws.autoscaling.policies import warmup_s
from loadcore_aws.autoscaling.spec import (
    Alarm,
    Group,
    Metric,
    Policy,
    Schedule,
    Step,
    StepPolicy,
    TargetTracking,
)
from loadcore_aws.stack import spec
from loadcore_aws.stack.design import container_scaling
from loadcore_aws.stack.design.facts import Facts
from loadcore_aws.stack.spec import Containers, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

STACK = Stack("demo", "eu-central-1", containers=Containers(), group=Group(2, 4))
FACTS = Facts(
    "123456789012", "aws", "eu-central-1", ("eu-central-1a", "eu-central-1b"), "vpc-1",
    ("subnet-1", "subnet-2"), "ami-1", "/dev/xvda", (), now=NOW,
)  # fmt: skip
QUEUE = Metric("AWS/SQS", "Depth", {"QueueName": "work"}, "Count")


def made(stack: Stack) -> dict[str, dict[str, Any]]:
    """Address → settings of what can be made."""
    spec.check(stack)
    return {each.address: dict(each.settings) for each in container_scaling.resources(stack, FACTS)}


@pytest.mark.parametrize(
    ("cron", "six"),
    [
        ("0 8 * * 1-5", "cron(0 8 ? * MON,TUE,WED,THU,FRI *)"),
        ("*/5 8-18 * * *", "cron(*/5 8-18 * * ? *)"),
        ("0 0 1 * *", "cron(0 0 1 * ? *)"),
        ("0 0 * 6 0", "cron(0 0 ? 6 SUN *)"),
        ("0 0 * * 7", "cron(0 0 ? * SUN *)"),
        ("0 0 * * 5-7", "cron(0 0 ? * SUN,FRI,SAT *)"),
        ("0 0 * * */2", "cron(0 0 ? * SUN,TUE,THU,SAT *)"),
        ("0 0 * * 1,wed", "cron(0 0 ? * MON,WED *)"),
        ("0 0 * * mon-fri/2", "cron(0 0 ? * MON,WED,FRI *)"),
    ],
)
def test_schedules_are_at_the_same_times_in_six_fields(cron: str, six: str) -> None:
    stack = replace(STACK, schedule=(Schedule("one", cron=cron, min=2),))
    settings = made(stack)["container_schedule.one"]
    assert (settings["schedule"], settings["time_zone"]) == (six, "UTC")


def test_a_step_without_a_range_is_refused_as_programs_differ_on_sunday() -> None:
    stack = replace(STACK, schedule=(Schedule("one", cron="0 0 * * mon/2", min=2),))
    with pytest.raises(
        SpecError, match=r"'mon/2' for the day of the week.* write such as MON-FRI/2"
    ):
        spec.check(stack)


STEP = StepPolicy("more", (Step(20, 10), Step(10, None, 10)))


@pytest.mark.parametrize(
    "policy", [STEP, TargetTracking("calm", 50), TargetTracking("q", 9, QUEUE)]
)
@pytest.mark.parametrize(
    ("group", "own", "cooldown_s"),
    [
        (Group(2, 4), None, 300),
        (Group(2, 4, cooldown_s=120), None, 120),
        (Group(2, 4, cooldown_s=120, warmup_s=60), None, 60),
        (Group(2, 4, warmup_s=0), None, 0),
        (Group(2, 4, cooldown_s=120, warmup_s=60), 15, 15),
    ],
)
def test_a_new_task_counts_after_the_warm_up_that_a_simulation_reckons_with(
    policy: StepPolicy | TargetTracking, group: Group, own: int | None, cooldown_s: int
) -> None:
    asked = replace(policy, warmup_s=own)
    alarms = (Alarm("busy", "cpu", 70, actions=("more",)),) if policy is STEP else ()
    stack = replace(STACK, group=group, policy=(asked,), alarm=alarms)
    settings = made(stack)[f"container_policy.{policy.name}"]
    assert settings["cooldown_s" if settings["type"] == "step" else "out_cooldown_s"] == cooldown_s
    assert cooldown_s == warmup_s(asked, group)


def test_steps_begin_with_the_lowest_and_metrics_are_by_their_full_names() -> None:
    alarm = Alarm("busy", "cpu", 70, actions=("more",))
    policies: tuple[Policy, ...] = (STEP, TargetTracking("q", 9, QUEUE, statistic="Maximum"))
    policies += (TargetTracking("shared", 1000, "requests_per_target"),)
    settings = made(replace(STACK, policy=policies, alarm=(alarm,)))
    assert settings["container_policy.more"]["steps"] == [
        {"lower": None, "upper": 10, "adjust": 10},
        {"lower": 10, "upper": None, "adjust": 20},
    ]
    assert settings["container_policy.q"]["metric"] == {
        "namespace": "AWS/SQS", "name": "Depth", "dimensions": {"QueueName": "work"},
        "unit": "Count", "statistic": "Maximum",
    }  # fmt: skip
    assert settings["container_policy.shared"]["label"].keys() == {"balancer", "target_group"}


TEXT = """
name = "demo"
region = "eu-central-1"
[containers]
[group]
min = 2
max = 4
[[policy]]
kind = "simple"
name = "one"
adjust = 1
[[alarm]]
name = "busy"
metric = "cpu"
threshold = 70
actions = ["one"]
[[schedule]]
name = "both"
cron = "0 0 1 * 1"
min = 2
[[schedule]]
name = "desired"
cron = "0 0 * * *"
min = 2
desired = 3
[[schedule]]
name = "second"
cron = "0 0 * * 1#2"
min = 2
"""


def test_all_that_containers_cannot_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "STACK.toml"
    file.write_text(TEXT)
    with pytest.raises(SpecError) as refused:
        spec.read(file)
    told = [str(fault) for fault in refused.value.faults]
    assert [sentence.partition(";")[0] for sentence in told] == [
        "line 9: policy[1].kind is simple, which ECS does not have",
        "line 19: schedule[1].cron names days of the month and of the week, which containers "
        "cannot",
        "line 25: schedule[2].desired is not for containers, which are scheduled by min and max",
        "line 28: schedule[3].cron has '1#2' for the day of the week, which containers cannot",
    ]


def test_a_time_that_is_none_is_told_once() -> None:
    stack = replace(STACK, schedule=(Schedule("one", cron="0 0 * *", min=2),))
    with pytest.raises(SpecError) as refused:
        spec.check(stack)
    assert [fault.setting for fault in refused.value.faults] == ["schedule[1].cron"]


def test_what_happens_once_and_is_over_is_not_made() -> None:
    once = Schedule("past", at="2020-05-01T10:00:00Z", min=3)
    later = replace(once, name="later", at="2099-05-01T10:00:00Z")
    made_of = made(replace(STACK, schedule=(once, later)))
    assert "container_schedule.past" not in made_of
    assert made_of["container_schedule.later"]["schedule"] == "at(2099-05-01T10:00:00)"


@pytest.fixture
def world(aws: Front) -> World:
    """With a service that can be scaled."""
    world = make(aws)
    ecs = world.client("ecs")
    ecs.create_cluster(clusterName="demo-main")
    container = {"name": "main", "image": "demo"}
    ecs.register_task_definition(family="demo", containerDefinitions=[container], memory="512")
    ecs.create_service(
        cluster="demo-main", serviceName="demo", taskDefinition="demo", desiredCount=2
    )
    world.know("container_service", "main", "demo", resource="service/demo-main/demo")
    return world


@pytest.mark.parametrize("what", ["DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling"])
def test_scaling_that_somebody_suspended_is_drift_and_goes_on(world: World, what: str) -> None:
    wanted = container_scaling.resources(STACK, world.facts)
    world.settle(wanted)
    scaling = world.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/demo-main/demo",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, SuspendedState={f"{what}Suspended": True})
    assert world.changes(wanted) == {"scalable_target.main": ("update", {"suspended"})}
    world.settle(wanted)
    (found,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert not any(found["SuspendedState"].values())
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 4)
