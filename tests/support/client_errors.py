"""Errors as boto3 raises them, made up."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def client_error(
    code: str, message: str = "no", *, status: int = 400, operation: str = "Call"
) -> ClientError:
    """What a client raises where AWS answers `operation` with this error."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)
