"""IAM roles and instance profiles.

They belong to the account and not to a region, so their names hold the region's. Their path holds
stack and region: listing by path costs one call, however many roles the account has.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from loadcore_aws.stack.errors import code_of
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import STACK, tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner


def folder(region: str) -> str:
    """The path below which each stack of the region has one of its own."""
    return f"/loadcore/{region}/"


def _path(stack: str, region: str) -> str:
    return f"{folder(region)}{stack}/"


def _listed(account: Account, owner: Owner, operation: str, key: str) -> list[dict[str, Any]]:
    path = _path(owner.stack, owner.region)
    listed = account.pages("iam", operation, key, PathPrefix=path)
    return [each for each in listed if each["Path"] == path]


def _physical(account: Account, want: Want) -> str:
    return f"{want.physical}-{account.region}"


class Role(Kind):
    """Settings: `trust` (a policy document), `policies` (name → policy document, inline),
    `attached` (sorted ARNs of managed policies; none). Its id is its name; attributes: `arn`."""

    name = "role"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        roles = _listed(account, owner, "list_roles", "Roles")
        return all_found(roles, lambda role: self._found(account, owner, role["RoleName"]))

    def _found(self, account: Account, owner: Owner, physical: str) -> Found | None:
        """A list of roles tells no tags (ListRoles, IAM API Reference)."""
        iam = account.client("iam")
        role = iam.get_role(RoleName=physical)["Role"]
        tags = tag_dict(role.get("Tags"))
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        policies = account.pages("iam", "list_role_policies", "PolicyNames", RoleName=physical)
        attached = account.pages(
            "iam", "list_attached_role_policies", "AttachedPolicies", RoleName=physical
        )
        settings = {
            "trust": role["AssumeRolePolicyDocument"],
            "policies": {
                policy: iam.get_role_policy(RoleName=physical, PolicyName=policy)["PolicyDocument"]
                for policy in policies
            },
            "attached": sorted(each["PolicyArn"] for each in attached),
        }
        return Found(self.name, name, physical, settings, {"arn": role["Arn"]}, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        """Policies follow as updates."""
        account.client("iam").create_role(
            RoleName=_physical(account, want),
            Path=_path(want.tags[STACK], account.region),
            AssumeRolePolicyDocument=json.dumps(want.settings["trust"]),
            Description=f"{want.address} of loadcore stack {want.tags[STACK]}",
            Tags=tag_list(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        iam = account.client("iam")
        if "trust" in changed:
            iam.update_assume_role_policy(
                RoleName=found.id, PolicyDocument=json.dumps(want.settings["trust"])
            )
        if "policies" in changed:
            had, wanted = found.settings["policies"], want.settings["policies"]
            for name, document in wanted.items():
                if had.get(name) != document:
                    iam.put_role_policy(
                        RoleName=found.id, PolicyName=name, PolicyDocument=json.dumps(document)
                    )
            for name in sorted(had.keys() - wanted.keys()):
                unless_gone(iam.delete_role_policy, RoleName=found.id, PolicyName=name)
        if "attached" in changed:
            self._detach_all(iam, found)
        if "tags" in changed:
            iam.tag_role(RoleName=found.id, Tags=tag_list(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        """Also without managed policies that somebody attached: a role that has one stays."""
        iam = account.client("iam")
        self._detach_all(iam, found)
        for name in found.settings["policies"]:
            unless_gone(iam.delete_role_policy, RoleName=found.id, PolicyName=name)
        iam.delete_role(RoleName=found.id)

    def _detach_all(self, iam: Any, found: Found) -> None:
        for arn in found.settings["attached"]:
            unless_gone(iam.detach_role_policy, RoleName=found.id, PolicyArn=arn)


class InstanceProfile(Kind):
    """Settings: `roles`: the name of the one that it hands to instances, in a list, since it may
    have none for a moment. Its id is its name; attributes: `arn`."""

    name = "instance_profile"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        profiles = _listed(account, owner, "list_instance_profiles", "InstanceProfiles")
        return all_found(
            profiles, lambda profile: self._found(account, owner, profile["InstanceProfileName"])
        )

    def _found(self, account: Account, owner: Owner, physical: str) -> Found | None:
        """A list of profiles tells no tags (ListInstanceProfiles, IAM API Reference)."""
        iam = account.client("iam")
        profile = iam.get_instance_profile(InstanceProfileName=physical)["InstanceProfile"]
        tags = tag_dict(profile.get("Tags"))
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        settings = {"roles": [role["RoleName"] for role in profile["Roles"]]}
        return Found(self.name, name, physical, settings, {"arn": profile["Arn"]}, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        """The role follows as an update: there is no call for both."""
        account.client("iam").create_instance_profile(
            InstanceProfileName=_physical(account, want),
            Path=_path(want.tags[STACK], account.region),
            Tags=tag_list(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        iam = account.client("iam")
        if "roles" in changed:
            self._empty(iam, found)
            for role in want.settings["roles"]:
                self._add(iam, found.id, role)
        if "tags" in changed:
            iam.tag_instance_profile(InstanceProfileName=found.id, Tags=tag_list(want.tags))

    def _add(self, iam: Any, profile: str, role: str) -> None:
        """A profile has one role at most, so this limit means that one is in it and does not show
        yet ("Troubleshooting IAM", AWS IAM User Guide): the next look will tell which."""
        try:
            iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
        except ClientError as error:
            if code_of(error) != "LimitExceeded":
                raise

    def delete(self, account: Account, found: Found) -> None:
        iam = account.client("iam")
        self._empty(iam, found)
        iam.delete_instance_profile(InstanceProfileName=found.id)

    def _empty(self, iam: Any, found: Found) -> None:
        for role in found.settings["roles"]:
            unless_gone(
                iam.remove_role_from_instance_profile,
                InstanceProfileName=found.id,
                RoleName=role,
            )


KINDS: tuple[Kind, ...] = (Role(), InstanceProfile())
