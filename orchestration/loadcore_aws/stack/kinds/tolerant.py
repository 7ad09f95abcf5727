"""Calls that may find nothing of what they name: a look, or one of several in a `delete`."""

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
