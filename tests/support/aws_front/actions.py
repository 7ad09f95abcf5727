"""Which AWS service and action an HTTP request is, in every protocol that boto3 speaks.

The service comes from the credential scope of the signature (AWS General Reference, "Signature
Version 4"), the action from what the protocol puts it in. REST services have no name on the wire:
their requests are matched with the methods, paths and required members of botocore's models.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import botocore.parsers
import botocore.session

Protocol: TypeAlias = Literal["query", "ec2", "json", "rest-json", "rest-xml", "cbor"]

# Where the name to sign with is not boto3's name of the service.
BOTO3_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
}
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Request:
    """One call. `headers` have lower-case names; `parameters` are flat for the query protocols
    (`Tags.member.1.Key`), the decoded document for JSON and CBOR, and what path and query string
    say for REST."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    service: str
    action: str
    protocol: Protocol
    region: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        return str(self.parameters.get(key, ""))

    def values(self, prefix: str) -> list[str]:
        """What a list of the query protocols holds, such as `Names.member` or `SubnetId`."""
        name = re.compile(re.escape(prefix) + r"\.\d+")
        return [v for k, v in self.parameters.items() if name.fullmatch(k)]

    def with_form(self, action: str, parameters: dict[str, str]) -> Request:
        """Another call of the same service and protocol family, with a form for its body."""
        version = {"Version": self.text("Version")}
        form = {"Action": action, **version, **parameters}
        return replace(self, action=action, parameters=form, body=urlencode(form).encode())

    def with_document(self, document: dict[str, Any]) -> Request:
        return replace(self, parameters=document, body=json.dumps(document).encode())


def identify(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    """Service and action are `unknown` where the request is no call of AWS, such as a browser's."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    scope = _SCOPE.search(headers.get("authorization", ""))
    if scope is None and "X-Amz-Credential" in query:
        scope = _SCOPE.search(f"Credential={query['X-Amz-Credential']}")
    region, signed = scope.groups() if scope else ("", "unknown")
    service = BOTO3_NAMES.get(signed, signed)

    if headers.get("content-encoding") == "gzip":  # as PutMetricData's often are
        body = gzip.decompress(body)
        headers = {key: value for key, value in headers.items() if key != "content-encoding"}
    action, protocol, parameters = "unknown", "rest-json", {}
    if match := re.fullmatch(r"/service/([^/]+)/operation/([^/]+)", parts.path):
        action, protocol, parameters = match[2], "cbor", _cbor(body)
    elif "x-amz-target" in headers:
        action, protocol = headers["x-amz-target"].rpartition(".")[2], "json"
        parameters = json.loads(body or b"{}")
    elif headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
        action = parameters.get("Action", "unknown")
        protocol = "ec2" if service == "ec2" else "query"
    elif service != "unknown":
        protocol = "rest-xml" if service == "s3" else "rest-json"
        action, parameters = _rest(service, method, parts.path, parts.query, headers)
    return Request(method, target, headers, body, service, action, protocol, region, parameters)  # type: ignore[arg-type]


def _cbor(body: bytes) -> dict[str, Any]:
    parser = botocore.parsers.RpcV2CBORParser()
    stream = parser.get_peekable_stream_from_bytes(body)
    return dict(parser.parse_data_item(stream) or {})


@dataclass(frozen=True)
class _Route:
    action: str
    path: re.Pattern[str]
    literal: int
    query: frozenset[tuple[str, str]]
    needs_query: frozenset[str]
    needs_headers: frozenset[str]

    def fits(self, query: dict[str, str], headers: dict[str, str]) -> bool:
        fixed = all(query.get(key) == value for key, value in self.query)
        return fixed and self.needs_query <= query.keys() and self.needs_headers <= headers.keys()

    @property
    def weight(self) -> tuple[int, int]:
        needs = len(self.query) + len(self.needs_query) + len(self.needs_headers)
        return (needs, self.literal)


@cache
def _routes(service: str, method: str) -> list[_Route]:
    """The most demanding first."""
    model = botocore.session.Session().get_service_model(service)
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.http.get("method") != method or operation.deprecated:
            continue  # S3 has old actions on the paths of those that replaced them
        path, _, query = operation.http["requestUri"].partition("?")
        shape = operation.input_shape
        required = [shape.members[m] for m in shape.required_members] if shape else []
        places: dict[str, set[str]] = {"querystring": set(), "header": set()}
        for member in required:
            where = member.serialization.get("location")
            if where in places:
                places[where].add(member.serialization["name"])
        found.append(
            _Route(
                name,
                _pattern(path),
                len(re.sub(r"\{[^}]*\}", "", path)),
                frozenset(parse_qsl(query, keep_blank_values=True)),
                frozenset(places["querystring"]),
                frozenset(header.lower() for header in places["header"]),
            )
        )
    return sorted(found, key=lambda route: route.weight, reverse=True)


def _pattern(path: str) -> re.Pattern[str]:
    pieces = []
    for piece in re.split(r"(\{[^}]*\})", path.rstrip("/")):
        if piece.startswith("{"):
            name = piece.strip("{}")
            reach = ".+" if name.endswith("+") else "[^/]+"
            pieces.append(f"(?P<{name.rstrip('+')}>{reach})")
        else:
            pieces.append(re.escape(piece))
    return re.compile("".join(pieces) + "/?")


def _rest(
    service: str, method: str, path: str, query: str, headers: dict[str, str]
) -> tuple[str, dict[str, Any]]:
    asked = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
    for route in _routes(service, method):
        match = route.path.fullmatch(path)
        if match and route.fits(asked, headers):
            named = {key: unquote(value) for key, value in match.groupdict().items()}
            return route.action, {**asked, **named}
    return "unknown", asked
