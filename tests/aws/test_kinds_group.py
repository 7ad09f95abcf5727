"""Balancer, group, policies, schedules and alarms against moto's server: what is designed is made,
a second plan is empty, whatever changes is changed in place or replaced, and nothing is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from group_world import SMALL, World, changes, make, settled, unresolved

from loadcore_aws.autoscaling.spec import (
    Alarm,
    Group,
    Metric,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)
from loadcore_aws.stack import converge, design
from loadcore_aws.stack.design.facts import File
from loadcore_aws.stack.design.scaling import TOPIC
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.spec import (
    Balancer,
    Containers,
    Database,
    Health,
    Network,
    Package,
    Stack,
    Table,
    Topic,
)

if TYPE_CHECKING:
    from aws_front.front import Front

    from loadcore_aws.stack.progress import Outcome

QUEUE = Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "work"})
FULL = Stack(
    "demo",
    "eu-central-1",
    Package("a.whl"),
    tags={"team": "likes"},
    balancer=Balancer(algorithm="least_outstanding_requests", idle_timeout_s=75),
    group=Group(2, 4, warmup_s=60, drain_s=90, cooldown_s=120),
    policy=(
        Simple("fewer", -1),
        StepPolicy(
            "more",
            (Step(10, 0, 20.5), Step(30, 20.5)),
            by="percent",
            min_magnitude=2,
            warmup_s=30,
        ),
        TargetTracking("calm", 50),
        TargetTracking("shared", 1000, "requests_per_target", scale_in=False, warmup_s=45),
        TargetTracking("backlog", 10, QUEUE),
    ),
    alarm=(
        Alarm("busy", "requests", 200, statistic="Sum", missing_data="notBreaching",
              actions=("more", "topic"), ok_actions=("topic",), description="too many"),
        Alarm("idle", "cpu", 10, "<", evaluation_periods=5, datapoints_to_alarm=3,
              missing_data="breaching", actions=("fewer",)),
        Alarm("slow", "response_time", 0.25, ">", "p99", low_samples="ignore",
              no_data_actions=("arn:aws:sns:eu-central-1:123456789012:pager",)),
        Alarm("long-queue", replace(QUEUE, unit="Count"), 100, period_s=300),
    ),
    schedule=(
        Schedule("morning", cron="0 8 * * 1-5", time_zone="Europe/Berlin", min=3),
        Schedule("launch", at="2027-05-01T10:00:00+02:00", desired=4),
    ),
    topic=Topic(),
)  # fmt: skip


@pytest.fixture
def world(aws: Front) -> World:
    return make(aws)


def test_all_is_made_as_designed_with_its_tags(world: World) -> None:
    settled(world, FULL)
    found = {each.address: each for each in world.found()}
    assert found.keys() == {resource.address for resource in world.resources(FULL)}
    tagged = ("load_balancer.main", "target_group.main", "listener.main",
              "auto_scaling_group.main", "alarm.busy")  # fmt: skip
    for address in tagged:
        wanted = {"team": "likes", "loadcore:stack": "demo", "loadcore:resource": address}
        assert wanted.items() <= found[address].tags.items()
    assert found["load_balancer.main"].attributes["full_name"].startswith("app/demo-main-")
    assert found["target_group.main"].attributes["full_name"].startswith("targetgroup/demo-")
    assert found["auto_scaling_group.main"].id == world.owner.physical("main")
    assert found["auto_scaling_group.main"].state == "2 of 2 in service"


def test_alarms_call_the_policies_and_the_topic(world: World) -> None:
    settled(world, FULL)
    found = {each.address: each for each in world.found()}
    topic = world.known[TOPIC.address].id
    more, fewer = found["scaling_policy.more"].id, found["scaling_policy.fewer"].id
    assert found["alarm.busy"].settings["actions"] == sorted([more, topic])
    assert found["alarm.busy"].settings["ok_actions"] == [topic]
    assert found["alarm.idle"].settings["actions"] == [fewer]
    full_name = found["load_balancer.main"].attributes["full_name"]
    assert found["alarm.busy"].settings["dimensions"] == {"LoadBalancer": full_name}
    assert found["alarm.slow"].settings["percentile"] == "p99"
    assert found["alarm.slow"].settings["low_samples"] == "ignore"
    assert found["alarm.slow"].settings["statistic"] == ""


def test_instances_carry_the_stacks_tags_but_are_not_the_group(world: World) -> None:
    settled(world, FULL)
    tags = world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0][
        "Tags"
    ]
    at_launch = {tag["Key"]: tag["PropagateAtLaunch"] for tag in tags}
    assert at_launch == {"team": True, "loadcore:stack": True, "loadcore:resource": False}


BALANCERS: list[tuple[str, set[str], dict[str, Any]]] = [
    ("load_balancer.main", {"idle_timeout_s"}, {"balancer": Balancer(idle_timeout_s=300)}),
    ("listener.main", {"port"}, {"balancer": Balancer(port=8000)}),
    (
        "target_group.main",
        {"health", "algorithm", "deregistration_delay_s"},
        {
            "balancer": Balancer(
                algorithm="least_outstanding_requests",
                deregistration_delay_s=5,
                health=Health("/v1/health", 20, 4, 3, 4),
            )
        },
    ),
]


def test_the_balancer_changes_in_place(world: World) -> None:
    settled(world, SMALL)
    for address, settings, change in BALANCERS:
        other = replace(SMALL, **change)
        assert changes(world, other) == {address: ("update", settings)}
        settled(world, other)
        settled(world, SMALL)


def test_a_certificate_makes_it_https(world: World) -> None:
    settled(world, SMALL)
    request = world.client("acm").request_certificate(DomainName="likes.example.org")
    secure = replace(SMALL, balancer=Balancer(certificate=request["CertificateArn"]))
    assert changes(world, secure) == {
        "listener.main": ("update", {"protocol", "certificate", "tls_policy"})
    }
    settled(world, secure)
    (listener,) = world.client("elbv2").describe_listeners(
        LoadBalancerArn=world.one("load_balancer.main").id
    )["Listeners"]
    assert listener["Protocol"] == "HTTPS"
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    settled(world, SMALL)
    unknown = replace(SMALL, balancer=Balancer(certificate=f"{request['CertificateArn']}0"))
    ((_, error),) = world.apply(unknown).failed
    assert "CertificateNotFound" in str(error)


GROUPS = [
    Group(1, 3, drain_s=0),
    Group(2, 4, desired=3, drain_s=0),
    Group(2, 4, drain_s=0, cooldown_s=60, warmup_s=0, health_check_grace_s=240),
    Group(2, 4, drain_s=0, warmup_s=45),
    Group(2, 4, drain_s=0, min_healthy_percent=50, max_healthy_percent=150),
]


def test_the_group_changes_in_place(world: World) -> None:
    settled(world, SMALL)
    for other in GROUPS:
        stack = replace(SMALL, group=other)
        assert set(changes(world, stack)) == {"auto_scaling_group.main"}
        settled(world, stack)
    settled(world, SMALL)
    assert world.one("auto_scaling_group.main").settings["warmup_s"] is None


def test_what_policies_made_of_the_size_is_no_drift(world: World) -> None:
    settled(world, SMALL)
    world.client("autoscaling").set_desired_capacity(
        AutoScalingGroupName="demo-main", DesiredCapacity=4
    )
    assert world.plan(SMALL).empty
    fixed_size = replace(SMALL, group=Group(2, 4, desired=3, drain_s=0))
    assert changes(world, fixed_size) == {"auto_scaling_group.main": ("update", {"desired"})}


def test_what_a_schedule_made_of_the_limits_stays_through_an_apply(
    world: World, aws: Front
) -> None:
    day = Schedule("day", cron="0 7 * * *", min=4, max=8)
    stack = replace(SMALL, schedule=(day, Schedule("night", cron="0 20 * * *", min=2, max=4)))
    settled(world, stack)
    client = world.client("autoscaling")

    def limits() -> tuple[int, int]:
        (group,) = client.describe_auto_scaling_groups()["AutoScalingGroups"]
        return group["MinSize"], group["MaxSize"]

    client.update_auto_scaling_group(AutoScalingGroupName="demo-main", MinSize=4, MaxSize=8)
    assert world.plan(stack).empty
    other = replace(stack, group=replace(stack.group, max=6, cooldown_s=60))
    assert changes(world, other) == {"auto_scaling_group.main": ("update", {"cooldown_s"})}
    settled(world, other)
    assert limits() == (4, 8)

    # A min of 4 cannot stay with a max of 3.
    without_max = replace(stack, group=Group(2, 3, drain_s=0), schedule=(replace(day, max=None),))
    updates = len(sent(aws))
    settled(world, without_max)
    (update,) = sent(aws)[updates:]
    assert (update["MinSize"], update["MaxSize"]) == ("2", "3")
    assert limits() == (2, 3)

    # Without the schedule its value is nobody's.
    client.update_auto_scaling_group(AutoScalingGroupName="demo-main", MinSize=4, MaxSize=8)
    settled(world, SMALL)
    assert limits() == (2, 4)


def sent(aws: Front) -> list[dict[str, Any]]:
    return [call.parameters for call in aws.calls if call.action == "UpdateAutoScalingGroup"]


OTHER = replace(
    FULL,
    group=replace(FULL.group, drain_s=45),
    policy=(
        Simple("fewer", -2, cooldown_s=30),
        # nothing of min_magnitude and warmup_s may stay behind
        StepPolicy("more", (Step(1, None, 5), Step(2, 5, 9)), statistic="Maximum"),
        TargetTracking("calm", 700.5, "requests_per_target"),
        TargetTracking("shared", 60, warmup_s=0),
        TargetTracking("backlog", 20, QUEUE, statistic="Maximum", warmup_s=5),
    ),
    alarm=(
        replace(FULL.alarm[0], ok_actions=(), description=""),
        replace(FULL.alarm[1], threshold=20.0, period_s=300, missing_data="ignore"),
        replace(FULL.alarm[2], statistic="Average"),
        replace(FULL.alarm[3], metric="5xx", comparison="<="),
    ),
    schedule=(
        # neither the time zone nor min may stay behind
        Schedule("morning", cron="30 6 * * *", max=4),
        Schedule("launch", at="2027-05-02T00:00:00Z", desired=0),
    ),
)


def test_parts_change_to_exactly_what_is_wanted_and_back(world: World) -> None:
    settled(world, FULL)
    assert changes(world, OTHER).keys() == {
        "lifecycle_hook.drain",
        *(f"scaling_policy.{policy.name}" for policy in FULL.policy),
        *(f"alarm.{alarm.name}" for alarm in FULL.alarm),
        *(f"scheduled_action.{schedule.name}" for schedule in FULL.schedule),
    }
    settled(world, OTHER)
    settled(world, FULL)


def test_a_policy_of_another_type_keeps_its_alarm(world: World) -> None:
    settled(world, FULL)
    before = world.one("scaling_policy.more").id
    other = replace(FULL, policy=(FULL.policy[0], Simple("more", 1), *FULL.policy[2:]))
    settled(world, other)
    after = world.one("scaling_policy.more")
    assert after.settings["type"] == "SimpleScaling"
    assert after.id in world.one("alarm.busy").settings["actions"]
    assert before == after.id or before not in world.one("alarm.busy").settings["actions"]


def test_what_the_file_no_longer_names_goes(world: World) -> None:
    settled(world, FULL)
    settled(world, replace(SMALL, tags=FULL.tags))
    kept = {each.address for each in world.found()}
    assert kept == {resource.address for resource in world.resources(SMALL)}


def test_tags_follow_the_file(world: World) -> None:
    settled(world, FULL)
    other = replace(FULL, tags={"team": "counters", "cost": "42"})
    tagged = {
        "load_balancer.main",
        "target_group.main",
        "listener.main",
        "auto_scaling_group.main",
        *(f"alarm.{alarm.name}" for alarm in FULL.alarm),
    }
    assert changes(world, other) == {address: ("update", {"tags"}) for address in tagged}
    settled(world, other)


def test_another_stacks_things_are_left_alone(world: World) -> None:
    """Its name begins as ours does."""
    settled(world, FULL)
    other = World(
        world.account, Owner("demo-b", world.owner.region, world.owner.account), world.facts,
        world.known,
    )  # fmt: skip
    # moto keeps the policies and schedules of all groups in one place, by their names
    stack = replace(FULL, name="demo-b", policy=(), schedule=(), alarm=FULL.alarm[2:])
    settled(other, stack)
    assert changes(world, FULL) == {}
    assert destroy(world).complete
    assert world.found() == []
    assert changes(other, stack) == {}


def destroy(world: World) -> Outcome:
    return converge.destroy(world.owner, world.account)


def test_destroy_leaves_nothing_not_even_the_alarms_of_target_tracking(
    world: World, aws: Front
) -> None:
    before = aws.inventory()
    settled(world, FULL)
    alarms = world.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [each for each in alarms if each["AlarmName"].startswith("TargetTracking-")]
    assert destroy(world).complete
    assert aws.inventory() == before


# What is in the way


def test_an_alarm_of_somebody_else_is_not_overwritten(world: World) -> None:
    world.client("cloudwatch").put_metric_alarm(
        AlarmName="demo-idle", Namespace="AWS/EC2", MetricName="CPUUtilization", Period=60,
        Statistic="Average", EvaluationPeriods=1, Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    outcome = world.apply(FULL)
    ((address, error),) = outcome.failed
    assert address == "alarm.idle"
    assert str(error) == (
        "there is an alarm demo-idle that is not of this stack; delete or rename it, or give the "
        "stack another name"
    )
    alarm = world.client("cloudwatch").describe_alarms(AlarmNames=["demo-idle"])["MetricAlarms"][0]
    assert alarm["Threshold"] == 5


def test_a_group_still_on_its_way_out_is_waited_for(world: World, aws: Front) -> None:
    aws.inject(
        "error", "autoscaling", "CreateAutoScalingGroup", times=3, code="AlreadyExists",
        message="A group with the name demo-main already exists and is pending delete.",
    )  # fmt: skip
    settled(world, SMALL)
    assert aws.hits == 3


# The design


def test_the_designs_refer_to_nothing_unknown(world: World) -> None:
    resources = world.resources(FULL)
    assert len({each.address for each in resources}) == len(resources)
    assert unresolved(resources) == set()
    own_network = replace(FULL, network=Network(kind="own", nat=True))
    assert unresolved(world.resources(own_network)) == {
        "vpc.main", "subnet.public-a", "subnet.public-b", "subnet.private-a", "subnet.private-b",
        "route_table.public", "route_table.private",
    }  # fmt: skip


CONTAINERS = Stack(
    "demo",
    "eu-central-1",
    containers=Containers(),
    policy=(StepPolicy("more", (Step(1, 0),)),),
    alarm=(Alarm("busy", "cpu", 70, actions=("more",)),),
)


@pytest.mark.parametrize(
    "stack",
    [
        FULL,
        replace(FULL, network=Network("own", nat=True), table=Table(), database=Database()),
        CONTAINERS,
    ],
    ids=["default network", "own network", "containers"],
)
def test_the_whole_design_refers_to_what_is_in_it(world: World, stack: Stack) -> None:
    wheel = File("a.whl", "loadcore-1-cp311-cp311-linux_x86_64.whl", "0" * 64, 1)
    facts = replace(world.facts, image="ami-1", root_device="/dev/xvda", packages=(wheel,))
    resources = design.resources(stack, facts)
    assert len({each.address for each in resources}) == len(resources)
    assert unresolved(resources) == set()
    assert {each.kind for each in resources} <= BY_NAME.keys()


def test_a_schedule_that_is_over_is_not_asked_for(world: World) -> None:
    past = Schedule("launch", at="2026-03-01T12:59:59+01:00", desired=4)
    coming = Schedule("party", at="2026-03-01T13:00:01+01:00", desired=4)
    resources = world.resources(replace(SMALL, schedule=(past, coming)))
    (action,) = (each for each in resources if each.kind == "scheduled_action")
    assert action.name == "party"
    assert action.settings["at"] == "2026-03-01T12:00:01Z"


def test_containers_have_a_target_group_of_addresses_and_alarms_of_their_own(world: World) -> None:
    by_address = {each.address: each for each in world.resources(CONTAINERS)}
    assert by_address.keys() == {
        "load_balancer.main", "target_group.main", "listener.main", "alarm.busy",
    }  # fmt: skip
    assert by_address["target_group.main"].settings["target_type"] == "ip"
    assert by_address["alarm.busy"].settings["namespace"] == "AWS/ECS"
    assert unresolved(list(by_address.values())) == {
        "cluster.main", "container_service.main", "container_policy.more",
    }  # fmt: skip
