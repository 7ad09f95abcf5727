"""Stacks that have outlived the end they were given.

Tags outlive what they were on, and instances keep those that they were started with. So tags tell
only which stacks there may be; of each, what it has by now tells whether it is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws.stack import find
from loadcore_aws.stack.kinds.identity import folder
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import EXPIRES, STACK, Owner, parse_time, tag_dict
from loadcore_aws.stack.retry import FIRST_CALL_WITHIN_S, asked
from loadcore_aws.stack.spec import NAME

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.resource import Found


@dataclass(frozen=True)
class Standing:
    """A stack that the account has something of: `found`. `expires` is the latest end that any of
    it carries, as `plan` and `status` tell it; None: it was given none. `untold` is why AWS will
    not tell what there is of it."""

    owner: Owner
    expires: datetime | None
    found: tuple[Found, ...] = ()
    untold: lc.LoadcoreError | None = None

    @property
    def endless(self) -> tuple[str, ...]:
        """Addresses of what carries the stack's tag and no end: an apply that was to give the stack
        one was interrupted, or somebody took it away. What AWS keeps no tags of says nothing."""
        tagged = (each for each in self.found if STACK in each.tags)
        return tuple(
            each.address for each in tagged if parse_time(each.tags.get(EXPIRES, "")) is None
        )

    def past(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now

    def outlived(self, now: datetime) -> bool:
        """Whether all of it says so: rather does a stack stay than that a live one goes."""
        return self.past(now) and not self.endless


def standing(account: Account) -> list[Standing]:
    """All stacks of which the region has something, by name.

    Raises loadcore.RunError where AWS will not tell which there may be.
    """
    number = asked(
        account.time, "asking who we are", account.identify, within_s=FIRST_CALL_WITHIN_S
    )
    names = asked(account.time, "looking for stacks", lambda: set(_names(account)))
    # What nobody can have called a stack, somebody has tagged by hand; EC2's filters would take a
    # star in it for any stack ("List and filter using the CLI and API", Amazon EC2 User Guide).
    owners = [Owner(name, account.region, number) for name in sorted(names) if NAME.fullmatch(name)]
    looked = (_looked(account, owner) for owner in owners)
    return [each for each in looked if each.found or each.untold]


def look(account: Account, owner: Owner) -> Standing:
    """Raises loadcore.RunError where AWS will not tell what there is."""
    found = find.everything(account, owner)
    return Standing(owner, find.latest_expiry(found), tuple(found))


def _looked(account: Account, owner: Owner) -> Standing:
    try:
        return look(account, owner)
    except lc.LoadcoreError as error:
        return Standing(owner, None, untold=error)


def _names(account: Account) -> Iterator[str]:
    """Of all stacks whose tag anything carries. The tagging API knows neither groups nor roles;
    they are asked for where they are kept."""
    listed = account.pages(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        TagFilters=[{"Key": STACK}],
    )
    for resource in listed:
        yield tag_dict(resource["Tags"])[STACK]
    for service in ("ec2", "autoscaling"):
        key = [{"Name": "key", "Values": [STACK]}]
        for tag in account.pages(service, "describe_tags", "Tags", Filters=key):
            yield tag["Value"]
    for role in account.pages("iam", "list_roles", "Roles", PathPrefix=folder(account.region)):
        answer = unless_gone(account.client("iam").get_role, RoleName=role["RoleName"])
        tags = tag_dict(answer["Role"].get("Tags")) if answer is not None else {}
        if STACK in tags:
            yield tags[STACK]
