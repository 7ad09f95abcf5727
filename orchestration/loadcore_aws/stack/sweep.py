"""Stacks that have outlived the end they were given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from loadcore_aws.stack.kinds.identity import folder
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import EXPIRES, STACK, Owner, parse_time, tag_dict
from loadcore_aws.stack.retry import asked

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account


@dataclass(frozen=True)
class Standing:
    """A stack that the account has something of; `expires` None: it was given no end."""

    owner: Owner
    expires: datetime | None

    def outlived(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


def standing(account: Account) -> list[Standing]:
    """All stacks of the region, by name, out of the tags of whatever they still have.

    Raises loadcore.RunError where AWS will not tell.
    """
    return asked(account.time, "looking for stacks", lambda: _standing(account))


def _standing(account: Account) -> list[Standing]:
    number = account.identify()
    ends: dict[str, datetime | None] = {}
    for tags in _tags(account):
        end = parse_time(tags.get(EXPIRES, ""))
        known = ends.get(tags[STACK])
        ends[tags[STACK]] = end if known is None else max(known, end or known)
    return [
        Standing(Owner(name, account.region, number), end) for name, end in sorted(ends.items())
    ]


def _tags(account: Account) -> Iterator[dict[str, str]]:
    """Of all that carries the stack's tag. The tagging API knows neither groups nor roles; they are
    asked for where they are kept."""
    listed = account.pages(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        TagFilters=[{"Key": STACK}],
    )
    for resource in listed:
        yield tag_dict(resource["Tags"])
    for service, operation in (("ec2", "describe_tags"), ("autoscaling", "describe_tags")):
        by_resource: dict[str, dict[str, str]] = {}
        keys = [{"Name": "key", "Values": [STACK, EXPIRES]}]
        for tag in account.pages(service, operation, "Tags", Filters=keys):
            by_resource.setdefault(tag["ResourceId"], {})[tag["Key"]] = tag["Value"]
        yield from (tags for tags in by_resource.values() if STACK in tags)
    for role in account.pages("iam", "list_roles", "Roles", PathPrefix=folder(account.region)):
        answer = unless_gone(account.client("iam").get_role, RoleName=role["RoleName"])
        tags = tag_dict(answer["Role"].get("Tags")) if answer is not None else {}
        if STACK in tags:
            yield tags
