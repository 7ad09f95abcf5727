"""Which version of its launch template each instance of a group was made from. moto says of all of
them that it was the template's default version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from aws_front.front import Moto


def specification(group: dict[str, Any]) -> dict[str, str]:
    """The template that a group, or the arguments that update one, names; {} for none."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    found: dict[str, str] = group.get("LaunchTemplate") or mixed.get(
        "LaunchTemplateSpecification", {}
    )
    return found


def resolved(moto: Moto, region: str, named: dict[str, str]) -> tuple[str, int]:
    """Template id and number, with $Latest and $Default looked up; ("", 0) for none."""
    if not named:
        return ("", 0)
    key = "LaunchTemplateId" if named.get("LaunchTemplateId") else "LaunchTemplateName"
    found = moto.client("ec2", region).describe_launch_template_versions(
        **{key: named[key]}, Versions=[named.get("Version") or "$Default"]
    )["LaunchTemplateVersions"][0]
    return (found["LaunchTemplateId"], found["VersionNumber"])


def note(moto: Moto, region: str, group: dict[str, Any] | None) -> None:
    """Instances not seen before were made from what the group has now: to be called before that
    changes, and after. The caller holds the lock."""
    seen = moto.state.versions
    new = [
        i["InstanceId"] for i in (group or {}).get("Instances", []) if i["InstanceId"] not in seen
    ]
    if group and new:
        version = resolved(moto, region, specification(group))
        seen.update(dict.fromkeys(new, version))


def correct(moto: Moto, root: ElementTree.Element) -> None:
    """Puts the noted versions into a description of groups or instances."""
    with moto.lock:
        noted = dict(moto.state.versions)
    for member in root.iterfind(".//{*}member"):
        version = member.find("{*}LaunchTemplate/{*}Version")
        instance = member.findtext("{*}InstanceId", "")
        if version is not None and instance in noted:
            version.text = str(noted[instance][1])
