"""EC2: client tokens, how instances end, launch template versions, images.

Sources: Amazon EC2 API Reference, the action of each name; Developer Guide, "Ensuring idempotency
in Amazon EC2 API requests".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from aws_front.answers import Answer, ec2_answer, error

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_front.actions import Request
    from aws_front.front import Moto

_USER_DATA = "LaunchTemplateData.UserData"
_SNAPSHOT_TAG = re.compile(r"TagSpecification\.(\d+)\.Tag\.(\d+)\.(Key|Value)")


def once_per_token(request: Request, moto: Moto) -> Answer:
    """The same token again is the same call again: the first answer, nothing made."""
    return _once(request, moto, moto.forward)


def _once(request: Request, moto: Moto, make: Callable[[Request], Answer]) -> Answer:
    token = request.text("ClientToken")
    if not token:
        return make(request)
    with moto.lock:
        key = (request.region, request.action, token)
        if key in moto.state.tokens:
            parameters, answer = moto.state.tokens[key]
            if parameters == request.parameters:
                return answer
            message = "The request uses the same client token as a previous, but non-identical "
            return error(request, "IdempotentParameterMismatch", message + "request.")
        answer = make(request)
        if answer.good:
            moto.state.tokens[key] = (request.parameters, answer)
        return answer


def instances(request: Request, moto: Moto) -> Answer:
    """By client token as well; what Front.ended_by was told, where moto says that it was a user."""
    with moto.lock:
        reasons = dict(moto.state.state_reasons)
    names = [key for key, value in request.parameters.items() if value == "client-token"]
    tokens = {each for name in names for each in request.values(name.replace("Name", "Value"))}
    if not (tokens or reasons):
        return moto.forward(request)
    left_out = tuple(name.removesuffix("Name") for name in names)
    form = {
        k: v for k, v in request.parameters.items() if not left_out or not k.startswith(left_out)
    }
    answer = moto.forward(request.with_form(request.action, form))
    if not answer.good:
        return answer
    root = ElementTree.fromstring(answer.body)
    for listed in root.findall("./{*}reservationSet/{*}item/{*}instancesSet"):
        for item in list(listed):
            if tokens and item.findtext("{*}clientToken") not in tokens:
                listed.remove(item)
            elif said := reasons.get(item.findtext("{*}instanceId", "")):
                _say_reason(item, said)
    return Answer(answer.status, answer.headers, ElementTree.tostring(root))


def _say_reason(item: ElementTree.Element, said: str) -> None:
    code, message = item.find("{*}stateReason/{*}code"), item.find("{*}stateReason/{*}message")
    if code is not None and message is not None and code.text:  # it has ended, that is
        code.text, message.text = said.partition(":")[0], said


def create_template_version(request: Request, moto: Moto) -> Answer:
    """The user data stays here: no instance gets it, but all instances start."""

    def make(asked: Request) -> Answer:
        left_out = ("Action", "Version", _USER_DATA)
        form = {key: value for key, value in asked.parameters.items() if key not in left_out}
        answer = moto.forward(asked.with_form(asked.action, form))
        if answer.good and _USER_DATA in asked.parameters:
            made = ElementTree.fromstring(answer.body)
            key = (
                made.findtext(".//{*}launchTemplateId", ""),
                made.findtext(".//{*}versionNumber", ""),
            )
            with moto.lock:
                moto.state.user_data[key] = asked.text(_USER_DATA)
        return answer

    return _once(request, moto, make)


def delete_template_versions(request: Request, moto: Moto) -> Answer:
    """All but the default version can be deleted."""
    client = moto.client("ec2", request.region)
    key = "LaunchTemplateId" if request.text("LaunchTemplateId") else "LaunchTemplateName"
    wanted = request.values("LaunchTemplateVersion")
    found = client.describe_launch_template_versions(**{key: request.text(key)})
    gone, kept = [], []
    for version in found["LaunchTemplateVersions"]:
        number = str(version["VersionNumber"])
        if number not in wanted:
            continue
        told = {
            "launchTemplateId": version["LaunchTemplateId"],
            "launchTemplateName": version["LaunchTemplateName"],
            "versionNumber": number,
        }
        if version["DefaultVersion"]:
            refusal = {"code": "unexpectedError", "message": "The default version is not deleted"}
            kept.append({**told, "responseError": refusal})
        else:
            gone.append(told)
    with moto.lock:
        pairs = {(told["launchTemplateId"], told["versionNumber"]) for told in gone}
        moto.state.deleted_versions |= pairs
    result = {
        "successfullyDeletedLaunchTemplateVersionSet": gone,
        "unsuccessfullyDeletedLaunchTemplateVersionSet": kept,
    }
    return ec2_answer(request, result)


def templates(request: Request, moto: Moto) -> Answer:
    """With the tags that they have by now."""
    answer = moto.forward(request)
    if not answer.good:
        return answer
    ec2 = moto.client("ec2", request.region)
    root = ElementTree.fromstring(answer.body)
    for item in root.findall("./{*}launchTemplates/{*}item"):
        number = [{"Name": "resource-id", "Values": [item.findtext("{*}launchTemplateId", "")]}]
        space = item.tag.partition("}")[0] + "}"
        if (listed := item.find("{*}tagSet")) is None:
            listed = ElementTree.SubElement(item, f"{space}tagSet")
        for stale in list(listed):
            listed.remove(stale)
        for tag in ec2.describe_tags(Filters=number)["Tags"]:
            entry = ElementTree.SubElement(listed, f"{space}item")
            ElementTree.SubElement(entry, f"{space}key").text = tag["Key"]
            ElementTree.SubElement(entry, f"{space}value").text = tag["Value"]
    return Answer(answer.status, answer.headers, ElementTree.tostring(root))


def template_versions(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    with moto.lock:
        deleted, user_data = set(moto.state.deleted_versions), dict(moto.state.user_data)
    if not answer.good or not (deleted or user_data):
        return answer
    root = ElementTree.fromstring(answer.body)
    listed = root.find("./{*}launchTemplateVersionSet")
    for item in list(listed) if listed is not None else []:
        key = (item.findtext("{*}launchTemplateId", ""), item.findtext("{*}versionNumber", ""))
        if key in deleted and listed is not None:
            listed.remove(item)
        elif key in user_data and (data := item.find("{*}launchTemplateData")) is not None:
            space = item.tag.partition("}")[0] + "}"
            ElementTree.SubElement(data, f"{space}userData").text = user_data[key]
    return Answer(answer.status, answer.headers, ElementTree.tostring(root))


def create_image(request: Request, moto: Moto) -> Answer:
    client = moto.client("ec2", request.region)
    name = request.text("Name")
    with moto.lock:
        if client.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])[
            "Images"
        ]:
            message = f"AMI name {name} is already in use by AMI"
            return error(request, "InvalidAMIName.Duplicate", message)
        form, tags = _without_snapshot_tags(request.parameters)
        answer = moto.forward(request.with_form(request.action, form))
        if answer.good and tags:
            image = ElementTree.fromstring(answer.body).findtext("./{*}imageId", "")
            found = client.describe_images(ImageIds=[image])["Images"][0]
            disks = [m["Ebs"]["SnapshotId"] for m in found["BlockDeviceMappings"] if "Ebs" in m]
            client.create_tags(Resources=disks, Tags=tags)
        return answer


def _without_snapshot_tags(form: dict[str, str]) -> tuple[dict[str, str], list[dict[str, str]]]:
    specifications = {
        key.split(".")[1]
        for key, value in form.items()
        if key.startswith("TagSpecification.") and value == "snapshot"
    }
    tags: dict[str, dict[str, str]] = {}
    for key, value in form.items():
        match = _SNAPSHOT_TAG.fullmatch(key)
        if match and match[1] in specifications:
            tags.setdefault(match[2], {})[match[3]] = value
    kept = {
        key: value
        for key, value in form.items()
        if not (key.startswith("TagSpecification.") and key.split(".")[1] in specifications)
    }
    return kept, list(tags.values())
