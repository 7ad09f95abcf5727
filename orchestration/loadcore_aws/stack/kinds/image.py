"""The baked image: a template instance is set up once, and clones start from what it became.

The template instance runs the user data of all instances, and the migration. Once the service was
healthy on it, it empties what must not be in two places and shuts down: having stopped by itself is
how it says that all went well, which takes no rights, no agent and no way to it over the network.
What went wrong is on its console. Stopped, its disk is at rest, and is imaged as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import loadcore as lc
from loadcore_aws.stack.errors import code_of
from loadcore_aws.stack.kinds import console, ec2_tags, machine
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import DIGEST
from loadcore_aws.stack.resource import Found, Kind, Want, fixed_digest

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

MAKE_IMAGE = "make the image"
REMOVE_TEMPLATE = "remove the template instance"
REMOVE_SNAPSHOTS = "remove snapshots without an image"

SETTING_UP = "the template instance sets itself up"
TEMPLATE_READY = "the template instance is ready"
TEMPLATE_STOPPED = "the template instance was stopped from outside"
TEMPLATE_GOING = "the template instance is going"
IMAGE_PENDING = "the image is being made"
IMAGE_FAILED = "the image failed"
LEFT_OVER = "left over"
AVAILABLE = "available"

SHUT_ITSELF_DOWN = "Client.InstanceInitiatedShutdown"
"""the code of an instance that nobody else stopped ("StateReason", Amazon EC2 API Reference)"""
REMEDIES = {
    "Client.VolumeLimitExceeded": "raise the quotas of EBS storage in Service Quotas",
    "Client.InternalError": "let these credentials use the KMS key that EBS encrypts disks with",
}
"""Where an instance ends at its launch ("Instance terminates immediately", Amazon EC2 User
Guide)."""

# Each clone makes itself a machine id, keeps counts of its own, and ships its own log: what is
# logged from --relinquish-var on, of the shutdown itself, is kept in /run alone.
STOP = """
# --- the template instance is done: what follows runs only if all of the above went well
systemctl stop loadcore-drain.service loadcore-ship-logs.service loadcore-likes.service ||
  die "services do not stop"
for kept in /var/lib/loadcore-likes /var/lib/loadcore-ship-logs; do
  [ ! -e "$kept" ] || find -H "$kept" -mindepth 1 -delete ||
    die "$kept of the template instance could not be emptied"
