"""Names and tags, written and read in this one place.

What can be tagged carries STACK and RESOURCE; that is how everything of a stack is found again,
without a file that could be lost. What cannot be tagged is found by its parent or its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

STACK = "loadcore:stack"
RESOURCE = "loadcore:resource"
EXPIRES = "loadcore:expires"
DIGEST = "loadcore:digest"

TIME = "%Y-%m-%dT%H:%M:%SZ"
"""of tags and settings, always UTC"""

NAME_BYTES_MAX = 32  # of balancers and target groups, the shortest limit there is


@dataclass(frozen=True)
class Owner:
    """Whose resources: one stack in one region of one account."""

    stack: str
    region: str
    account: str

    def physical(self, name: str, digest: str = "") -> str:
        """What the resource is called in the account. The digest of what cannot be changed in place
        is part of it, so that its replacement can stand beside it."""
        tail = f"-{digest[:6]}" if digest else ""
        text = f"{self.stack}-{name}"
        if len(text) + len(tail) > NAME_BYTES_MAX:
            short = hashlib.sha256(text.encode()).hexdigest()[:4]
            text = f"{text[: NAME_BYTES_MAX - len(tail) - 5].rstrip('-')}-{short}"
        return text + tail

    @property
    def prefix(self) -> str:
        """What each physical name begins with. Another stack's may begin so too: tags decide."""
        return f"{self.stack}-"

    def tags(
        self, address: str, more: Mapping[str, str], expires: datetime | None
    ) -> dict[str, str]:
        tags = {**more, STACK: self.stack, RESOURCE: address}
        if expires is not None:
            tags[EXPIRES] = format_time(expires)
        return tags


def digest_of(settings: Any) -> str:
    """The same for equal settings, 16 hexadecimal digits."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def format_time(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime(TIME)


def parse_time(text: str) -> datetime | None:
    """None for what is no such time: a tag that somebody edited must not stop a sweep."""
    try:
        return datetime.strptime(text, TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As most services take tags."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tag_dict(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags as most services give them; some say `key` and `value`."""
    return {
        tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", ""))
        for tag in tags or ()
    }
