"""An account with what a group needs and other kinds make (network, template, topic), so that the
group's kinds can be tried alone."""

from __future__ import annotations

import itertools
import threading
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import services_world
from services_world import REGION

from loadcore_aws.autoscaling.spec import Group
from loadcore_aws.stack import converge, find
from loadcore_aws.stack.design import balancer, group, scaling
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.plan import Plan, planned
from loadcore_aws.stack.resource import Found, Resource, refs_in, resolved
from loadcore_aws.stack.spec import Package, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_front.front import Front

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.progress import Event, Outcome

SMALL = Stack("demo", REGION, Package("a.whl"), group=Group(2, 4, drain_s=0))
KINDS = (
    "load_balancer",
    "target_group",
    "listener",
    "auto_scaling_group",
    "lifecycle_hook",
    "group_notification",
    "scaling_policy",
    "scheduled_action",
    "alarm",
)


@dataclass
class World:
    """`known` stands for the resources of other kinds."""

    account: Account
    owner: Owner
    facts: Facts
    known: dict[str, Found] = field(default_factory=dict)

    def resources(self, stack: Stack) -> list[Resource]:
        designed = [
            resource
            for part in (balancer, group, scaling)
            for resource in part.resources(stack, self.facts)
        ]
        return [replace(each, settings=resolved(each.settings, self.known)) for each in designed]

    def plan(self, stack: Stack) -> Plan:
        return planned(stack, self.owner, self.resources(stack), self.found())

    def found(self) -> list[Found]:
        return find.everything(self.account, self.owner, [BY_NAME[name] for name in KINDS])

    def one(self, address: str) -> Found:
        (found,) = (each for each in self.found() if each.address == address)
        return found

    def apply(
        self,
        stack: Stack,
        on_event: Callable[[Event], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Outcome:
        return converge.apply(self.plan(stack), self.account, on_event=on_event, stop=stop)

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def release(self, text: str) -> None:
        """A new version of the launch template."""
        template = self.known["launch_template.instances"]
        answer = self.client("ec2").create_launch_template_version(
            LaunchTemplateId=template.id,
            LaunchTemplateData={**TEMPLATE, "UserData": b64encode(text.encode()).decode()},
        )
        version = str(answer["LaunchTemplateVersion"]["VersionNumber"])
        self.client("ec2").modify_launch_template(
            LaunchTemplateId=template.id, DefaultVersion=version
        )
        self.known[template.address] = replace(template, attributes={"version": version})


TEMPLATE = {"ImageId": "ami-12c6146b", "InstanceType": "t3.small"}


def make(aws: Front) -> World:
    base = services_world.make(aws)
    ec2 = base.client("ec2")
    guard = ec2.create_security_group(
        GroupName="guard", Description="of the balancer", VpcId=base.facts.default_vpc
    )
    template = ec2.create_launch_template(
        LaunchTemplateName="instances", LaunchTemplateData=TEMPLATE
    )["LaunchTemplate"]
    topic = base.client("sns").create_topic(Name="events")["TopicArn"]
    known = [
        Found("security_group", "balancer", guard["GroupId"], {}),
        Found("launch_template", "instances", template["LaunchTemplateId"], {}, {"version": "1"}),
        Found("topic", "main", topic, {}),
    ]
    return World(base.account, base.owner, base.facts, {each.address: each for each in known})


def unresolved(resources: list[Resource]) -> set[str]:
    """Addresses that are referred to and are none of the resources."""
    refs = itertools.chain.from_iterable(refs_in(each.settings) for each in resources)
    needed: set[str] = {ref.address for ref in refs}
    for each in resources:
        needed |= set(each.after)
    return needed - {each.address for each in resources}


def settled(world: World, stack: Stack) -> None:
    """Applies, and holds it to its word."""
    outcome = world.apply(stack)
    assert outcome.complete, [str(error) for _, error in outcome.failed]
    assert changes(world, stack) == {}


def changes(world: World, stack: Stack) -> dict[str, tuple[str, set[str]]]:
    return services_world.changes_of(world.plan(stack))


def look_seldom(world: World) -> None:
    """Minutes apart, for what takes hours."""
    time = world.account.time
    world.account.time = replace(time, sleep=lambda seconds: time.sleep(20 * seconds))
