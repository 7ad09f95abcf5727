"""Security groups: who may reach what, rule by rule.

Source: Amazon EC2 API Reference (version 2016-11-15), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from loadcore_aws.stack.errors import code_of
from loadcore_aws.stack.kinds import ec2_tags
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

Rule = dict[str, Any]
"""`protocol` ("tcp", "-1" for all of them), `from` and `to` (ports, -1 where the protocol has
none), `source`: a CIDR or another group's id; for egress it is where to."""

ALREADY_SO = {"InvalidPermission.Duplicate", "InvalidPermission.NotFound"}


class SecurityGroup(Kind):
    """Settings: `vpc`, `description`, `ingress` and `egress`: Rules in the order of sort_key()."""

    name = "security_group"
    fixed = frozenset({"vpc", "description"})
    gone_within_s = 600.0
    """a balancer's or an instance's interface keeps it in use for minutes after its owner went"""

    def find(self, account: Account, owner: Owner) -> list[Found]:
        groups = account.pages(
            "ec2",
            "describe_security_groups",
            "SecurityGroups",
            Filters=ec2_tags.owned(owner, self.name),
        )
        return [self._found(group) for group in groups]

    def _found(self, group: dict[str, Any]) -> Found:
        tags = ec2_tags.of(group)
        settings = {
            "vpc": group["VpcId"],
            "description": group["Description"],
            "ingress": _rules(group.get("IpPermissions") or ()),
            "egress": _rules(group.get("IpPermissionsEgress") or ()),
        }
        return Found(self.name, ec2_tags.name_of(tags), group["GroupId"], settings, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        """Rules follow as updates; AWS begins with "all may go out"."""
        account.client("ec2").create_security_group(
            GroupName=want.physical,
            Description=want.settings["description"],
            VpcId=want.settings["vpc"],
            TagSpecifications=ec2_tags.specification("security-group", want),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ec2 = account.client("ec2")
        verbs = {
            "ingress": (ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress),
            "egress": (ec2.authorize_security_group_egress, ec2.revoke_security_group_egress),
        }
        for side, (authorize, revoke) in verbs.items():
            had, wanted = found.settings[side], want.settings[side]
            if side in changed:
                _each(authorize, found.id, (rule for rule in wanted if rule not in had))
                _each(revoke, found.id, (rule for rule in had if rule not in wanted))
        if "tags" in changed:
            ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client("ec2").delete_security_group(GroupId=found.id)


def sort_key(rule: Rule) -> tuple[str, int, int, str]:
    """Of an `ingress` or `egress` list. A group that is still a Ref comes after each CIDR, as its
    id will: no CIDR begins with s."""
    source = rule["source"] if isinstance(rule["source"], str) else "sg-"
    return rule["protocol"], rule["from"], rule["to"], source


def _rules(permissions: Iterable[dict[str, Any]]) -> list[Rule]:
    return sorted((rule for each in permissions for rule in _flat(each)), key=sort_key)


def _flat(permission: dict[str, Any]) -> Iterator[Rule]:
    """AWS keeps all sources of the same ports in one permission."""
    ports = {
        "protocol": permission["IpProtocol"],
        "from": permission.get("FromPort", -1),
        "to": permission.get("ToPort", -1),
    }
    for key, member in (
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("UserIdGroupPairs", "GroupId"),
        ("PrefixListIds", "PrefixListId"),
    ):
        for source in permission.get(key) or ():
            yield {**ports, "source": source[member]}


def _permission(rule: Rule) -> dict[str, Any]:
    source = rule["source"]
    permission: dict[str, Any] = {"IpProtocol": rule["protocol"]}
    if rule["protocol"] != "-1":
        permission.update(FromPort=rule["from"], ToPort=rule["to"])
    if source.startswith("sg-"):
        permission["UserIdGroupPairs"] = [{"GroupId": source}]
    elif source.startswith("pl-"):
        permission["PrefixListIds"] = [{"PrefixListId": source}]
    elif ":" in source:
        permission["Ipv6Ranges"] = [{"CidrIpv6": source}]
    else:
        permission["IpRanges"] = [{"CidrIp": source}]
    return permission


def _each(verb: Callable[..., Any], group: str, rules: Iterable[Rule]) -> None:
    """One call for each rule: what a lost answer did already must not keep the others from being
    done."""
    for rule in rules:
        try:
            verb(GroupId=group, IpPermissions=[_permission(rule)])
        except ClientError as error:
            if code_of(error) not in ALREADY_SO:
                raise


KINDS: tuple[Kind, ...] = (SecurityGroup(),)
