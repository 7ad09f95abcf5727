"""DynamoDB tables.

Source: Amazon DynamoDB API Reference (version 2012-08-10), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.ownership import all_found, check_ours, name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

ENABLED = {"ENABLED", "ENABLING", "UPDATING"}


class Table(Kind):
    """Settings: `partition_key` and `sort_key` (names of text attributes; no sort key: empty),
    `point_in_time_recovery`, `managed_key` (encrypted with the account's aws/dynamodb key rather
    than with one that AWS owns), `deletion_protection` and `billing` (PAY_PER_REQUEST). Its id is
    its name.

    DynamoDB takes one change of a table at a time and refuses the others for the moment.
    """

    name = "table"
    fixed = frozenset({"partition_key", "sort_key"})
    holds_data = True
    ready_within_s = 600.0
    gone_within_s = 600.0

    def find(self, account: Account, owner: Owner) -> list[Found]:
        names = account.pages("dynamodb", "list_tables", "TableNames")
        ours = [name for name in names if name.startswith(owner.prefix)]
        return all_found(ours, lambda name: self._found(account, owner, name))

    def _found(self, account: Account, owner: Owner, table_name: str) -> Found | None:
        dynamodb = account.client("dynamodb")
        table = dynamodb.describe_table(TableName=table_name)["Table"]
        tags = self._tags(account, table)
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        settings = _settings(table, self._recovery(dynamodb, table))
        attributes = {"arn": table["TableArn"]}
        return Found(self.name, name, table_name, settings, attributes, table["TableStatus"], tags)

    def _tags(self, account: Account, table: dict[str, Any]) -> dict[str, str]:
        arn = table["TableArn"]
        return tag_dict(account.pages("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=arn))

    def _recovery(self, dynamodb: Any, table: dict[str, Any]) -> bool:
        if table["TableStatus"] in {"CREATING", "DELETING"}:
            return False
        answer = dynamodb.describe_continuous_backups(TableName=table["TableName"])
        recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    def create(self, account: Account, want: Want) -> None:
        """Point-in-time recovery can only be switched on afterwards, which is an update.

        Raises loadcore.RunError where there is a table of that name that is not the stack's: to
        AWS a table that is there is one in use, as is one that is going.
        """
        dynamodb = account.client("dynamodb")
        there = unless_gone(dynamodb.describe_table, TableName=want.physical)
        if there is not None:
            check_ours(self._tags(account, there["Table"]), want, f"table {want.physical}")
        keys = [(want.settings["partition_key"], "HASH"), (want.settings["sort_key"], "RANGE")]
        keys = [(key, role) for key, role in keys if key]
        dynamodb.create_table(
            TableName=want.physical,
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, role in keys],
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": "S"} for key, _ in sorted(keys)
            ],
            BillingMode=want.settings["billing"],
            SSESpecification={"Enabled": want.settings["managed_key"]},
            DeletionProtectionEnabled=want.settings["deletion_protection"],
            Tags=tag_list(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        dynamodb = account.client("dynamodb")
        if "tags" in changed:
            dynamodb.tag_resource(ResourceArn=found.attributes["arn"], Tags=tag_list(want.tags))
        if "point_in_time_recovery" in changed:
            dynamodb.update_continuous_backups(
                TableName=found.id,
                PointInTimeRecoverySpecification={
                    "PointInTimeRecoveryEnabled": want.settings["point_in_time_recovery"]
                },
            )
        if "deletion_protection" in changed:
            dynamodb.update_table(
                TableName=found.id, DeletionProtectionEnabled=want.settings["deletion_protection"]
            )
        elif "billing" in changed:
            dynamodb.update_table(TableName=found.id, BillingMode=want.settings["billing"])
        elif "managed_key" in changed:
            dynamodb.update_table(
                TableName=found.id, SSESpecification={"Enabled": want.settings["managed_key"]}
            )

    def delete(self, account: Account, found: Found) -> None:
        if not self.going(found):
            account.client("dynamodb").delete_table(TableName=found.id)

    def pending(self, account: Account, found: Found) -> str:
        return "" if found.state == "ACTIVE" else found.state.lower()

    def going(self, found: Found) -> bool:
        return found.state == "DELETING"


def _settings(table: dict[str, Any], recovery: bool) -> dict[str, Any]:
    keys = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
    return {
        "partition_key": keys["HASH"],
        "sort_key": keys.get("RANGE", ""),
        "point_in_time_recovery": recovery,
        "managed_key": table.get("SSEDescription", {}).get("Status") in ENABLED,
        "deletion_protection": table.get("DeletionProtectionEnabled", False),
        "billing": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
    }


KINDS: tuple[Kind, ...] = (Table(),)
