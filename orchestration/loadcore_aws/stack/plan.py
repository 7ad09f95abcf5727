"""What would have to change: the file against the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import loadcore as lc
from loadcore_aws.stack import design, find, plan_text, prices
from loadcore_aws.stack.design.gather import gather
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.resource import Found, Resource, resolved
from loadcore_aws.stack.retry import FIRST_CALL_WITHIN_S, asked
from loadcore_aws.stack.spec import Head, Stack, check

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account

Action: TypeAlias = Literal["create", "update", "replace", "delete", "keep"]


@dataclass(frozen=True)
class Reason:
    """`wanted` may hold Refs to what does not exist yet."""

    setting: str
    had: Any
    wanted: Any


@dataclass(frozen=True)
class Change:
    """What is to happen to one address. `surplus` are those to be removed once all else is done:
    the one replaced, doubles, or all there is where the file no longer asks for it."""

    address: str
    action: Action
    wanted: Resource | None
    found: Found | None
    reasons: tuple[Reason, ...] = ()
    surplus: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is to happen to each address; `expires` None: the stack has no end."""

    stack: Stack
    owner: Owner
    expires: datetime | None
    changes: tuple[Change, ...]

    @property
    def empty(self) -> bool:
        return all(change.action == "keep" and not change.surplus for change in self.changes)

    @property
    def resources(self) -> tuple[Resource, ...]:
        return tuple(change.wanted for change in self.changes if change.wanted is not None)

    @property
    def cost(self) -> prices.Cost:
        """USD, an estimate; see loadcore_aws.stack.prices."""
        return prices.cost(self.resources, self.stack)

    def __str__(self) -> str:
        """As `loadcore stack plan` shows it, without colours and cost."""
        return plan_text.plain(self)

    def _repr_html_(self) -> str:
        return plan_text.html(self)

    def tags_of(self, address: str) -> dict[str, str]:
        return self.owner.tags(address, self.stack.tags, self.expires)


def owner_of(stack: Head, account: Account) -> Owner:
    """Raises loadcore.PlanError where the file is for another account or region."""
    if account.region != stack.region:
        raise lc.PlanError(
            "region", f"is {stack.region}, and the account was opened for {account.region}"
        )
    number = asked(
        account.time,
        "asking who we are",
        lambda: account.identify(stack.account),
        within_s=FIRST_CALL_WITHIN_S,
    )
    return Owner(stack.name, stack.region, number)


def make(stack: Stack, account: Account, *, expires: datetime | None = None) -> Plan:
    """What would have to change; changes nothing. From `expires` on a sweep may remove the stack;
    without it what has an end keeps it.

    Raises loadcore.PlanError for what cannot be and loadcore.RunError where AWS will not tell.
    """
    check(stack)
    owner = owner_of(stack, account)
    wanted = design.resources(stack, gather(account, stack))
    found = find.everything(account, owner)
    if expires is None:
        expires = find.latest_expiry(found)
    return planned(stack, owner, wanted, found, expires=expires)


def planned(
    stack: Stack,
    owner: Owner,
    resources: list[Resource],
    found: list[Found],
    *,
    expires: datetime | None = None,
) -> Plan:
    """What would have to change for `owner`, who has `found`, to have `resources`, each after what
    it needs; asks nobody.

    Raises loadcore.PlanError for what cannot be.
    """
    plan = Plan(stack, owner, expires, ())
    return replace(plan, changes=tuple(_changes(plan, in_order(resources), found)))


def in_order(resources: list[Resource]) -> list[Resource]:
    """What is needed before what needs it, otherwise as given."""
    by_address = {resource.address: resource for resource in resources}
    assert len(by_address) == len(resources), "two resources with one address"
    ordered: dict[str, Resource] = {}

    def place(resource: Resource, above: tuple[str, ...]) -> None:
        if resource.address in ordered:
            return
        assert resource.address not in above, f"a circle: {above}"
        for address in sorted(resource.needs()):
            place(by_address[address], (*above, resource.address))
        ordered[resource.address] = resource

    for resource in resources:
        place(resource, ())
    return list(ordered.values())


def _changes(plan: Plan, wanted: list[Resource], found: list[Found]) -> list[Change]:
    by_address: dict[str, list[Found]] = {}
    for each in found:
        by_address.setdefault(each.address, []).append(each)
    known: dict[str, Found] = {}
    changes = []
    for resource in wanted:
        change = _change(plan, resource, by_address.pop(resource.address, []), known)
        if change.found is not None and change.action != "replace":
            known[resource.address] = _to_be(change.found, change)
        changes.append(change)
    for address, rest in by_address.items():
        changes.append(Change(address, "delete", None, rest[0], surplus=tuple(rest)))
    _check_standing(changes)
    return changes


def _check_standing(changes: list[Change]) -> None:
    for change in changes:
        if change.action != "replace" or change.wanted is None:
            continue
        changed = {reason.setting for reason in change.reasons}
        for setting, word in find.kind_of(change.wanted).standing.items():
            if setting in changed:
                raise lc.PlanError(
                    word,
                    "cannot be changed while the stack stands, as nobody would answer in between; "
                    "destroy the stack first, or make one of another name beside it",
                )


def _to_be(found: Found, change: Change) -> Found:
    """Without what an update is going to change of it, which one of tags alone does not."""
    if all(reason.setting == "tags" for reason in change.reasons):
        return found
    moving = find.kind_of(found).moving
    stays = {key: value for key, value in found.attributes.items() if key not in moving}
    return replace(found, attributes=stays)


def _change(
    plan: Plan, resource: Resource, candidates: list[Found], known: Mapping[str, Found]
) -> Change:
    kind = find.kind_of(resource)
    settings = resolved(resource.settings, known)
    kept = find.match(kind, settings, candidates)
    surplus = tuple(each for each in candidates if each is not kept)
    if kept is None and not candidates:
        return Change(resource.address, "create", resource, None)
    old = kept or candidates[0]
    tags = plan.tags_of(resource.address)
    wrong = find.wrong_with(kind, settings, tags, old)
    reasons = [Reason(setting, *pair) for setting, pair in wrong.items()]
    if kept is not None:
        kind.check_update(wrong)
        action: Action = "update" if reasons else "keep"
        return Change(resource.address, action, resource, kept, tuple(reasons), surplus)
    if all(kind.going(each) for each in candidates):
        return Change(resource.address, "create", resource, None, surplus=surplus)
    _check_data(resource, reasons)
    return Change(resource.address, "replace", resource, old, tuple(reasons), surplus)


def _check_data(resource: Resource, reasons: list[Reason]) -> None:
    kind = find.kind_of(resource)
    if kind.holds_data:
        changed = ", ".join(reason.setting for reason in reasons if reason.setting in kind.fixed)
        raise lc.PlanError(
            resource.address,
            f"cannot change {changed} without losing its data; take a stack of another name and "
            "move the data, or change it back",
        )
