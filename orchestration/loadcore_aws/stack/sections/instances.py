"""[package], [instances] and [service]: what an instance is, and what it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loadcore_aws._faults import Fault
from loadcore_aws.stack.sections.checks import argument_faults, environment_faults, port_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = re.compile(r"[\w.+~-]+", re.ASCII)
DEFAULT_IMAGE = "ssm:/aws/service/debian/release/12/latest/amd64"
ADMIN_PORT = 8081


@dataclass(frozen=True)
class Package:
    """The loadcore to install, a wheel or an RPM; `wheels` is a folder of the wheels it depends on,
    for instances that reach no package index. Both are relative to the file that names them."""

    file: str
    wheels: str = ""

    def faults(self) -> Iterator[Fault]:
        if not self.file.endswith((".whl", ".rpm")):
            yield Fault(("file",), f"is {self.file!r}; give a .whl or an .rpm")
        if not FILE.fullmatch(name := Path(self.file).name):
            yield Fault(("file",), f"is {name!r}; its name may have letters, digits and . _ + ~ "
                                   "- only, as packaging tools write it")  # fmt: skip
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
        yield from environment_faults(self.environment)


@dataclass(frozen=True)
class Service:
    """How `loadcore serve` is started; `threads` 0: one for every two processors."""

    port: int = 8080
    durability: Literal["memory", "os", "fsync"] = "fsync"
    threads: int = 0
    arguments: tuple[str, ...] = ()

    @property
    def admin_port(self) -> int:
        """Of an instance's metrics page."""
        return ADMIN_PORT if self.port != ADMIN_PORT else ADMIN_PORT + 1

    def faults(self) -> Iterator[Fault]:
        yield from port_faults(("port",), self.port)
        if self.threads < 0:
            yield Fault(("threads",), "must be 0 or more")
        yield from argument_faults(self.arguments)
