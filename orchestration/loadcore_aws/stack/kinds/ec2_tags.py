"""Tags and filters as EC2 takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.names import RESOURCE, STACK, tag_dict, tag_list

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Want


def owned(owner: Owner, kind: str) -> list[dict[str, Any]]:
    """Filters for what is of the stack and of this kind."""
    return [
        {"Name": f"tag:{STACK}", "Values": [owner.stack]},
        {"Name": f"tag:{RESOURCE}", "Values": [f"{kind}.*"]},
    ]


def specification(resource_type: str, want: Want) -> list[dict[str, Any]]:
    """Tags that come into being with the resource, so that nothing is ever without; a Name of the
    user's own before ours."""
    return [{"ResourceType": resource_type, "Tags": tag_list({"Name": want.physical, **want.tags})}]


def of(element: Mapping[str, Any]) -> dict[str, str]:
    return tag_dict(element.get("Tags"))


def name_of(tags: Mapping[str, str]) -> str:
    """The Resource's name, out of its address."""
    return tags[RESOURCE].partition(".")[2]


def retag(account: Account, resource_id: str, want: Want) -> None:
    account.client("ec2").create_tags(Resources=[resource_id], Tags=tag_list(want.tags))
