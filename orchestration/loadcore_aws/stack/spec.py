"""A stack as a frozen value: what STACK.toml says, and what a notebook may build by hand.

    [network] [access] [package] [instances] [service] [balancer] [group] [[policy]] [[alarm]]
    [[schedule]] [logs] [topic] [table] [database] [containers] [controller] [tags]

Times are in seconds, sizes in GB, percentages from 0 to 100. read() reads a file; check() tells
all that is wrong with a value. The tables are in loadcore_aws.stack.sections, but for those of
loadcore_aws.autoscaling.spec; here is what holds between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loadcore_aws import _toml
from loadcore_aws._faults import Fault
from loadcore_aws.autoscaling.schedules import no_cron, no_six_fields
from loadcore_aws.autoscaling.spec import Alarm, Group, Policy, Scaling, Schedule
from loadcore_aws.instance.ready import READY_S
from loadcore_aws.stack.sections.balancer import Balancer, Health
from loadcore_aws.stack.sections.head import NAME, REGION, Head
from loadcore_aws.stack.sections.instances import (
    DEFAULT_IMAGE,
    Instances,
    Mixed,
    Package,
    Service,
)
from loadcore_aws.stack.sections.network import Access, Network
from loadcore_aws.stack.sections.services import (
    Containers,
    Controller,
    Database,
    Logs,
    Table,
    Topic,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DEFAULT_IMAGE",
    "GROUP",
    "NAME",
    "REGION",
    "TAG",
    "Access",
    "Balancer",
    "Containers",
    "Controller",
    "Database",
    "Head",
    "Health",
    "Instances",
    "Logs",
    "Mixed",
    "Network",
    "Package",
    "Service",
    "Stack",
    "Table",
    "Topic",
    "check",
    "read",
    "read_head",
]

TAG = re.compile(r"[\w .:/=+\-@]*")
"""what all services take in a tag ("tagKeyType" and "tagValueType", IAM API Reference)"""
TAGS_MAX = 45
"""AWS takes 50 ("Tag naming limits and requirements", Tagging AWS Resources User Guide), and an
image or a database has five of ours"""
GROUP = Group(min=2, max=4)


@dataclass(frozen=True)
class Stack(Head):
    """The whole stack; see the module's docstring for its tables."""

    package: Package | None = None
    tags: dict[str, str] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    access: Access = field(default_factory=Access)
    instances: Instances = field(default_factory=Instances)
    service: Service = field(default_factory=Service)
    balancer: Balancer = field(default_factory=Balancer)
    group: Group = GROUP
    policy: tuple[Policy, ...] = ()
    alarm: tuple[Alarm, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    logs: Logs = field(default_factory=Logs)
    topic: Topic | None = None
    table: Table | None = None
    database: Database | None = None
    containers: Containers | None = None
    controller: Controller | None = None

    @property
    def scaling(self) -> Scaling:
        return Scaling(self.group, self.policy, self.alarm, self.schedule)

    def faults(self) -> Iterator[Fault]:
        yield from super().faults()
        if self.name.startswith(("xn--", "sthree-", "amzn-s3-demo-")):
            yield Fault(("name",), f"is {self.name!r}; take none that begins with xn--, sthree- or "
                                   "amzn-s3-demo-, as no bucket may be called so")  # fmt: skip
        if len(self.tags) > TAGS_MAX:
            yield Fault(("tags",), f"are {len(self.tags)}; give {TAGS_MAX} at most, as the stack "
                                   "itself needs the rest of AWS's 50")  # fmt: skip
        for key, text in self.tags.items():
            if key.lower().startswith(("aws:", "loadcore:")) or not 1 <= len(key) <= 128:
                yield Fault(("tags", key), "is kept for others; choose another name")
            if not TAG.fullmatch(key) or not TAG.fullmatch(text):
                sentence = "has what not every service takes in a tag"
                remedy = "take letters, digits, spaces and _ . : / = + - @"
                yield Fault(("tags", key), f"{sentence}; {remedy}")
            if len(text) > 256:
                yield Fault(("tags", key), "is longer than 256 characters")

    def combined_faults(self) -> Iterator[Fault]:
        """What each table allows alone and the stack does not."""
        yield from self.scaling.combined_faults()
        if "--" in self.name and (self.containers is not None or self.database is not None):
            yield Fault(("name",), f"is {self.name!r}; take none with --, as no repository or "
                                   "database may be called so")  # fmt: skip
        if self.containers is None and self.package is None:
            yield Fault(("package",), "is missing: say which wheel or RPM to install, or take "
                                      "[containers]")  # fmt: skip
        if self.containers is not None and self.package is not None:
            yield Fault(("package",), "is for instances; [containers] run an image instead")
        if self.containers is not None and self.instances != Instances():
            yield Fault(("instances",), "do not go with [containers]: choose one")
        if self.containers is not None:
            yield from self._container_faults()
        if self.topic is None:
            for index, alarm in enumerate(self.alarm):
                for key in ("actions", "ok_actions", "no_data_actions"):
                    if "topic" in getattr(alarm, key):
                        yield Fault(("alarm", index, key), "names topic, and there is no [topic]")
        yield from self._grace_faults()

    def _grace_faults(self) -> Iterator[Fault]:
        """Of a grace that ends before an instance can be known to be healthy: each would be
        replaced by another that fares no better."""
        where = ("group", "health_check_grace_s")
        seen_s = self.balancer.health.interval_s * self.balancer.health.healthy
        if self.group.health_check_grace_s < seen_s:
            yield Fault(where, "is shorter than the balancer takes to call an instance healthy "
                               "(interval_s times healthy)")  # fmt: skip
        elif (
            self.containers is None
            and not self.instances.bake
            and self.group.health_check_grace_s < READY_S + seen_s
        ):
            yield Fault(where, "is shorter than an instance may take that is set up at its first "
                               f"boot: once all is installed {READY_S} s for the service to become "
                               f"healthy, and {seen_s} s for the balancer to see it; set "
                               f"{max(Group().health_check_grace_s, READY_S + seen_s)}, or bake = "
                               "true in [instances]")  # fmt: skip

    def _container_faults(self) -> Iterator[Fault]:
        for index, policy in enumerate(self.policy):
            if policy.kind == "simple":
                yield Fault(("policy", index, "kind"), "is simple, which ECS does not have; take "
                                                       "step or target")  # fmt: skip
        for index, each in enumerate(self.schedule):
            where = ("schedule", index)
            if each.desired is not None:
                yield Fault((*where, "desired"), "is not for containers, which are scheduled by "
                                                 "min and max; give these")  # fmt: skip
            # What is no cron expression at all has been told.
            if each.cron and not no_cron(each.cron) and (sentence := no_six_fields(each.cron)):
                yield Fault((*where, "cron"), sentence)
        if self.controller is not None:
            yield Fault(("controller",), "scales an Auto Scaling group, which [containers] lack")
        if self.access.metrics:
            yield Fault(("access", "metrics"), "opens a port of instances, and the tasks of "
                                               "[containers] have no such page; leave it "
                                               "out")  # fmt: skip


def read(path: str | Path) -> Stack:
    """The stack of a file; the paths in it are relative to its folder.

    Raises lc.PlanError with all that is wrong in the file, each with its line.
    """
    stack = _toml.read(Stack, path)
    folder = Path(path).parent
    if stack.package is not None:
        wheels = str(folder / stack.package.wheels) if stack.package.wheels else ""
        package = Package(str(folder / stack.package.file), wheels)
        stack = replace(stack, package=package)
    if stack.controller is not None:
        controller = replace(stack.controller, file=str(folder / stack.controller.file))
        stack = replace(stack, controller=controller)
    return stack


def read_head(path: str | Path) -> Head:
    """Which stack a file is of, whatever else it says.

    Raises lc.PlanError where that cannot be told.
    """
    return _toml.read(Head, path, part=True)


def check(stack: Stack) -> None:
    """Raises lc.PlanError with all that is wrong with a stack made in Python."""
    _toml.check(stack, f"stack {stack.name}")
