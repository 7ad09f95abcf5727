"""What a design needs to know of the account and of files before it can be written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class File:
    """A local file to be uploaded. Its name in the bucket holds the digest, so another content is
    another object."""

    path: str
    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Facts:
    """`zones`: two of the region's. The default network's values are empty where there is none, and
    the image's where the stack runs containers. `package` is first, what it depends on after it."""

    account: str
    partition: str
    region: str
    zones: tuple[str, ...]
    default_vpc: str = ""
    default_subnets: tuple[str, ...] = ()
    image: str = ""
    root_device: str = ""
    packages: tuple[File, ...] = field(default=())
    controller: str = ""
    """the text of the controller's file"""
    now: datetime | None = None
    """so that what was to happen once and is over is not asked for again"""
