"""[logs], [topic], [table], [database], [containers] and [controller]: what stands beside the
group, or in its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadcore_aws._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip

KEY_BYTES_MAX = 255
"""of an attribute that is a key ("Quotas in Amazon DynamoDB", Amazon DynamoDB Developer Guide)"""
IMAGE_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
"""Docker's grammar of a tag, which ECR keeps to"""


@dataclass(frozen=True)
class Logs:
    """The log group that instances or tasks write to, and how long it keeps what they wrote."""

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
    """A DynamoDB table, billed by request; without `sort_key`, "", each item has a partition key of
    its own."""

    partition_key: str = "userId"
    sort_key: str = ""
    point_in_time_recovery: bool = True

    def faults(self) -> Iterator[Fault]:
        if not self.partition_key:
            yield Fault(("partition_key",), "is empty; name an attribute, such as userId")
        for key in ("partition_key", "sort_key"):
            if len(getattr(self, key).encode()) > KEY_BYTES_MAX:
                yield Fault((key,), f"is longer than {KEY_BYTES_MAX} bytes; shorten it")
        if self.sort_key and self.sort_key == self.partition_key:
            yield Fault(("sort_key",), f"is {self.sort_key!r}, as partition_key is; name another "
                                       "attribute, or leave it out")  # fmt: skip


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
        if not IMAGE_TAG.fullmatch(self.image_tag):
            yield Fault(("image_tag",), f"is {self.image_tag!r}; take 1 to 128 letters, digits and "
                                        "_ . -, a letter, digit or _ first")  # fmt: skip
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
