"""One controller at a time, across machines: whoever holds the lease may scale, until it expires.

A round renews it between reading the figure, which may take longer than the lease lasts, and
changing anything. Both kinds rely on clocks that agree to well within the lease's time, and neither
can call back a request that is under way when the lease expires. Beyond that:

- TableLease is one conditional write to DynamoDB: of two that try at once, exactly one gets it.
- TagLease needs no table, but a tag can be written by two at once. Each reads it back after a
  pause, and the one that finds the other's name gives way. Two could hold it where AWS takes longer
  than the pause to show a write; the next round, which reads it again, ends that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadcore_aws.autoscaling.control.config import Control
    from loadcore_aws.autoscaling.control.scaling_group import ScalingGroup
    from loadcore_aws.autoscaling.control.sources import Clients

TAG = "loadcore:controller-lease"
READ_BACK_AFTER_S = 2.0
OWNER_MAX = 128


class Lease(Protocol):
    def take(self, now_s: float) -> str:
        """Takes or renews it; who holds it instead, or nothing. After ScalingGroup.look()."""

    def renew(self, now_s: float) -> str:
        """As take(), but only what is still one's own, expired or not: then nobody else has held it
        since. Before whatever the lease is for, after ScalingGroup.look()."""

    def release(self) -> None:
        """Others need not wait for its expiry. Nothing where it is not held."""


class TagLease:
    """The tag `loadcore:controller-lease` of the group: owner and expiry (Unix time, seconds)."""

    def __init__(
        self,
        group: ScalingGroup,
        owner: str,
        ttl_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._group = group
        self._owner = owner_text(owner)
        self._ttl_s = ttl_s
        self._sleep = sleep
        self._written = False

    def take(self, now_s: float) -> str:
        holder, expires_s = self._read()
        if holder not in ("", self._owner) and now_s < expires_s:
            self._written = False
            return holder
        self._written = True  # before it is: an interrupted call may have written it
        self._group.tag(TAG, f"{self._owner} {now_s + self._ttl_s:.0f}")
        if holder != self._owner or now_s >= expires_s:
            self._sleep(READ_BACK_AFTER_S)
            self._group.look()
            if (winner := self._read()[0]) != self._owner:
                self._written = False
                return winner or "another"
        return ""

    def renew(self, now_s: float) -> str:
        holder, _ = self._read()
        if holder != self._owner:
            self._written = False
            return holder or "another"
        return self.take(now_s)

    def release(self) -> None:
        """An expiry of 0 rather than no tag: it takes one permission less."""
        if not self._written:
            return
        self._written = False
        self._group.look()
        if self._read()[0] == self._owner:
            self._group.tag(TAG, f"{self._owner} 0")

    def _read(self) -> tuple[str, float]:
        """A tag that somebody edited holds nobody off."""
        owner, _, expires = self._group.tags.get(TAG, "").rpartition(" ")
        return (owner, float(expires)) if owner and expires.isdecimal() else ("", 0.0)


class TableLease:
    """An item of a DynamoDB table. Source: "Condition expressions", Amazon DynamoDB Developer
    Guide. A write whose answer was lost may be repeated: the item is the owner's own by then."""

    def __init__(
        self, client: Any, table: str, key: str, group: str, owner: str, ttl_s: float
    ) -> None:
        self._client = client
        self._table = table
        self._key = {key: {"S": f"loadcore:controller:{group}"}}
        self._owner = owner_text(owner)
        self._ttl_s = ttl_s
        self._key_name = key
        self._asked = False

    def take(self, now_s: float) -> str:
        return self._put(
            now_s,
            ConditionExpression="attribute_not_exists(#key) OR lease_owner = :owner OR "
            "lease_expires <= :now",
            ExpressionAttributeNames={"#key": self._key_name},
            ExpressionAttributeValues={
                ":owner": {"S": self._owner},
                ":now": {"N": f"{now_s:.3f}"},
            },
        )

    def renew(self, now_s: float) -> str:
        return self._put(
            now_s,
            ConditionExpression="lease_owner = :owner",
            ExpressionAttributeValues={":owner": {"S": self._owner}},
        )

    def _put(self, now_s: float, **condition: Any) -> str:
        self._asked = True  # before it is: an interrupted call may have got it
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    **self._key,
                    "lease_owner": {"S": self._owner},
                    "lease_expires": {"N": f"{now_s + self._ttl_s:.3f}"},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **condition,
            )
        except ClientError as error:
            if error.response["Error"].get("Code") != "ConditionalCheckFailedException":
                raise
            self._asked = False
            item: dict[str, Any] = error.response.get("Item", {})
            return str(item.get("lease_owner", {}).get("S", "another"))
        return ""

    def release(self) -> None:
        if not self._asked:
            return
        self._asked = False
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=self._key,
                ConditionExpression="lease_owner = :owner",
                ExpressionAttributeValues={":owner": {"S": self._owner}},
            )
        except ClientError as error:
            # It had expired and is somebody else's now.
            if error.response["Error"].get("Code") != "ConditionalCheckFailedException":
                raise


def lease_of(
    control: Control, clients: Clients, group: ScalingGroup, name: str, owner: str
) -> Lease:
    """As the file says. It lasts long enough for a round to fail or to take its time."""
    ttl_s = 2 * control.every_s + 60
    if control.lease is None:
        return TagLease(group, owner, ttl_s)
    table = control.lease
    return TableLease(clients("dynamodb"), table.table, table.key, name, owner, ttl_s)


def owner_text(owner: str) -> str:
    """Fit for a tag's value, which the owner shares with the expiry."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "+-=._:/@") else "-" for c in owner)
    return kept[:OWNER_MAX] or "-"
