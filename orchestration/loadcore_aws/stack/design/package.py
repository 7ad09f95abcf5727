"""The package's bucket and the files in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loadcore_aws.stack.kinds.storage import FOLDER, NAME, bucket_name
from loadcore_aws.stack.resource import Ref, Resource
from loadcore_aws.stack.userdata import key_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.stack.design.facts import Facts, File
    from loadcore_aws.stack.spec import Stack

OLD_VERSIONS_DAYS = 30
"""for who has to go back to a package that is no longer in the file"""


def resources(stack: Stack, facts: Facts) -> list[Resource]:
    if stack.package is None:
        return []
    made = [_bucket(stack, facts)]
    for name, file in named(facts):
        settings = {
            "bucket": Ref(f"bucket.{NAME}"),
            "key": key_of(name, file),
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "path": file.path,
        }
        made.append(Resource("package", name, settings))
    return made


def addresses(facts: Facts) -> tuple[str, ...]:
    """What must be uploaded before an instance starts."""
    return tuple(f"package.{name}" for name, _ in named(facts))


def named(facts: Facts) -> Iterator[tuple[str, File]]:
    """The package is `main`, each of the rest is named for its project, so that a newer wheel
    replaces the older; a second one of a project gets a number."""
    taken: dict[str, int] = {}
    for index, file in enumerate(facts.packages):
        name = "main" if index == 0 else "wheel-" + _project(file.name)
        taken[name] = taken.get(name, 0) + 1
        yield (name if taken[name] == 1 else f"{name}-{taken[name]}"), file


def _project(file_name: str) -> str:
    """Of a wheel's name (PyPA specification "Binary distribution format")."""
    return re.sub(r"[^a-z0-9]+", "-", file_name.partition("-")[0].lower())


def key_of(name: str, file: File) -> str:
    return f"{FOLDER}{name}/{file.sha256[:12]}/{key_part(file.name)}"


def objects_arn(stack: Stack, facts: Facts) -> str:
    """All that instances may read."""
    return f"{_arn(stack, facts)}/{FOLDER}*"


def _arn(stack: Stack, facts: Facts) -> str:
    return f"arn:{facts.partition}:s3:::{bucket_name(stack.name, facts.account, facts.region)}"


def _bucket(stack: Stack, facts: Facts) -> Resource:
    settings = {
        "name": bucket_name(stack.name, facts.account, facts.region),
        "versioned": True,
        "encryption": "AES256",
        "private": True,
        "policy": _tls_only(_arn(stack, facts)),
        "old_versions_days": OLD_VERSIONS_DAYS,
    }
    return Resource("bucket", NAME, settings)


def _tls_only(arn: str) -> dict[str, object]:
    """From "Security best practices for Amazon S3", Amazon S3 User Guide."""
    statement = {
        "Sid": "OnlyThroughTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
