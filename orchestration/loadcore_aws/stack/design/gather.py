"""Looks up what a design needs to know: who we are, which zones, networks, images and instance
types there are, and what is in the files that are to be uploaded. Changes nothing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.errors import code_of
from loadcore_aws.stack.kinds import ec2_tags
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.retry import asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.spec import Stack


SSM = "ssm:"
ZONES = 2
MACHINE = re.compile(r"_(x86_64|aarch64)\.(?:whl|rpm)$|\.(x86_64|aarch64)\.rpm$")
WITHOUT_DNF = {
    "ssm:/aws/service/debian/": "Debian",
    "ssm:/aws/service/canonical/": "Ubuntu",
}
"""public parameters of images that take no RPM, and whose they are"""
NO_IMAGE = {"ParameterNotFound", "InvalidAMIID.NotFound", "InvalidAMIID.Malformed",
            "InvalidAMIID.Unavailable"}  # fmt: skip


def gather(account: Account, stack: Stack) -> Facts:
    """Raises loadcore.PlanError for what the file asks for and does not exist, naming the setting,
    and loadcore.RunError where AWS will not tell."""
    _check_rpm(stack)
    packages = _packages(stack)  # first: it costs no call
    controller = _controller(stack)
    number = asked(account.time, "asking who we are", lambda: account.identify(stack.account))
    offered = _zones_offering(account, stack)
    vpc, subnets = _default_network(account, stack, offered)
    image = _Image(account, stack) if stack.containers is None else None
    if image is not None:
        image.check(account, stack, packages)
    return Facts(
        account=number,
        partition=account.partition,
        region=account.region,
        zones=_zones(account, stack, number, offered),
        default_vpc=vpc,
        default_subnets=subnets,
        image=image.id if image else "",
        root_device=image.root_device if image else "",
        packages=packages,
        controller=controller,
        now=account.time.date(),
    )


def _all(account: Account, operation: str, key: str, **parameters: Any) -> list[Any]:
    doing = operation.replace("_", " ")
    return asked(account.time, doing, lambda: account.pages("ec2", operation, key, **parameters))


# --- files


def _packages(stack: Stack) -> tuple[File, ...]:
    if stack.package is None:
        return ()
    own = Path(stack.package.file)
    if not own.is_file():
        raise lc.PlanError(
            "package.file",
            f"{own} does not exist; run  pip wheel --no-deps -w {own.parent} .  in loadcore's "
            "folder, or correct the path",
        )
    files = [_file(own, "package.file")]
    if stack.package.wheels:
        folder = Path(stack.package.wheels)
        wheels = sorted(folder.glob("*.whl"))
        if not wheels:
            raise lc.PlanError(
                "package.wheels",
                f"{folder} holds no wheels; run  pip wheel -w {folder} '.[aws]'  in loadcore's "
                "folder, or leave the setting out, where instances reach a package index",
            )
        files += [_file(path, "package.wheels") for path in wheels if path.name != own.name]
    return tuple(files)


def _check_rpm(stack: Stack) -> None:
    if stack.package is None or not stack.package.file.endswith(".rpm"):
        return
    image = stack.instances.image
    for prefix, system in WITHOUT_DNF.items():
        if image.startswith(prefix):
            raise lc.PlanError(
                "package.file",
                f"{stack.package.file} is an RPM, and instances.image, {image}, is {system}; give "
                "a wheel, or an image of Amazon Linux 2023",
            )


def _file(path: Path, field: str) -> File:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return File(str(path), path.name, digest.hexdigest(), path.stat().st_size)
    except OSError as error:
        sentence = f"{path} could not be read: {error.strerror}; see who may read it"
        raise lc.PlanError(field, sentence) from None


def _controller(stack: Stack) -> str:
    if stack.controller is None:
        return ""
    try:
        return Path(stack.controller.file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        sentence = f"{stack.controller.file} could not be read: {why}; correct the path"
        raise lc.PlanError("controller.file", sentence) from None


# --- where


def _types(stack: Stack) -> dict[str, str]:
    """Instance type → the setting that asks for it."""
    if stack.containers is not None:
        return {}
    mixed = stack.instances.mixed.types if stack.instances.mixed is not None else ()
    return {stack.instances.type: "instances.type"} | dict.fromkeys(mixed, "instances.mixed.types")


def _zones_offering(account: Account, stack: Stack) -> list[str]:
    """Zones that any account may use and that have all the instance types, sorted."""
    filters = [
        {"Name": "state", "Values": ["available"]},
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
    ]
    answer = asked(
        account.time,
        "describe availability zones",
        lambda: account.client("ec2").describe_availability_zones(Filters=filters),
    )
    zones = {zone["ZoneName"] for zone in answer["AvailabilityZones"]}
    types = _types(stack)
    if types:
        offers = _all(
            account,
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": sorted(types)}],
        )
        for name, field in types.items():
            has = {offer["Location"] for offer in offers if offer["InstanceType"] == name}
            if not has:
                sentence = f"{name} is not offered in {account.region}; choose another type"
                raise lc.PlanError(field, sentence)
            zones &= has
    if len(zones) < ZONES:
        raise lc.PlanError(
            "instances.type" if types else "region",
            f"fewer than two zones of {account.region} have {', '.join(types) or 'any room'}, and "
            "a balancer needs two; choose another type or region",
        )
    return sorted(zones)


def _default_network(
    account: Account, stack: Stack, zones: list[str]
) -> tuple[str, tuple[str, ...]]:
    """Its VPC and its public subnets in these zones, sorted."""
    if stack.network.kind != "default":
        return "", ()
    vpcs = _all(
        account, "describe_vpcs", "Vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}]
    )
    remedy = 'take kind = "own", or run  aws ec2 create-default-'
    if not vpcs:
        sentence = f"is default, and the account has no default VPC in {account.region}; {remedy}"
        raise lc.PlanError("network.kind", f"{sentence}vpc")
    vpc = vpcs[0]["VpcId"]
    filters = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "default-for-az", "Values": ["true"]},
    ]
    subnets = _all(account, "describe_subnets", "Subnets", Filters=filters)
    usable = sorted(each["SubnetId"] for each in subnets if each["AvailabilityZone"] in zones)
    if len(usable) < ZONES:
        sentence = f"is default, and {vpc} has default subnets in fewer than two of {zones}"
        raise lc.PlanError("network.kind", f"{sentence}; {remedy}subnet")
    return vpc, tuple(usable)


def _zones(account: Account, stack: Stack, number: str, offered: list[str]) -> tuple[str, ...]:
    """Two; those where the stack already is, so that a zone that comes or goes moves nothing."""
    if stack.network.kind == "own":
        owner = Owner(stack.name, account.region, number)
        filters = ec2_tags.owned(owner, "subnet")
        subnets = _all(account, "describe_subnets", "Subnets", Filters=filters)
        placed = {ec2_tags.name_of(ec2_tags.of(each)): each for each in subnets}
        there = [
            placed[name]["AvailabilityZone"] for name in ("public-a", "public-b") if name in placed
        ]
        rest = [zone for zone in offered if zone not in there]
        if "public-b" in placed and "public-a" not in placed:
            return rest[0], there[0]
        offered = there + rest
    return tuple(offered[:ZONES])


# --- what


class _Image:
    """The machine image that the stack names."""

    def __init__(self, account: Account, stack: Stack) -> None:
        self._asked_for = stack.instances.image
        self.id = self._resolve(account)
        images = self._look(
            account,
            lambda: account.client("ec2").describe_images(ImageIds=[self.id])["Images"],
        )
        if not images or images[0].get("State", "available") != "available":
            raise self._no_such(account)
        self._image = images[0]
        self.root_device = str(self._image.get("RootDeviceName", ""))

    def _resolve(self, account: Account) -> str:
        if not self._asked_for.startswith(SSM):
            return self._asked_for
        name = self._asked_for.removeprefix(SSM)
        answer = self._look(account, lambda: account.client("ssm").get_parameter(Name=name))
        return str(answer["Parameter"]["Value"])

    def _look(self, account: Account, call: Callable[[], Any]) -> Any:
        def translated() -> Any:
            try:
                return call()
            except Exception as error:
                if code_of(error) in NO_IMAGE:
                    raise self._no_such(account) from None
                raise

        return asked(account.time, f"looking up {self._asked_for}", translated)

    def _no_such(self, account: Account) -> lc.PlanError:
        return lc.PlanError(
            "instances.image",
            f"{self._asked_for} does not exist in {account.region} or is not for this account; "
            "give an image of this region",
        )

    def check(self, account: Account, stack: Stack, packages: tuple[File, ...]) -> None:
        """Against disk, types and packages: what does not fit would fail only after minutes."""
        machine = str(self._image.get("Architecture", ""))
        if not self.root_device:
            sentence = f"{self.id} has no root volume in EBS; give an image that has"
            raise lc.PlanError("instances.image", sentence)
        for mapping in self._image.get("BlockDeviceMappings", ()):
            size_gb = mapping.get("Ebs", {}).get("VolumeSize", 0)
            if mapping.get("DeviceName") == self.root_device and size_gb > stack.instances.disk_gb:
                sentence = f"is {stack.instances.disk_gb}, and {self.id} needs {size_gb}"
                raise lc.PlanError("instances.disk_gb", f"{sentence}; give that or more")
        self._check_types(account, stack, machine)
        for file in packages:
            built_for = MACHINE.search(file.name)
            name = (built_for[1] or built_for[2]) if built_for else ""
            if name and {"aarch64": "arm64"}.get(name, name) != machine:
                raise lc.PlanError(
                    "package.file" if file is packages[0] else "package.wheels",
                    f"{file.name} is for {name}, and {self.id} is {machine}; build it there, or "
                    "choose another image and type",
                )

    def _check_types(self, account: Account, stack: Stack, machine: str) -> None:
        types = _types(stack)
        described = _all(
            account, "describe_instance_types", "InstanceTypes", InstanceTypes=sorted(types)
        )
        for each in described:
            runs = each["ProcessorInfo"]["SupportedArchitectures"]
            if machine not in runs:
                name = each["InstanceType"]
                raise lc.PlanError(
                    types[name],
                    f"{name} runs {' and '.join(runs)}, and {self._asked_for} is {machine}; "
                    "choose an image or a type that go together",
                )
