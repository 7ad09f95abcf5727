"""What an instance is started with: the same for a launch template and for the template instance
that an image is made of.

User data has the plan it was made of in a comment, so that it can be compared setting by setting
and not only as text.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.names import tag_list
from loadcore_aws.stack.userdata import BYTES_MAX, Artifact, InstancePlan, render

if TYPE_CHECKING:
    from loadcore_aws.stack.resource import Settings

PLAN_LINE = "# plan: "
GZIP_MAGIC = b"\x1f\x8b"
EDITED = {"script": "is not what this loadcore writes"}


def user_data(plan: Mapping[str, Any], tail: str = "") -> bytes:
    """The script of instances with `plan`, InstancePlan's fields as JSON has them, and `tail`,
    which runs once all went well; packed where it is too long otherwise (cloud-init unpacks it).

    Raises lc.PlanError for what InstancePlan does not take, and for what is too long even so.
    """
    first, _, rest = render(_instance_plan(plan)).partition("\n")
    line = PLAN_LINE + json.dumps(plan, sort_keys=True, separators=(",", ":"))
    data = f"{first}\n{line}\n{rest}{tail}".encode()
    if len(data) > BYTES_MAX:
        data = gzip.compress(data, mtime=0)
    if len(data) > BYTES_MAX:
        raise lc.PlanError("instances", f"make {len(data)} bytes of user data, packed, and EC2 "
                           f"takes {BYTES_MAX}; give fewer wheels, or shorter environment, "
                           "arguments and migration")  # fmt: skip
    return data


def plan_of(data: bytes) -> dict[str, Any]:
    """The plan that user data was made of; with EDITED in it where it was changed since, by hand or
    because another loadcore wrote it."""
    try:
        text = (gzip.decompress(data) if data.startswith(GZIP_MAGIC) else data).decode()
        line = text.split("\n", 2)[1]
        plan = json.loads(line.removeprefix(PLAN_LINE))
        same = isinstance(plan, dict) and user_data(plan) == data
    except (ValueError, TypeError, KeyError, IndexError, EOFError, OSError):
        return dict(EDITED)
    return plan if same else {**(plan if isinstance(plan, dict) else {}), **EDITED}


def _instance_plan(plan: Mapping[str, Any]) -> InstancePlan:
    typed = {
        "package": Artifact(**plan["package"]),
        "wheels": tuple(Artifact(**wheel) for wheel in plan["wheels"]),
        "arguments": tuple(plan["arguments"]),
    }
    return InstancePlan(**{**plan, **typed})


def launch_data(settings: Settings) -> dict[str, Any]:
    """What CreateLaunchTemplateVersion and RunInstances call the settings of LaunchTemplate, but
    for user data, which one wants encoded and the other as it is."""
    disk, metadata = settings["disk"], settings["metadata"]
    data: dict[str, Any] = {
        "ImageId": settings["image"],
        "InstanceType": settings["type"],
        "IamInstanceProfile": {"Name": settings["profile"]},
        "SecurityGroupIds": list(settings["security_groups"]),
        "BlockDeviceMappings": [
            {
                "DeviceName": disk["device"],
                "Ebs": {
                    "VolumeSize": disk["gb"],
                    "VolumeType": disk["type"],
                    "Encrypted": disk["encrypted"],
                    "DeleteOnTermination": True,
                },
            }
        ],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": metadata["tokens"],
            "HttpPutResponseHopLimit": metadata["hops"],
            "InstanceMetadataTags": metadata["tags"],
        },
        "Monitoring": {"Enabled": settings["monitoring"]},
    }
    if settings["key_name"]:
        data["KeyName"] = settings["key_name"]
    return data


def tag_specifications(tags: Mapping[str, str], *types: str) -> list[dict[str, Any]]:
    return [{"ResourceType": each, "Tags": tag_list(tags)} for each in types]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes:
    return base64.b64decode(text)
