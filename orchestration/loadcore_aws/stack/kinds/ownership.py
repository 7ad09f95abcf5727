"""Whether something in the account is the stack's: what its tags say, for services whose describe
calls cannot filter by tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

import loadcore as lc
from loadcore_aws.stack.errors import Meaning, meaning
from loadcore_aws.stack.names import RESOURCE, STACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Found, Want

Listed = TypeVar("Listed")


def name_in(tags: Mapping[str, str], owner: Owner, kind: str) -> str | None:
    """The Resource's name; None for what is of another stack, of another kind or of nobody."""
    if tags.get(STACK) != owner.stack:
        return None
    said, _, name = tags.get(RESOURCE, "").partition(".")
    return name if said == kind and name else None


def check_ours(tags: Mapping[str, str], want: Want, there: str) -> None:
    """For what is `there` under the name that `want` is to have: not every service refuses to make
    a second one, or to make it into what is wanted.

    Raises loadcore.RunError where its tags do not say that it is the stack's.
    """
    ours = {key: want.tags[key] for key in (STACK, RESOURCE)}
    if not ours.items() <= tags.items():
        put_back = " and ".join(f"{key} = {value}" for key, value in ours.items())
        raise lc.RunError(
            f"{want.address}: there is a {there} that is not of this stack; give the stack another "
            f"name, or, if it is this stack's and has lost its tags, put back {put_back}"
        )


def all_found(listed: Iterable[Listed], look: Callable[[Listed], Found | None]) -> list[Found]:
    """What `look` makes of each, without those that are not the stack's (None) and those that are
    listed and gone by the time they are looked at."""
    found = []
    for each in listed:
        try:
            seen = look(each)
        except ClientError as error:
            if meaning(error) is not Meaning.GONE:
                raise
            continue
        if seen is not None:
            found.append(seen)
    return found
