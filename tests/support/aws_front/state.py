"""What the front remembers because moto does not; new for each test."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aws_front.answers import Answer

Place: TypeAlias = "tuple[str, str]"
"""Region and name."""

RefreshStatus: TypeAlias = Literal[
    "Pending",
    "InProgress",
    "Successful",
    "Failed",
    "Cancelling",
    "Cancelled",
    "RollbackInProgress",
    "RollbackSuccessful",
]


@dataclass
class Refresh:
    """One instance refresh. `pending` are the instances still to be replaced, `batch` of them at
    each poll; `wanted` is what the group is to have afterwards, `old` what it had: arguments of
    update_auto_scaling_group. `since` is when its instances were last replaced."""

    id: str
    status: RefreshStatus
    started: str
    preferences: dict[str, Any]
    wanted: dict[str, Any]
    old: dict[str, Any]
    originals: frozenset[str]
    pending: list[str]
    total: int
    batch: int
    since: float
    reason: str = ""
    ended: str = ""
    cancel_waits: bool = False
    """for the instances on their way, once it is to end"""

    @property
    def active(self) -> bool:
        return self.status in ("Pending", "InProgress", "Cancelling", "RollbackInProgress")

    @property
    def percent(self) -> int:
        return 100 * (self.total - len(self.pending)) // self.total if self.total else 100


@dataclass
class State:
    group_extras: dict[Place, dict[str, Any]] = field(default_factory=dict)
    notifications: dict[Place, dict[str, list[str]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    refreshes: dict[Place, list[Refresh]] = field(default_factory=lambda: defaultdict(list))
    suspensions: dict[Place, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """why each process of a group was suspended last"""
    activities: dict[Place, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    launched: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    versions: dict[str, tuple[str, int]] = field(default_factory=dict)
    tracking_alarms: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    tokens: dict[tuple[str, str, str], tuple[dict[str, Any], Answer]] = field(default_factory=dict)
    user_data: dict[tuple[str, str], str] = field(default_factory=dict)
    """of launch template versions, by the template's id and the version's number"""
    deleted_versions: set[tuple[str, str]] = field(default_factory=set)
    bucket_policies: dict[str, str] = field(default_factory=dict)
    samples: dict[tuple[str, ...], list[tuple[float, float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    scalable_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    state_reasons: dict[str, str] = field(default_factory=dict)
    """of instances that have ended, by their id"""
    unseen_profiles: dict[str, int] = field(default_factory=dict)
