"""A stack as a frozen value: what STACK.toml says, and what a notebook may build by hand.

    [network] [access] [package] [instances] [service] [balancer] [group] [[policy]] [[alarm]]
    [[schedule]] [logs] [topic] [table] [database] [containers] [controller] [tags]

Times are in seconds, sizes in GB, percentages from 0 to 100. read() reads a file; check() tells
all that is wrong with a value.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loadcore_aws import _toml
from loadcore_aws._faults import Fault
from loadcore_aws.autoscaling.spec import Alarm, Group, Policy, Scaling, Schedule
from loadcore_aws.instance.ready import READY_S

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"[a-z][a-z0-9-]{0,14}[a-z0-9]")
TAG = re.compile(r"[\w .:/=+\-@]*")
"""what all services take in a tag ("tagKeyType" and "tagValueType", IAM API Reference)"""
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
DEFAULT_IMAGE = "ssm:/aws/service/debian/release/12/latest/amd64"


@dataclass(frozen=True)
class Network:
    """`default` is the account's default VPC. `own` makes one with two public and two private
    subnets in two zones; instances are in the private ones where `nat` is set, else in the public
    ones, since they could not reach their package otherwise."""

    kind: Literal["default", "own"] = "default"
    cidr: str = "10.20.0.0/16"
    nat: bool = False

    def faults(self) -> Iterator[Fault]:
        yield from cidr_faults(("cidr",), self.cidr, prefix_max=24)
        if self.nat and self.kind == "default":
            yield Fault(("nat",), 'needs kind = "own": the default VPC has no private subnets')


@dataclass(frozen=True)
class Access:
    """Who may reach what: `clients` the balancer, `ssh` the instances (nobody unless told)."""

    clients: tuple[str, ...] = ("0.0.0.0/0",)
    ssh: tuple[str, ...] = ()

    def faults(self) -> Iterator[Fault]:
        for key in ("clients", "ssh"):
            for index, cidr in enumerate(getattr(self, key)):
                yield from cidr_faults((key, index), cidr)
        if "0.0.0.0/0" in self.ssh or "::/0" in self.ssh:
            yield Fault(("ssh",), "is open to the whole Internet; name your own addresses")


@dataclass(frozen=True)
class Package:
    """The loadcore to install, a wheel or an RPM; `wheels` is a folder of the wheels it depends on,
    for instances that reach no package index. Both are relative to the file that names them."""

    file: str
    wheels: str = ""

    def faults(self) -> Iterator[Fault]:
        if not self.file.endswith((".whl", ".rpm")):
            yield Fault(("file",), f"is {self.file!r}; give a .whl or an .rpm")
        if self.wheels and self.file.endswith(".rpm"):
            yield Fault(("wheels",), "belong to a wheel; an RPM brings what it needs")


@dataclass(frozen=True)
class Mixed:
    """Several instance types, and spot. `on_demand_base` of the instances and then
    `on_demand_percent` of the rest are on demand."""

    types: tuple[str, ...]
    on_demand_base: int = 0
    on_demand_percent: int = 100
    spot_strategy: Literal["price-capacity-optimized", "capacity-optimized", "lowest-price"] = (
        "price-capacity-optimized"
    )

    def faults(self) -> Iterator[Fault]:
        if not self.types:
            yield Fault(("types",), "is empty; name instance types")
        if not 0 <= self.on_demand_percent <= 100:
            yield Fault(("on_demand_percent",), "must be from 0 to 100")
        if self.on_demand_base < 0:
            yield Fault(("on_demand_base",), "must be 0 or more")


@dataclass(frozen=True)
class Instances:
    """What the launch template says. `image` is an AMI's id or `ssm:` with a public parameter's
    name. With `bake` a template instance is set up once and imaged; clones start from the image."""

    type: str = "t3.small"
    image: str = DEFAULT_IMAGE
    disk_gb: int = 8
    key_name: str = ""
    bake: bool = False
    migration: str = ""
    """a command run once, on the template instance, before its health is waited for"""
    mixed: Mixed | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def faults(self) -> Iterator[Fault]:
        if not self.image.startswith(("ami-", "ssm:/")):
            yield Fault(("image",), f"is {self.image!r}; give ami-… or ssm:/…")
        if self.disk_gb < 2:
            yield Fault(("disk_gb",), "must be 2 or more")
        if self.migration and not self.bake:
            yield Fault(("migration",), "needs bake = true: it runs on the template instance")


@dataclass(frozen=True)
class Service:
    """How `loadcore serve` is started; `threads` 0: one for each processor."""

    port: int = 8080
    durability: Literal["memory", "os", "fsync"] = "fsync"
    threads: int = 0
    arguments: tuple[str, ...] = ()

    def faults(self) -> Iterator[Fault]:
        yield from port_faults(("port",), self.port)
        if self.threads < 0:
            yield Fault(("threads",), "must be 0 or more")


@dataclass(frozen=True)
class Health:
    path: str = "/v1/readiness"
    interval_s: int = 10
    timeout_s: int = 5
    healthy: int = 2
    unhealthy: int = 3

    def faults(self) -> Iterator[Fault]:
        if not self.path.startswith("/"):
            yield Fault(("path",), f"is {self.path!r}; it begins with /")
        if not 5 <= self.interval_s <= 300:
            yield Fault(("interval_s",), "must be from 5 to 300")
        if not 2 <= self.timeout_s <= 120:
            yield Fault(("timeout_s",), "must be from 2 to 120")
        elif self.timeout_s >= self.interval_s:
            yield Fault(("timeout_s",), "must be below interval_s")
        for key in ("healthy", "unhealthy"):
            if not 2 <= getattr(self, key) <= 10:
                yield Fault((key,), "must be from 2 to 10")


@dataclass(frozen=True)
class Balancer:
    """The application load balancer, its listener and its target group. With a `certificate` (an
    ARN) it speaks HTTPS."""

    port: int = 80
    certificate: str = ""
    algorithm: Literal["round_robin", "least_outstanding_requests"] = "round_robin"
    deregistration_delay_s: int = 30
    idle_timeout_s: int = 60
    internal: bool = False
    health: Health = Health()

    def faults(self) -> Iterator[Fault]:
        yield from port_faults(("port",), self.port)
        if self.certificate and not self.certificate.startswith("arn:"):
            yield Fault(("certificate",), "must be an ARN of AWS Certificate Manager")
        if not 0 <= self.deregistration_delay_s <= 3600:
            yield Fault(("deregistration_delay_s",), "must be from 0 to 3600")
        if not 1 <= self.idle_timeout_s <= 4000:
            yield Fault(("idle_timeout_s",), "must be from 1 to 4000")


RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip


@dataclass(frozen=True)
class Logs:
    retention_days: int = 14

    def faults(self) -> Iterator[Fault]:
        if self.retention_days not in RETENTION_DAYS:
            near = min(RETENTION_DAYS, key=lambda days: abs(days - self.retention_days))
            yield Fault(("retention_days",), f"is {self.retention_days}; the nearest that "
                                             f"CloudWatch Logs takes is {near}")  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """An SNS topic that alarms and scaling events go to; each address must confirm by mail."""

    emails: tuple[str, ...] = ()

    def faults(self) -> Iterator[Fault]:
        for index, email in enumerate(self.emails):
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
                yield Fault(("emails", index), f"is {email!r}, which is no mail address")


@dataclass(frozen=True)
class Table:
    """A DynamoDB table, billed by request."""

    partition_key: str = "userId"
    sort_key: str = ""
    point_in_time_recovery: bool = True


@dataclass(frozen=True)
class Database:
    """An RDS instance in the stack's network; its password is generated and kept by RDS in Secrets
    Manager, and nobody else ever sees it. A final snapshot is left where `snapshot_at_end`."""

    engine: Literal["postgres", "mysql"] = "postgres"
    version: str = ""
    type: str = "db.t4g.micro"
    disk_gb: int = 20
    multi_zone: bool = False
    backup_days: int = 1
    snapshot_at_end: bool = False

    def faults(self) -> Iterator[Fault]:
        if not self.type.startswith("db."):
            yield Fault(("type",), f"is {self.type!r}; an RDS type begins with db.")
        if not 20 <= self.disk_gb <= 65_536:
            yield Fault(("disk_gb",), "must be from 20 to 65536")
        if not 0 <= self.backup_days <= 35:
            yield Fault(("backup_days",), "must be from 0 to 35")


@dataclass(frozen=True)
class Containers:
    """Instead of instances: an ECR repository and a Fargate service behind the same balancer.
    `image_tag` is what `stack publish` pushed last; memory as Fargate pairs it with cpu."""

    image_tag: str = "latest"
    cpu: int = 256
    memory_mb: int = 512

    def faults(self) -> Iterator[Fault]:
        if self.cpu not in FARGATE_MEMORY_MB:
            known = ", ".join(map(str, FARGATE_MEMORY_MB))
            yield Fault(("cpu",), f"is {self.cpu}; Fargate takes {known}")
        elif self.memory_mb not in FARGATE_MEMORY_MB[self.cpu]:
            allowed = FARGATE_MEMORY_MB[self.cpu]
            yield Fault(("memory_mb",), f"is {self.memory_mb}; with cpu = {self.cpu} Fargate takes "
                                        f"{allowed[0]} to {allowed[-1]}")  # fmt: skip


FARGATE_MEMORY_MB = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16_385, 1024)),
    4096: tuple(range(8192, 30_721, 1024)),
}


@dataclass(frozen=True)
class Controller:
    """`loadcore autoscale control` as a Lambda function that runs every `every_minutes`."""

    file: str
    every_minutes: int = 1

    def faults(self) -> Iterator[Fault]:
        if not 1 <= self.every_minutes <= 1440:
            yield Fault(("every_minutes",), "must be from 1 to 1440")


GROUP = Group(min=2, max=4)


@dataclass(frozen=True)
class Stack:
    """The whole stack; see the module's docstring for its tables."""

    name: str
    region: str
    package: Package | None = None
    account: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    network: Network = Network()
    access: Access = Access()
    instances: Instances = Instances()
    service: Service = Service()
    balancer: Balancer = Balancer()
    group: Group = GROUP
    policy: tuple[Policy, ...] = ()
    alarm: tuple[Alarm, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    logs: Logs = Logs()
    topic: Topic | None = None
    table: Table | None = None
    database: Database | None = None
    containers: Containers | None = None
    controller: Controller | None = None

    @property
    def scaling(self) -> Scaling:
        return Scaling(self.group, self.policy, self.alarm, self.schedule)

    def faults(self) -> Iterator[Fault]:
        if not NAME.fullmatch(self.name):
            yield Fault(("name",), f"is {self.name!r}; take 2 to 16 of a-z, 0-9 and -, a letter "
                                   "first")  # fmt: skip
        elif self.name == "internal" or self.name.startswith(("internal-", "sg-")):
            yield Fault(("name",), f"is {self.name!r}; AWS keeps internal- (balancers) and sg- "
                                   "(security groups) for itself; choose another")  # fmt: skip
        if not REGION.fullmatch(self.region):
            yield Fault(("region",), f"is {self.region!r}; give one such as eu-central-1")
        if self.account and not re.fullmatch(r"\d{12}", self.account):
            yield Fault(("account",), f"is {self.account!r}; an account has 12 digits")
        for key, text in self.tags.items():
            if key.startswith(("aws:", "loadcore:")) or not 1 <= len(key) <= 128:
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
        if self.controller is not None:
            yield Fault(("controller",), "scales an Auto Scaling group, which [containers] lack")


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


def check(stack: Stack) -> None:
    """Raises lc.PlanError with all that is wrong with a stack made in Python."""
    _toml.check(stack, f"stack {stack.name}")


def cidr_faults(
    where: tuple[str | int, ...], cidr: str, prefix_max: int | None = None
) -> Iterator[Fault]:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        yield Fault(where, f"is {cidr!r}: {error}; give one such as 10.20.0.0/16")
        return
    if prefix_max is not None and not 16 <= network.prefixlen <= prefix_max:
        yield Fault(where, f"is a /{network.prefixlen}; take /16 to /{prefix_max}")


def port_faults(where: tuple[str | int, ...], port: int) -> Iterator[Fault]:
    if not 1 <= port <= 65_535:
        yield Fault(where, f"is {port}; a port is from 1 to 65535")
