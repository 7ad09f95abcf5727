"""What a stack is made of: resources as data, and kinds that know how AWS keeps them.

A `Resource` is what the file asks for, a `Found` what the account has; both carry `settings` of the
same shape, so that a plan is a comparison. A `Kind` makes one into the other. None of its methods
repeats a call or waits: the engine (loadcore_aws.stack.converge) does, for all kinds alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from loadcore_aws.stack.names import digest_of

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

Settings = Mapping[str, Any]
"""Texts, numbers, truth values, None, lists and dicts of them. Lists without an order of their own
are sorted. In a Resource there may be Refs anywhere in it."""


@dataclass(frozen=True)
class Ref:
    """The `attribute` of another resource: its `id`, or what its Found.attributes name."""

    address: str
    attribute: str = "id"


@dataclass(frozen=True)
class Resource:
    """`name` is unique among its kind in the stack. `after` are addresses that must be ready first,
    beyond those the settings refer to."""

    kind: str
    name: str
    settings: Settings
    after: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}"

    def needs(self) -> set[str]:
        return {ref.address for ref in refs_in(self.settings)} | set(self.after)


@dataclass(frozen=True)
class Found:
    """Something of the stack in the account. `name` is the Resource's, out of its tag; `state` is
    what AWS says of it, for `status` and for waiting; `attributes` are what Refs may ask for."""

    kind: str
    name: str
    id: str
    settings: Settings
    attributes: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}"

    def attribute(self, name: str) -> str | None:
        """None while it has yet to be made."""
        return self.id if name == "id" else self.attributes.get(name)


@dataclass(frozen=True)
class Want:
    """A Resource ready to be made: Refs resolved, named and tagged. `token` is the same for each
    attempt of one apply, for calls that take an idempotency token."""

    address: str
    physical: str
    settings: Settings
    tags: Mapping[str, str]
    token: str

    @property
    def name(self) -> str:
        """The Resource's."""
        return self.address.partition(".")[2]


class Kind(ABC):
    """How one kind of resource is found, made, changed and removed. Its methods are called from
    several threads, for several accounts, so it remembers nothing between calls; one from `begun`
    may, but only what to tell or refuse: what is there, `find` alone knows.

    Every method may raise botocore's errors as they come. `create` may be called again after it
    failed or its answer was lost; if the first call took effect, `find` has shown it by then or the
    second one must do no harm. What create cannot set at once, the update after it does.
    """

    name: ClassVar[str]
    fixed: ClassVar[frozenset[str]] = frozenset()
    """settings that cannot be changed in place: another value means another resource"""
    unread: ClassVar[frozenset[str]] = frozenset()
    """settings that AWS does not give back, which are not compared"""
    holds_data: ClassVar[bool] = False
    """a replacement would lose data, so there is none"""
    standing: ClassVar[Mapping[str, str]] = {"vpc": "network"}
    """fixed settings that cannot even be replaced while the stack stands, as clients would be left
    without an answer; each with the file's word for it. Of the network: a gateway leaves it only
    after its last public address"""
    moving: ClassVar[frozenset[str]] = frozenset()
    """attributes that an update changes, so that what refers to them changes with it"""
    tagged: ClassVar[bool] = True
    """false for what AWS keeps no tags of: it is found through its parent"""
    ready_within_s: ClassVar[float] = 60.0
    """how long it may stand in one and the same state; see ready_within"""
    gone_within_s: ClassVar[float] = 120.0

    def begun(self, want: Settings) -> Kind:
        """For one resource, which is to have `want`, in one command and one thread."""
        return self

    @abstractmethod
    def find(self, account: Account, owner: Owner) -> list[Found]:
        """All of this kind that belong to the stack, surplus ones and those on their way out too,
        but not what is gone and only still listed (terminated, deleted)."""

    @abstractmethod
    def create(self, account: Account, want: Want) -> None: ...

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """Makes `changed` settings as wanted, `tags` being one of them; never called for fixed
        ones."""
        raise NotImplementedError(f"{self.name} has nothing that can be changed: {changed}")

    @abstractmethod
    def delete(self, account: Account, found: Found) -> None:
        """Begins the removal; what is already on its way out or gone is no error."""

    def pending(self, account: Account, found: Found) -> str:
        """What it still waits for, in a few words, or nothing once it is ready for its users. What
        follows a semicolon explains it, and is no other state.

        Raises loadcore.RunError where it never will be; it may begin the removal of such a one, so
        that the next attempt makes another."""
        return ""

    def ready_within(self, want: Settings, found: Found) -> float:
        """Seconds that one and the same `pending` may last, of what is to have `want`."""
        return self.ready_within_s

    def left_alone(self, want: Settings, have: Settings) -> frozenset[str]:
        """Settings that AWS moves as it was told to, and that stand at such a value: they are not
        compared."""
        return frozenset()

    def check_update(self, changes: Mapping[str, tuple[Any, Any]]) -> None:
        """Raises loadcore.PlanError for changes in place (setting → (had, wanted)) that AWS would
        refuse, or carry out other than wanted."""
        return

    def going(self, found: Found) -> bool:
        """Whether it is on its way out, and so no match for what is wanted."""
        return False


def refs_in(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from refs_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from refs_in(part)


def resolved(value: Any, known: Mapping[str, Found]) -> Any:
    """With Refs replaced as far as `known` goes; the others stay. A list that held Refs is sorted
    then, as ids come in no order."""
    if isinstance(value, Ref):
        found = known.get(value.address)
        made = found.attribute(value.attribute) if found is not None else None
        return value if made is None else made
    if isinstance(value, Mapping):
        return {key: resolved(part, known) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [resolved(part, known) for part in value]
        if any(isinstance(part, Ref) for part in value) and all(isinstance(p, str) for p in parts):
            return sorted(parts)
        return parts
    return value


def is_known(value: Any) -> bool:
    """Whether no part of it has yet to be made."""
    return next(refs_in(value), None) is None


def fixed_digest(kind: Kind, settings: Settings) -> str:
    """Of the settings that make it this resource and no other."""
    return digest_of({key: settings[key] for key in sorted(kind.fixed) if key in settings})


def differences(kind: Kind, want: Settings, have: Settings) -> dict[str, tuple[Any, Any]]:
    """Setting → (had, wanted) wherever they differ, of those that AWS gives back and does not move
    itself. A setting that still holds a Ref differs: what it refers to is to be made."""
    ignored = kind.unread | kind.left_alone(want, have)
    return {
        key: (have.get(key), value)
        for key, value in want.items()
        if key not in ignored and have.get(key) != value
    }
