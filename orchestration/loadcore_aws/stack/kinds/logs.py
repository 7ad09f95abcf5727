"""CloudWatch log groups.

Source: Amazon CloudWatch Logs API Reference (version 2014-03-28), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

SERVICE_FOLDER = "/loadcore/"
FUNCTION_FOLDER = "/aws/lambda/"


class LogGroup(Kind):
    """Settings: `name`, below one of the folders above, and `retention_days`.

    Its id is its name; attributes: `arn`, and `streams`, which policies name: it stands for the
    group, which CreateLogStream is checked for, and for its streams, which PutLogEvents is.
    """

    name = "log_group"
    fixed = frozenset({"name"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        groups = [
            group
            for prefix in (SERVICE_FOLDER + owner.stack, FUNCTION_FOLDER + owner.prefix)
            for group in account.pages(
                "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix
            )
        ]
        return all_found(groups, lambda group: self._found(account, owner, group))

    def _found(self, account: Account, owner: Owner, group: dict[str, Any]) -> Found | None:
        arn = group["arn"].removesuffix(":*")
        tags = account.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        settings = {
            "name": group["logGroupName"],
            "retention_days": group.get("retentionInDays"),
        }
        attributes = {"arn": arn, "streams": f"{arn}:*"}
        return Found(self.name, name, group["logGroupName"], settings, attributes, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        """Without retention, which the update that follows sets."""
        account.client("logs").create_log_group(
            logGroupName=want.settings["name"], tags=dict(want.tags)
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        logs = account.client("logs")
        if "retention_days" in changed:
            logs.put_retention_policy(
                logGroupName=found.id, retentionInDays=want.settings["retention_days"]
            )
        if "tags" in changed:
            logs.tag_resource(resourceArn=found.attributes["arn"], tags=dict(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        account.client("logs").delete_log_group(logGroupName=found.id)


KINDS: tuple[Kind, ...] = (LogGroup(),)
