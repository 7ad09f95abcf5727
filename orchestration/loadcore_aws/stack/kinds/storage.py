"""The bucket that instances fetch their package from, and the packages in it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

import loadcore as lc
from loadcore_aws.stack.errors import DENIED, code_of
from loadcore_aws.stack.kinds.ownership import check_ours, name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import RESOURCE, STACK, tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

NAME = "packages"
FOLDER = "packages/"
ABORT_UPLOADS_AFTER_DAYS = 7
DELETE_AT_ONCE_MAX = 1000  # DeleteObjects, Amazon S3 API Reference
LISTED_AT_ONCE = 1000  # without it, ListBuckets refuses accounts with very many

# What S3 answers where nothing of the kind is configured.
NOT_SET = {
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
}


def bucket_name(stack: str, account: str, region: str) -> str:
    """Buckets of all accounts share one name space; 56 of at most 63 characters."""
    return f"{stack}-{NAME}-{account}-{region}"


class Bucket(Kind):
    """Settings: `name` (as bucket_name() makes it), `versioned`, `encryption` (AES256: SSE-S3),
    `private` (public access blocked in all four ways), `policy` (a document),
    `old_versions_days` (how long they are kept). Its id is its name; attributes: `arn`.

    Each stack has one at most, of a known name. What has that name is the stack's only if its tags
    say so, which it has from the beginning; and each call says whose account it must be of.
    """

    name = "bucket"
    fixed = frozenset({"name"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        s3 = account.client("s3")
        physical = bucket_name(owner.stack, owner.account, owner.region)
        tags = _tags_of(account, physical)
        if tags is None or name_in(tags, owner, self.name) is None:
            return []
        which = {"Bucket": physical, "ExpectedBucketOwner": owner.account}
        blocked = _get(s3.get_public_access_block, which, "PublicAccessBlockConfiguration")
        settings = {
            "name": physical,
            "versioned": s3.get_bucket_versioning(**which).get("Status") == "Enabled",
            "encryption": _encryption(s3, which),
            "private": len(blocked or {}) == 4 and all((blocked or {}).values()),
            "policy": json.loads(_get(s3.get_bucket_policy, which, "Policy") or "null"),
            "old_versions_days": _old_versions_days(s3, which),
        }
        arn = {"arn": f"arn:{account.partition}:s3:::{physical}"}
        return [Found(self.name, NAME, physical, settings, arn, tags=tags)]

    def create(self, account: Account, want: Want) -> None:
        """All but its tags follows as updates, before anything is in it.

        One of that name is looked for first: in us-east-1, which is no location that could be named
        either, the call would take it for the new one (CreateBucket, Amazon S3 API Reference).

        Raises loadcore.RunError where it is not the stack's.
        """
        physical = want.settings["name"]
        tags = _tags_of(account, physical)
        if tags is not None:
            check_ours(tags, want, f"bucket {physical}")
            return
        settings: dict[str, Any] = {"Tags": tag_list(want.tags)}
        if account.region != "us-east-1":
            settings["LocationConstraint"] = account.region
        try:
            account.client("s3").create_bucket(Bucket=physical, CreateBucketConfiguration=settings)
        except ClientError as error:
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        s3 = account.client("s3")
        which = {"Bucket": found.id, "ExpectedBucketOwner": account.identify()}
        settings = want.settings
        if "tags" in changed:  # the call replaces all there are
            tags = tag_list({**found.tags, **want.tags})
            s3.put_bucket_tagging(**which, Tagging={"TagSet": tags})
        if "private" in changed:
            blocked = dict.fromkeys(BLOCKS, settings["private"])
            s3.put_public_access_block(**which, PublicAccessBlockConfiguration=blocked)
        if "encryption" in changed:
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": settings["encryption"]}}
            s3.put_bucket_encryption(**which, ServerSideEncryptionConfiguration={"Rules": [rule]})
        if "versioned" in changed:
            status = "Enabled" if settings["versioned"] else "Suspended"
            s3.put_bucket_versioning(**which, VersioningConfiguration={"Status": status})
        if "old_versions_days" in changed:
            rules = [_lifecycle_rule(settings["old_versions_days"])]
            s3.put_bucket_lifecycle_configuration(**which, LifecycleConfiguration={"Rules": rules})
        if "policy" in changed:
            s3.put_bucket_policy(**which, Policy=json.dumps(settings["policy"]))

    def delete(self, account: Account, found: Found) -> None:
        s3 = account.client("s3")
        which = {"Bucket": found.id, "ExpectedBucketOwner": account.identify()}
        for page in s3.get_paginator("list_object_versions").paginate(**which):
            every = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in every]
            for begin in range(0, len(objects), DELETE_AT_ONCE_MAX):
                batch = objects[begin : begin + DELETE_AT_ONCE_MAX]
                # What it could not delete keeps the bucket from going, and is tried again then.
                s3.delete_objects(**which, Delete={"Objects": batch, "Quiet": True})
        s3.delete_bucket(**which)


BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _get(call: Any, which: dict[str, str], key: str) -> Any:
    try:
        return call(**which)[key]
    except ClientError as error:
        if code_of(error) in NOT_SET:
            return None
        raise


def _tags_of(account: Account, bucket: str) -> dict[str, str] | None:
    """None where the account has no bucket of that name. Another account's is refused as what is
    not allowed, so that a list of the account's own tells which of the two it is."""
    s3 = account.client("s3")
    try:
        answer = s3.get_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=account.identify())
    except ClientError as error:
        code = code_of(error)
        if code == "NoSuchTagSet":
            return {}
        if code == "NoSuchBucket" or (code in DENIED and not _is_listed(account, bucket)):
            return None
        raise
    return tag_dict(answer["TagSet"])


