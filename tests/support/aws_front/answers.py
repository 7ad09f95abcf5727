"""Answers and errors as AWS puts them on the wire, in each protocol.

Sources: the Smithy specifications of awsQuery, ec2Query, awsJson1_0/1_1, restJson1, restXml and
"Smithy RPC v2 CBOR"; the error pages of each service's API reference.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_front.actions import Request

REQUEST_ID = "f0000000-0000-4000-8000-000000000000"

# Services that moved from the query protocol to JSON and still tell the old error code.
QUERY_COMPATIBLE = ("cloudwatch", "sqs")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def good(self) -> bool:
        return self.status < 300


def xml_answer(body: str, status: int = 200) -> Answer:
    return Answer(status, (("Content-Type", "text/xml"),), body.encode())


def query_answer(request: Request, result: Mapping[str, Any] | None = None) -> Answer:
    """awsQuery: what `<Action>Result` holds; None where the action has no result."""
    action = request.action
    inner = "" if result is None else xml(f"{action}Result", result)
    metadata = f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>"
    return xml_answer(f"<{action}Response>{inner}{metadata}</{action}Response>")


def ec2_answer(request: Request, result: Mapping[str, Any]) -> Answer:
    """ec2Query: lists are of `<item>`, names begin in lower case."""
    inner = xml("", result, item="item")
    action = request.action
    return xml_answer(
        f"<{action}Response><requestId>{REQUEST_ID}</requestId>{inner}</{action}Response>"
    )


def json_answer(document: Mapping[str, Any]) -> Answer:
    headers = (("Content-Type", "application/x-amz-json-1.1"),)
    return Answer(200, headers, json.dumps(document).encode())


def xml(tag: str, value: Any, item: str = "member") -> str:
    """Nested dicts and lists as elements; None is left out, an empty tag makes no element."""
    if value is None:
        return ""
    if isinstance(value, dict):
        inner = "".join(xml(key, part, item) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        inner = "".join(xml(item, part, item) for part in value)
    elif isinstance(value, bool):
        inner = str(value).lower()
    else:
        inner = escape(str(value))
    return f"<{tag}>{inner}</{tag}>" if tag else inner


def error(request: Request, code: str, message: str, status: int = 400) -> Answer:
    """The error as the request's own protocol has it."""
    fault = "Receiver" if status >= 500 else "Sender"
    said = {"Code": code, "Message": message}
    if request.protocol == "query":
        body = xml("ErrorResponse", {"Error": {"Type": fault, **said}, "RequestId": REQUEST_ID})
        return xml_answer(body, status)
    if request.protocol == "ec2":
        body = xml("Response", {"Errors": {"Error": said}, "RequestID": REQUEST_ID})
        return xml_answer(body, status)
    if request.protocol == "rest-xml":
        # The answer to HEAD has no body; its reader has the status alone.
        body = xml("Error", {**said, "RequestId": REQUEST_ID}) if request.method != "HEAD" else ""
        return xml_answer(body, status)
    if request.protocol == "rest-json":
        typed = (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
        return Answer(status, typed, json.dumps({"message": message}).encode())

    headers: tuple[tuple[str, str], ...] = ()
    if request.service in QUERY_COMPATIBLE:
        headers = (("x-amzn-query-error", f"{code};{fault}"),)
    if request.protocol == "cbor":
        headers += (("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"))
        return Answer(status, headers, cbor({"__type": code, "message": message}))
    headers += (("Content-Type", "application/x-amz-json-1.1"),)
    return Answer(status, headers, json.dumps({"__type": code, "message": message}).encode())


def cbor(texts: Mapping[str, str]) -> bytes:
    """A map of at most 23 texts (RFC 8949, section 3.1: major types 5 and 3)."""
    out = bytearray([0xA0 + len(texts)])
    for text in (part for pair in texts.items() for part in pair):
        raw = text.encode()
        out += bytes([0x79]) + len(raw).to_bytes(2, "big") + raw
    return bytes(out)
