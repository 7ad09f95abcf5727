"""Buckets: their tags, their policies, and whose they are.

Source: Amazon S3 API Reference, the action of each name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from botocore.exceptions import ClientError

from aws_front.answers import Answer, error, xml_answer

if TYPE_CHECKING:
    from aws_front.actions import Request
    from aws_front.front import Moto

_SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def put_bucket_policy(request: Request, moto: Moto) -> Answer:
    bucket = request.text("Bucket")
    try:
        json.loads(request.body)
    except ValueError:
        return error(request, "MalformedPolicy", "Policies must be valid JSON")
    return _with_bucket(request, moto) or _kept_policy(moto, bucket, request.body.decode())


def _kept_policy(moto: Moto, bucket: str, policy: str) -> Answer:
    with moto.lock:
        moto.state.bucket_policies[bucket] = policy
    return xml_answer("", 204)


def _with_bucket(request: Request, moto: Moto) -> Answer | None:
    """The refusal where there is no such bucket."""
    try:
        moto.client("s3", request.region).head_bucket(Bucket=request.text("Bucket"))
    except ClientError:
        return error(request, "NoSuchBucket", "The specified bucket does not exist", 404)
    return None


def get_bucket_policy(request: Request, moto: Moto) -> Answer:
    if refused := _with_bucket(request, moto):
        return refused
    with moto.lock:
        policy = moto.state.bucket_policies.get(request.text("Bucket"))
    if policy is None:
        return error(request, "NoSuchBucketPolicy", "The bucket policy does not exist", 404)
    return Answer(200, (("Content-Type", "application/json"),), policy.encode())


def delete_bucket_policy(request: Request, moto: Moto) -> Answer:
    if refused := _with_bucket(request, moto):
        return refused
    with moto.lock:
        moto.state.bucket_policies.pop(request.text("Bucket"), None)
    return xml_answer("", 204)


def create_bucket(request: Request, moto: Moto) -> Answer:
    """Tags are for a new bucket alone: where there is one, us-east-1 answers as if it were new."""
    with moto.lock:
        client, bucket = moto.client("s3", request.region), request.text("Bucket")
        there = _is_of_the_caller(request, moto)
        answer = moto.forward(request)
        if answer.good and not there and (tags := _tags_in(request.body)):
            client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    return answer


def _tags_in(body: bytes) -> list[dict[str, str]]:
    elements = ElementTree.fromstring(body).iter(f"{_SPACE}Tag") if body else ()
    return [{key: tag.findtext(_SPACE + key, "") for key in ("Key", "Value")} for tag in elements]


def bucket_tags(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    expected = "x-amz-expected-bucket-owner" in request.headers
    if not expected or b"NoSuchBucket" in answer.body or _is_of_the_caller(request, moto):
        return answer
    return error(request, "AccessDenied", "Access Denied", 403)


def _is_of_the_caller(request: Request, moto: Moto) -> bool:
    bucket = request.text("Bucket")
    listed = moto.client("s3", request.region).list_buckets(Prefix=bucket)["Buckets"]
    return any(each["Name"] == bucket for each in listed)


def delete_bucket(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    if answer.good:
        with moto.lock:
            moto.state.bucket_policies.pop(request.text("Bucket"), None)
    return answer