done
journalctl --relinquish-var && rm -rf /var/log/journal/* ||
  die "the journal of the template instance could not be removed"
truncate -s 0 /etc/machine-id
sync
shutdown -h now
"""


@dataclass
class Parts:
    """All that there is of one image."""

    digest: str
    name: str
    tags: dict[str, str]
    image: dict[str, Any] | None = None
    template: dict[str, Any] | None = None
    snapshots: list[str] = field(default_factory=list)


class Image(Kind):
    """Settings: `digest` (of what is in it: another digest is another image), `next_step` (what is
    to be done to it, nothing when all is), and those of LaunchTemplate and `subnet` for the
    template instance. Attributes: `image`, its id once there is one, and `reason`, what EC2 says
    of how the template instance came to its state.

    Image, snapshots and template instance are one thing here, by the digest in their tags, so that
    none of them is ever left behind by an interruption. Their Name is the user's to choose.
    """

    name = "image"
    fixed = frozenset({"digest"})
    unread = frozenset(
        {"image", "type", "key_name", "profile", "security_groups", "disk", "metadata",
         "monitoring", "plan", "subnet"}
    )  # fmt: skip
    ready_within_s = 2400.0
    gone_within_s = 600.0

    def find(self, account: Account, owner: Owner) -> list[Found]:
        owned = ec2_tags.owned(owner, self.name)
        by_digest: dict[tuple[str, str], Parts] = {}

        def parts_of(element: dict[str, Any]) -> Parts:
            tags = ec2_tags.of(element)
            name, digest = ec2_tags.name_of(tags), tags.get(DIGEST, "")
            return by_digest.setdefault((name, digest), Parts(digest, name, tags))

        for image in account.pages(
            "ec2", "describe_images", "Images", Filters=owned, Owners=["self"]
        ):
            if image["State"] not in {"deregistered", "invalid"}:
                parts_of(image).image = image
        for reservation in account.pages(
            "ec2", "describe_instances", "Reservations", Filters=owned
        ):
            for instance in reservation["Instances"]:
                if instance["State"]["Name"] != "terminated":
                    parts_of(instance).template = instance
        for snapshot in account.pages(
            "ec2", "describe_snapshots", "Snapshots", Filters=owned, OwnerIds=["self"]
        ):
            parts_of(snapshot).snapshots.append(snapshot["SnapshotId"])
        return [self._found(owner, parts) for parts in by_digest.values()]

    def _found(self, owner: Owner, parts: Parts) -> Found:
        state, next_step = _progress(parts)
        attributes = {
            "image": parts.image["ImageId"] if parts.image else "",
            "template": parts.template["InstanceId"] if parts.template else "",
            "snapshots": ",".join(parts.snapshots),
            "reason": _reason(parts.template)[1] if parts.template else "",
        }
        settings = {"digest": parts.digest, "next_step": next_step}
        called = owner.physical(parts.name, fixed_digest(self, settings))
        return Found(self.name, parts.name, called, settings, attributes, state, parts.tags)

    def create(self, account: Account, want: Want) -> None:
        """Raises loadcore.RunError where this very apply's template instance has come and gone:
        asked with the same token again, EC2 starts no other."""
        _check_launch(account, want)
        settings = want.settings
        tags = _tags(want)
        account.client("ec2").run_instances(
            **machine.launch_data(settings),
            MinCount=1,
            MaxCount=1,
            ClientToken=want.token,
            SubnetId=settings["subnet"],
            InstanceInitiatedShutdownBehavior="stop",
            UserData=machine.user_data(settings["plan"], STOP),
            TagSpecifications=machine.tag_specifications(tags, "instance", "volume"),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ec2 = account.client("ec2")
        next_step = found.settings["next_step"]
        if next_step == MAKE_IMAGE:
            self._make(account, found, want)
        elif next_step == REMOVE_TEMPLATE:
            ec2.terminate_instances(InstanceIds=[found.attributes["template"]])
        elif next_step == REMOVE_SNAPSHOTS:
            _delete_snapshots(ec2, found)
        if "tags" in changed:
            for resource in _ids(found):
                ec2_tags.retag(account, resource, want)

    def _make(self, account: Account, found: Found, want: Want) -> None:
        """Its name is taken where an earlier call took effect without an answer."""
        try:
            account.client("ec2").create_image(
                InstanceId=found.attributes["template"],
                Name=want.physical,
                Description=f"{want.address} {found.settings['digest']}",
                TagSpecifications=machine.tag_specifications(_tags(want), "image", "snapshot"),
            )
        except ClientError as error:
            if code_of(error) != "InvalidAMIName.Duplicate":
                raise

    def delete(self, account: Account, found: Found) -> None:
        """A snapshot cannot go before its image; all of it is listed as long as any of it is."""
        ec2 = account.client("ec2")
        if image := found.attributes["image"]:
            unless_gone(ec2.deregister_image, ImageId=image)
        _delete_snapshots(ec2, found)
        if template := found.attributes["template"]:
            unless_gone(ec2.terminate_instances, InstanceIds=[template])

    def pending(self, account: Account, found: Found) -> str:
        """Raises loadcore.RunError where the template instance failed or its image did. Either is
        removed then, so that the next attempt begins anew."""
        if found.state == SETTING_UP:
            self._check_set_up(account, found.attributes["template"])
        if found.state == TEMPLATE_STOPPED:
            template = found.attributes["template"]
            account.client("ec2").terminate_instances(InstanceIds=[template])
            raise lc.RunError(
                f"{found.address}: the template instance {template} did not stop by itself "
                f"({found.attributes['reason']}), so its disk may be half made, and it is being "
                "terminated; let it run until the image is made, and repeat the command"
            )
        if found.state == IMAGE_FAILED:
            image = found.attributes["image"]
            unless_gone(account.client("ec2").deregister_image, ImageId=image)
            raise lc.RunError(
                f"image.baked: EC2 could not make the image, {image}, and it is removed again; "
                "repeat the command"
            )
        return "" if found.state == AVAILABLE else found.state

    def _check_set_up(self, account: Account, instance: str) -> None:
        """A service that is not healthy in time is final here: user data ended before it came to
        stopping the instance."""
        if trouble := console.trouble_of(account, instance):
            account.client("ec2").terminate_instances(InstanceIds=[instance])
            raise lc.RunError(
                f"image.baked: the template instance {instance} could not be set up and is being "
                f"terminated: {trouble.why}; mend that and repeat the command"
            )


def _check_launch(account: Account, want: Want) -> None:
    """By the token and not by tags, which a terminated instance soon loses; those of an earlier
    apply, which are listed for an hour, had another."""
    filters = [{"Name": "client-token", "Values": [want.token]}]
    for reservation in account.pages("ec2", "describe_instances", "Reservations", Filters=filters):
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] == "terminated":
                code, said = _reason(instance)
                raise lc.RunError(
                    f"{want.address}: the template instance {instance['InstanceId']} was "
                    f"terminated ({said}); {REMEDIES.get(code, 'mend that')} and repeat the command"
                )


def _reason(instance: dict[str, Any]) -> tuple[str, str]:
    """(code, what EC2 says) of how it came to its state."""
    reason = instance.get("StateReason", {})
    code = reason.get("Code", "")
    return code, reason.get("Message") or code or "EC2 does not say why"


def _progress(parts: Parts) -> tuple[str, str]:
    """(state, next step). Nothing is to be done while something is only to be waited for."""
    template = parts.template["State"]["Name"] if parts.template else ""
    if template == "shutting-down":
        return TEMPLATE_GOING, ""
    if parts.image is None:
        if template == "stopped":
            by_itself = parts.template and _reason(parts.template)[0] == SHUT_ITSELF_DOWN
            return (TEMPLATE_READY, MAKE_IMAGE) if by_itself else (TEMPLATE_STOPPED, "")
        return (SETTING_UP, "") if template else (LEFT_OVER, REMOVE_SNAPSHOTS)
    if parts.image["State"] != "available":
        failed = parts.image["State"] in {"failed", "error"}
        return (IMAGE_FAILED if failed else IMAGE_PENDING), ""
    return AVAILABLE, REMOVE_TEMPLATE if template else ""


def _delete_snapshots(ec2: Any, found: Found) -> None:
    for snapshot in filter(None, found.attributes["snapshots"].split(",")):
        unless_gone(ec2.delete_snapshot, SnapshotId=snapshot)


def _tags(want: Want) -> dict[str, str]:
    return {"Name": want.physical, **want.tags, DIGEST: want.settings["digest"]}


def _ids(found: Found) -> list[str]:
    parts = (found.attributes[key] for key in ("image", "template", "snapshots"))
    return [each for part in parts for each in part.split(",") if each]


KINDS: tuple[Kind, ...] = (Image(),)
