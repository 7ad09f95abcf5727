"""Calls that may find their work done already, in a `delete` that makes several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from loadcore_aws.stack.errors import Meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Callable


def unless_gone(call: Callable[..., Any], **parameters: Any) -> Any:
    """The call's answer; None where what it names does not exist."""
    try:
        return call(**parameters)
    except ClientError as error:
        if meaning(error) is not Meaning.GONE:
            raise
        return None
