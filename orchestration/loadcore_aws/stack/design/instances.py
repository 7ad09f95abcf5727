"""The launch template of the instances, and the image they start from where one is baked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.design import database, network, package
from loadcore_aws.stack.kinds.image import STOP
from loadcore_aws.stack.kinds.machine import user_data
from loadcore_aws.stack.names import RESOURCE, STACK, Owner, digest_of
from loadcore_aws.stack.resource import Ref, Resource

if TYPE_CHECKING:
    from loadcore_aws.stack.design.facts import Facts
    from loadcore_aws.stack.spec import Stack

LOOPBACK, EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"
SETTLE_S_MAX = 5
DRAIN_S = 20
"""where no hook holds the instance until it has drained"""
REF_CHARS_MAX = 128
"""The longest is the ARN of a database's secret, some 115."""
METADATA_KEY = re.compile(r"[A-Za-z0-9+\-=.,_:@]+")
"""tag keys that instance metadata can show ("View tags for your EC2 instances using instance
metadata", Amazon EC2 User Guide): with any other, instances do not start"""


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    """Raises loadcore.PlanError for what user data cannot carry: found while applying, it would be
    once a database is up and billed."""
    if stack.package is None:
        return []
    plan = instance_plan(stack, facts)
    user_data(_with_stand_ins(plan), STOP if stack.instances.bake else "")
    machine = _machine(stack, facts)
    if not stack.instances.bake:
        template = {**machine, "image": facts.image, "plan": plan}
        return [_template(stack, facts, template)]
    # Whatever became of it on the template instance, no clone runs the migration.
    clones = {**plan, "migration": ""}
    template = {**machine, "image": Ref("image.baked", "image"), "plan": clones}
    return [_image(stack, facts, machine, plan), _template(stack, facts, template)]


def instance_plan(stack: Stack, facts: Facts) -> dict[str, Any]:
    """InstancePlan's fields as JSON has them. The group and its hook are named before they are
    made: they need what comes of this."""
    (_, own), *wheels = (
        (name, {"key": package.key_of(name, file), "sha256": file.sha256})
        for name, file in package.named(facts)
    )
    drain_s = stack.group.drain_s or DRAIN_S
    return {
        "stack": stack.name,
        "region": facts.region,
        "bucket": Ref("bucket.packages"),
        "package": own,
        "wheels": [wheel for _, wheel in wheels],
        "port": stack.service.port,
        "admin_host": EVERY_ADDRESS if stack.access.metrics else LOOPBACK,
        "admin_port": stack.service.admin_port,
        "durability": stack.service.durability,
        "threads": stack.service.threads,
        "arguments": list(stack.service.arguments),
        "environment": _environment(stack, facts),
        "log_group": Ref("log_group.service"),
        "group": Owner(stack.name, facts.region, facts.account).physical("main"),
        "hook": "drain" if stack.group.drain_s else "",
        "drain_s": drain_s,
        "settle_s": min(SETTLE_S_MAX, drain_s - 1),
        "deregistration_delay_s": stack.balancer.deregistration_delay_s,
        "migration": stack.instances.migration,
    }


def _with_stand_ins(value: Any) -> Any:
    """With a text in place of each Ref, as long as any of theirs and hardly to be packed."""
    if isinstance(value, Ref):
        address = f"{value.address}.{value.attribute}"
        return hashlib.sha512(address.encode()).hexdigest()[:REF_CHARS_MAX]
    if isinstance(value, Mapping):
        return {key: _with_stand_ins(part) for key, part in value.items()}
    return value


def _environment(stack: Stack, facts: Facts) -> dict[str, Any]:
    """Of the service and the migration; what the file says wins. EC2 names the region to nobody,
    as ECS does, and boto3 looks at AWS_DEFAULT_REGION, other SDKs at AWS_REGION ("AWS Region", AWS
    SDKs and Tools Reference Guide)."""
    region = {"AWS_REGION": facts.region, "AWS_DEFAULT_REGION": facts.region}
    return {**region, **database.environment(stack), **stack.instances.environment}


def _machine(stack: Stack, facts: Facts) -> dict[str, Any]:
    """Without expiry in the tags: an end that is put off must not make new instances."""
    shown = all(METADATA_KEY.fullmatch(key) for key in stack.tags)
    return {
        "type": stack.instances.type,
        "key_name": stack.instances.key_name,
        "profile": Ref("instance_profile.instances"),
        "security_groups": [Ref("security_group.instances")],
        "disk": {
            "device": facts.root_device,
            "gb": stack.instances.disk_gb,
            "type": "gp3",
            "encrypted": True,
        },
        "metadata": {"tokens": "required", "hops": 1, "tags": "enabled" if shown else "disabled"},
        "monitoring": True,
    }


def _template(stack: Stack, facts: Facts, settings: dict[str, Any]) -> Resource:
    more = {
        "instance_tags": {**stack.tags, STACK: stack.name, RESOURCE: "instance.main"},
        "default_is_latest": True,
        "others": {},
    }
    return Resource(
        "launch_template", "instances", {**settings, **more}, after=package.addresses(facts)
    )


def _image(stack: Stack, facts: Facts, machine: dict[str, Any], plan: dict[str, Any]) -> Resource:
    """The digest is of all that ends up in the image, before ids are known: those that may change
    are of things that hold data, and such are never replaced."""
    content = {"base": facts.image, "disk": machine["disk"], "plan": plan}
    settings = {
        **machine,
        "image": facts.image,
        "plan": plan,
        "subnet": network.instance_subnets(stack, facts)[0],
        "digest": digest_of(content),
        "next_step": "",
    }
    after = (*package.addresses(facts), *network.way_out(stack))
    return Resource("image", "baked", settings, after)
