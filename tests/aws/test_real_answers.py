"""What AWS answers and moto does not: constructed from the API references."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from client_errors import client_error

import loadcore as lc
from loadcore_aws.autoscaling.spec import Metric, TargetTracking
from loadcore_aws.stack.design import balancer, identity, security
from loadcore_aws.stack.design.facts import Facts
from loadcore_aws.stack.errors import Meaning, meaning
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.names import RESOURCE, Owner, tag_list
from loadcore_aws.stack.plan import planned
from loadcore_aws.stack.resource import Found, Ref, Resource, Want
from loadcore_aws.stack.spec import Access, Package, Stack

STACK = Stack("demo", "eu-central-1", Package("a.whl"))
OWNER = Owner("demo", "eu-central-1", "123456789012")
FACTS = Facts("123456789012", "aws", "eu-central-1", ("a", "b"), default_vpc="vpc-1")


class Recorder:
    """An account and all its clients: notes calls, answers or refuses as told."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Recorder:
        return self

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        pages: list[Any] = getattr(self, operation)(**parameters)[key]
        return pages

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append((operation, parameters))
            answer = self._answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def test_a_nat_gateway_that_failed_is_removed_and_says_why() -> None:
    """Failed is final, and the token of the same apply would bring the failed one back."""
    gateway = {
        "NatGatewayId": "nat-1",
        "SubnetId": "subnet-1",
        "State": "failed",
        "FailureMessage": "Subnet has insufficient free addresses to create this NAT gateway",
        "NatGatewayAddresses": [{"AllocationId": "eipalloc-1"}],
        "Tags": tag_list({RESOURCE: "nat_gateway.main"}),
    }
    account: Any = Recorder(describe_nat_gateways={"NatGateways": [gateway]})
    kind = BY_NAME["nat_gateway"]
    (found,) = kind.find(account, OWNER)
    assert not kind.going(found), "it would be made over and over"
    with pytest.raises(lc.RunError, match="insufficient free addresses"):
        kind.pending(account, found)
    assert account.calls[-1] == ("delete_nat_gateway", {"NatGatewayId": "nat-1"})


@pytest.mark.parametrize("kind", ["internet_gateway", "subnet", "security_group"])
def test_a_balancers_interfaces_are_waited_for(kind: str) -> None:
    assert BY_NAME[kind].gone_within_s >= 600


def add_role(error: Exception) -> None:
    account: Any = Recorder(add_role_to_instance_profile=error)
    settings = {"roles": ["demo-role"]}
    found = Found("instance_profile", "instances", "demo", {"roles": []})
    want = Want("instance_profile.instances", "demo", settings, {}, "token")
    BY_NAME["instance_profile"].update(account, found, want, frozenset({"roles"}))


def test_a_role_that_is_in_its_profile_and_does_not_show_yet_is_no_error() -> None:
    add_role(
        client_error("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile")
    )
    with pytest.raises(ClientError):
        add_role(client_error("UnmodifiableEntity"))


def test_a_role_that_changes_just_now_is_tried_again() -> None:
    assert meaning(client_error("EntityTemporarilyUnmodifiable")) is Meaning.THROTTLED


@pytest.mark.parametrize(
    ("partition", "service"),
    [
        ("aws", "ec2.amazonaws.com"),
        ("aws-us-gov", "ec2.amazonaws.com"),
        ("aws-cn", "ec2.amazonaws.com.cn"),
    ],
)
def test_ec2_is_called_as_the_partition_calls_it(partition: str, service: str) -> None:
    role, _ = identity.resources(STACK, replace(FACTS, partition=partition))
    (statement,) = role.settings["trust"]["Statement"]
    assert statement["Principal"] == {"Service": service}


def test_an_address_named_twice_is_one_rule() -> None:
    """AWS keeps it once, and a plan would never be empty."""
    twice = Access(("10.0.0.0/8", "10.0.0.0/8", "2001:DB8::/32", "2001:db8:0::/32"))
    group, *_ = security.resources(replace(STACK, access=twice), FACTS)
    sources = [rule["source"] for rule in group.settings["ingress"]]
    assert sources == ["10.0.0.0/8", "2001:db8::/32"]


def test_a_balancer_of_another_network_is_another_one() -> None:
    """SetSubnets takes subnets of the balancer's own VPC only."""
    made, *_ = balancer.resources(STACK, FACTS)
    assert made.settings["vpc"] == "vpc-1"
    assert "vpc" in BY_NAME["load_balancer"].fixed


@pytest.mark.parametrize("name", ["internal", "internal-a", "sg-a"])
def test_names_that_aws_keeps_are_refused(name: str) -> None:
    faults = list(replace(STACK, name=name).faults())
    assert [fault.where for fault in faults] == [("name",)]


@pytest.mark.parametrize("name", ["internals", "sga", "demo-sg-a"])
def test_names_that_only_look_like_it_are_taken(name: str) -> None:
    assert not list(replace(STACK, name=name).faults())


@pytest.mark.parametrize("tags", [{"a,b": "c"}, {"a": "b;c"}, {"a": "<b>"}])
def test_tags_that_iam_refuses_are_refused_before_anything_is_made(tags: dict[str, str]) -> None:
    (fault,) = replace(STACK, tags=tags).faults()
    assert fault.where == ("tags", next(iter(tags)))


def test_tags_that_all_services_take_are_taken() -> None:
    tags = {"cost center": "7", "a.b:c/d=e+f-g@h_i": "Größe 1", "empty": ""}
    assert not list(replace(STACK, tags=tags).faults())


def test_target_tracking_takes_no_percentile() -> None:
    (fault,) = TargetTracking("p", 1.0, Metric("Mine", "latency"), statistic="p99").faults()
    assert fault.where == ("statistic",)
    assert not list(TargetTracking("p", 1.0, Metric("Mine", "latency"), "Maximum").faults())


@pytest.mark.parametrize(
    ("had", "tags", "expected"),
    [("t3.small", {}, {"keep"}), ("t3.micro", {}, {"update"}), ("t3.small", {"a": "b"}, {"keep"})],
    ids=["nothing", "another type", "tags alone"],
)
def test_a_plan_shows_that_a_new_template_version_is_a_new_group(
    had: str, tags: dict[str, str], expected: set[str]
) -> None:
    template = Resource("launch_template", "instances", {"type": "t3.small"})
    version = Ref(template.address, "version")
    group = Resource("auto_scaling_group", "main", {"template": {"version": version}})
    found = [
        Found("launch_template", "instances", "lt-1", {"type": had}, {"version": "1"},
              tags=OWNER.tags(template.address, {}, None)),
        Found("auto_scaling_group", "main", "demo-main", {"template": {"version": "1"}},
              tags=OWNER.tags(group.address, tags, None)),
    ]  # fmt: skip
    plan = planned(replace(STACK, tags=tags), OWNER, [template, group], found)
    changes = {each.address: each.action for each in plan.changes}
    assert {changes[group.address]} == expected
