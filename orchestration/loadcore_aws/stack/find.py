"""What the account has of a stack, and which of it is what the file asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds import BY_NAME, KINDS
from loadcore_aws.stack.names import EXPIRES, parse_time
from loadcore_aws.stack.resource import Found, Kind, Settings, differences
from loadcore_aws.stack.retry import asked

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

AT_ONCE_MAX = 8


def everything(account: Account, owner: Owner, kinds: Iterable[Kind] = KINDS) -> list[Found]:
    """All that belongs to the stack, of every kind there is, whatever its file says by now.

    Raises loadcore.RunError where AWS will not tell.
    """

    def of_kind(kind: Kind) -> list[Found]:
        doing = f"looking for {kind.name}"
        return asked(account.time, doing, lambda: kind.find(account, owner))

    with ThreadPoolExecutor(AT_ONCE_MAX) as pool:
        found = [each for part in pool.map(of_kind, kinds) for each in part]
    return sorted(found, key=lambda each: (each.kind, each.name, each.id))


def kind_of(thing: Any) -> Kind:
    """Of a Resource or a Found."""
    return BY_NAME[thing.kind]


def is_it(kind: Kind, settings: Settings, found: Found) -> bool:
    """Whether `found` can become what is wanted without being replaced."""
    if kind.going(found):
        return False
    return all(
        found.settings.get(key) == settings[key]
        for key in kind.fixed - kind.unread
        if key in settings
    )


def match(kind: Kind, settings: Settings, candidates: Iterable[Found]) -> Found | None:
    """The one to keep; of several the first by id, so that every run chooses alike."""
    fitting = [found for found in candidates if is_it(kind, settings, found)]
    return min(fitting, key=lambda found: found.id) if fitting else None


def wrong_with(
    kind: Kind, settings: Settings, tags: Mapping[str, str], found: Found
) -> dict[str, tuple[Any, Any]]:
    """Setting, or `tags`, to what it has and what is wanted, wherever these differ. Tags that
    others put there are left alone."""
    wrong = differences(kind, settings, found.settings)
    missing = sorted(key for key in tags if found.tags.get(key) != tags[key])
    if kind.tagged and missing:
        had = {key: found.tags.get(key) for key in missing}
        wrong["tags"] = (had, {key: tags[key] for key in missing})
    return wrong


def latest_expiry(found: Iterable[Found]) -> datetime | None:
    """The end that a stack has, of which these are; None where it has none."""
    times = [parse_time(each.tags[EXPIRES]) for each in found if EXPIRES in each.tags]
    return max((time for time in times if time is not None), default=None)