def _is_listed(account: Account, bucket: str) -> bool:
    listed = account.pages(
        "s3", "list_buckets", "Buckets", Prefix=bucket, MaxBuckets=LISTED_AT_ONCE
    )
    return any(each["Name"] == bucket for each in listed)


def _encryption(s3: Any, which: dict[str, str]) -> str:
    configured = _get(s3.get_bucket_encryption, which, "ServerSideEncryptionConfiguration")
    rules = [
        rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
        for rule in (configured or {}).get("Rules", ())
        if "ApplyServerSideEncryptionByDefault" in rule
    ]
    return str(rules[0]) if rules else ""


def _lifecycle_rule(old_versions_days: int | None) -> dict[str, Any]:
    return {
        "ID": "old versions",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": old_versions_days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_UPLOADS_AFTER_DAYS},
    }


def _old_versions_days(s3: Any, which: dict[str, str]) -> int | None:
    """None where the rules are other than the one that this module writes. A filter that is empty
    is for all objects, as is one for an empty prefix."""
    rules: Any = _get(s3.get_bucket_lifecycle_configuration, which, "Rules") or ()
    if len(rules) != 1:
        return None
    days: int | None = rules[0].get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    ours = _lifecycle_rule(days)
    same = {**rules[0], "Filter": rules[0].get("Filter") or ours["Filter"]} == ours
    return days if same else None


class Package(Kind):
    """A file for the instances. Settings: `bucket`, `key`, `size_bytes`; `sha256` (hexadecimal) and
    `path` (the local file) are for uploading it.

    The key, packages/<name>/<digest>/<file name>, tells which Resource it is and what is in it, so
    one call finds all of them, and another content is another object. S3 checks the content
    against the digest as it arrives, instances as they fetch it.
    """

    name = "package"
    fixed = frozenset({"bucket", "key", "size_bytes"})
    unread = frozenset({"sha256", "path"})
    tagged = False
    """an object takes ten tags and a stack may have more; it goes with its bucket"""

    def find(self, account: Account, owner: Owner) -> list[Found]:
        bucket = bucket_name(owner.stack, owner.account, owner.region)
        tags = _tags_of(account, bucket)
        if tags is None or name_in(tags, owner, Bucket.name) is None:
            return []
        objects = unless_gone(
            account.pages,
            service="s3",
            operation="list_objects_v2",
            key="Contents",
            Bucket=bucket,
            Prefix=FOLDER,
            ExpectedBucketOwner=owner.account,
        )
        return [
            Found(
                self.name,
                each["Key"].split("/")[1],
                each["Key"],
                {"bucket": bucket, "key": each["Key"], "size_bytes": each["Size"]},
            )
            for each in objects or ()
            if each["Key"].count("/") == 3
        ]

    def create(self, account: Account, want: Want) -> None:
        settings = want.settings
        try:
            with open(settings["path"], "rb") as body:
                account.client("s3").put_object(
                    Bucket=settings["bucket"],
                    ExpectedBucketOwner=account.identify(),
                    Key=settings["key"],
                    Body=body,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(settings["sha256"])).decode(),
                    Tagging=urlencode({key: want.tags[key] for key in (STACK, RESOURCE)}),
                )
        except OSError as error:
            raise lc.RunError(
                f"{settings['path']} could not be read: {error.strerror}; build the package again "
                "and repeat the command"
            ) from None

    def delete(self, account: Account, found: Found) -> None:
        """The version stays, as an old one, for as long as the bucket keeps them."""
        account.client("s3").delete_object(
            Bucket=found.settings["bucket"],
            ExpectedBucketOwner=account.identify(),
            Key=found.id,
        )


KINDS: tuple[Kind, ...] = (Bucket(), Package())
