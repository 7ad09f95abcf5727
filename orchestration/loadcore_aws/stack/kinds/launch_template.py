"""The launch template of the stack's instances.

Source: Amazon EC2 API Reference (version 2016-11-15), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds import ec2_tags, machine
from loadcore_aws.stack.names import tag_dict
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner


class LaunchTemplate(Kind):
    """Settings: `image`, `type`, `key_name` (empty: none), `profile` (an instance profile's name),
    `security_groups` (sorted ids), `disk` (`device`, `gb`, `type`, `encrypted`), `metadata`
    (`tokens`, `hops`, `tags`), `monitoring` (detailed), `instance_tags` (of instances and their
    volumes), `plan` (see machine.py), `default_is_latest`, `others` (whatever else somebody put
    into the template, as a path of AWS's names → value; none).

    A change makes a new version. Attributes: `version`, the latest one, which is the default, too.
    """

    name = "launch_template"
    moving = frozenset({"version"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        templates = account.pages(
            "ec2",
            "describe_launch_templates",
            "LaunchTemplates",
            Filters=ec2_tags.owned(owner, self.name),
        )
        return [self._found(account, template) for template in templates]

    def _found(self, account: Account, template: dict[str, Any]) -> Found:
        tags = ec2_tags.of(template)
        versions = account.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"]
        )["LaunchTemplateVersions"]
        settings = _settings(versions[0]["LaunchTemplateData"])
        settings["default_is_latest"] = versions[0]["DefaultVersion"]
        return Found(
            self.name,
            ec2_tags.name_of(tags),
            template["LaunchTemplateId"],
            settings,
            attributes={"version": str(versions[0]["VersionNumber"])},
            tags=tags,
        )

    def create(self, account: Account, want: Want) -> None:
        account.client("ec2").create_launch_template(
            LaunchTemplateName=want.physical,
            ClientToken=want.token,
            LaunchTemplateData=_data(want),
            TagSpecifications=ec2_tags.specification("launch-template", want),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """The new version first, then its being the default: interrupted in between,
        `default_is_latest` shows it."""
        ec2 = account.client("ec2")
        version = found.attributes["version"]
        if changed - {"tags", "default_is_latest"}:
            made = ec2.create_launch_template_version(
                LaunchTemplateId=found.id,
                ClientToken=f"{want.token}-version",
                LaunchTemplateData=_data(want),
            )
            version = str(made["LaunchTemplateVersion"]["VersionNumber"])
        if changed - {"tags"}:
            ec2.modify_launch_template(LaunchTemplateId=found.id, DefaultVersion=version)
        if "tags" in changed:
            ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client("ec2").delete_launch_template(LaunchTemplateId=found.id)


def _data(want: Want) -> dict[str, Any]:
    settings = want.settings
    return {
        **machine.launch_data(settings),
        "UserData": machine.encoded(machine.user_data(settings["plan"])),
        "TagSpecifications": machine.tag_specifications(
            settings["instance_tags"], "instance", "volume"
        ),
    }


READ = {
    "ImageId", "InstanceType", "KeyName", "SecurityGroupIds", "UserData", "TagSpecifications",
    "IamInstanceProfile", "IamInstanceProfile.Name", "Monitoring", "Monitoring.Enabled",
    "MetadataOptions", "MetadataOptions.HttpTokens", "MetadataOptions.HttpPutResponseHopLimit",
    "MetadataOptions.InstanceMetadataTags", "BlockDeviceMappings", "BlockDeviceMappings.DeviceName",
    "BlockDeviceMappings.Ebs", "BlockDeviceMappings.Ebs.VolumeSize",
    "BlockDeviceMappings.Ebs.VolumeType", "BlockDeviceMappings.Ebs.Encrypted",
    "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "MetadataOptions.State",
}  # fmt: skip
"""What the other settings tell, and last whether options have come into force, which is AWS's own
(LaunchTemplateInstanceMetadataOptions, Amazon EC2 API Reference)."""

USUAL = {
    "MetadataOptions.HttpEndpoint": "enabled",
    "MetadataOptions.HttpProtocolIpv6": "disabled",
}
"""what may also be told where nobody asked for anything else"""


def _settings(data: dict[str, Any]) -> dict[str, Any]:
    """Of a version; what these settings have no words for becomes one that differs."""
    metadata = data.get("MetadataOptions", {})
    tags = {
        each["ResourceType"]: tag_dict(each["Tags"])
        for each in data.get("TagSpecifications", ())
        if each["ResourceType"] != "launch-template"  # its own, which are no instance's
    }
    same_tags = tags.keys() == {"instance", "volume"} and tags["instance"] == tags["volume"]
    return {
        "image": data.get("ImageId"),
        "type": data.get("InstanceType"),
        "key_name": data.get("KeyName", ""),
        "profile": data.get("IamInstanceProfile", {}).get("Name"),
        "security_groups": sorted(data.get("SecurityGroupIds", ())),
        "disk": _disk(data.get("BlockDeviceMappings", [])),
        "metadata": {
            "tokens": metadata.get("HttpTokens"),
            "hops": metadata.get("HttpPutResponseHopLimit"),
            "tags": metadata.get("InstanceMetadataTags"),
        },
        "monitoring": data.get("Monitoring", {}).get("Enabled"),
        "instance_tags": tags["instance"] if same_tags else tags,
        "plan": machine.plan_of(machine.decoded(data.get("UserData", ""))),
        "others": _others(data),
    }


def _others(data: dict[str, Any]) -> dict[str, Any]:
    disk = (data.get("BlockDeviceMappings") or [{}])[0]
    parts = {
        "": data,
        "IamInstanceProfile.": data.get("IamInstanceProfile", {}),
        "Monitoring.": data.get("Monitoring", {}),
        "MetadataOptions.": data.get("MetadataOptions", {}),
        "BlockDeviceMappings.": disk,
        "BlockDeviceMappings.Ebs.": disk.get("Ebs", {}),
    }
    told = {prefix + key: value for prefix, part in parts.items() for key, value in part.items()}
    return {
        name: value
        for name, value in told.items()
        if value and name not in READ and value != USUAL.get(name)
    }


def _disk(mappings: list[dict[str, Any]]) -> dict[str, Any] | None:
    if len(mappings) != 1 or not mappings[0].get("Ebs", {}).get("DeleteOnTermination"):
        return None
    ebs = mappings[0]["Ebs"]
    return {
        "device": mappings[0]["DeviceName"],
        "gb": ebs.get("VolumeSize"),
        "type": ebs.get("VolumeType"),
        "encrypted": ebs.get("Encrypted"),
    }


KINDS: tuple[Kind, ...] = (LaunchTemplate(),)
