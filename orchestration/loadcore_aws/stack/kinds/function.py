"""The controller as a Lambda function, and the timer that calls it."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.kinds.ownership import all_found, check_ours, name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

TARGET = "controller"
PERMISSION = "timer"


class Function(Kind):
    """Settings: `role` (an ARN), `handler`, `runtime`, `architecture`, `timeout_s`, `memory_mb`,
    `concurrency` (reserved, so that no more run at once), `environment`, `code_sha256` (base64, as
    Lambda says it) and `code`, the zip archive itself in base64.

    Its id is its name; the attribute is `arn`. Lambda takes one change at a time.
    """

    name = "function"
    unread = frozenset({"code"})
    ready_within_s = 300.0

    def find(self, account: Account, owner: Owner) -> list[Found]:
        functions = account.pages("lambda", "list_functions", "Functions")
        names = [each["FunctionName"] for each in functions]
        ours = [name for name in names if name.startswith(owner.prefix)]
        return all_found(ours, lambda name: self._found(account, owner, name))

    def _found(self, account: Account, owner: Owner, function: str) -> Found | None:
        answer = account.client("lambda").get_function(FunctionName=function)
        tags = answer.get("Tags", {})
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        now = answer["Configuration"]
        settings = {
            "role": now["Role"],
            "handler": now["Handler"],
            "runtime": now["Runtime"],
            "architecture": now["Architectures"][0],
            "timeout_s": now["Timeout"],
            "memory_mb": now["MemorySize"],
            "concurrency": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
            "environment": now.get("Environment", {}).get("Variables", {}),
            "code_sha256": now["CodeSha256"],
        }
        attributes = {
            "arn": now["FunctionArn"],
            "reason": now.get("StateReason") or now.get("LastUpdateStatusReason") or "",
        }
        return Found(self.name, name, function, settings, attributes, _state(now), tags)

    def create(self, account: Account, want: Want) -> None:
        """Reserved concurrency is set by the update that follows."""
        functions = account.client("lambda")
        try:
            functions.create_function(
                FunctionName=want.physical,
                Code={"ZipFile": b64decode(want.settings["code"])},
                Architectures=[want.settings["architecture"]],
                Tags=dict(want.tags),
                **_configuration(want.settings),
            )
        except functions.exceptions.ResourceConflictException:
            there = functions.get_function(FunctionName=want.physical)
            check_ours(there.get("Tags", {}), want, f"function {want.physical}")

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        functions = account.client("lambda")
        if "tags" in changed:
            functions.tag_resource(Resource=found.attributes["arn"], Tags=dict(want.tags))
        if "concurrency" in changed:
            self._reserve(functions, found, want.settings["concurrency"])
        if changed & {"code_sha256", "architecture"}:
            functions.update_function_code(
                FunctionName=found.id,
                ZipFile=b64decode(want.settings["code"]),
                Architectures=[want.settings["architecture"]],
            )
        elif changed - {"tags", "concurrency"}:
            functions.update_function_configuration(
                FunctionName=found.id, **_configuration(want.settings)
            )

    def _reserve(self, functions: Any, found: Found, count: int) -> None:
        try:
            functions.put_function_concurrency(
                FunctionName=found.id, ReservedConcurrentExecutions=count
            )
        except functions.exceptions.InvalidParameterValueException as error:
            if "UnreservedConcurrentExecution" not in str(error):
                raise
            raise lc.RunError(
                f"{found.address}: the account allows too few concurrent executions to reserve "
                f"{count} for {found.id}; raise Lambda's quota Concurrent executions in Service "
                "Quotas and apply again"
            ) from None

    def delete(self, account: Account, found: Found) -> None:
        account.client("lambda").delete_function(FunctionName=found.id)

    def pending(self, account: Account, found: Found) -> str:
        if found.state == "Failed":
            raise lc.RunError(
                f"{found.address}: Lambda could not set {found.id} up: "
                f"{found.attributes['reason']}; mend that and apply again"
            )
        return "" if found.state == "Active" else found.state.lower()


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Role": settings["role"],
        "Handler": settings["handler"],
        "Runtime": settings["runtime"],
        "Timeout": settings["timeout_s"],
        "MemorySize": settings["memory_mb"],
        "Environment": {"Variables": settings["environment"]},
    }


def _state(configuration: Mapping[str, Any]) -> str:
    """Inactive is a function that was not called for long: it is ready when called ("Lambda
    function states", AWS Lambda Developer Guide)."""
    last = configuration.get("LastUpdateStatus", "Successful")
    if last == "InProgress":
        return "Updating"
    state = str(configuration.get("State", "Active"))
    return "Failed" if last == "Failed" else "Active" if state == "Inactive" else state


class Timer(Kind):
    """An EventBridge rule that calls a function. Settings: `every_minutes`, `function` (an ARN),
    `enabled`, `allowed` (whether the function lets this rule call it). Its id is its name."""

    name = "timer"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        rules = account.pages("events", "list_rules", "Rules", NamePrefix=owner.prefix)
        return all_found(rules, lambda rule: self._found(account, owner, rule))

    def _found(self, account: Account, owner: Owner, rule: dict[str, Any]) -> Found | None:
        arn, tags = rule["Arn"], self._tags(account, rule)
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        targets = account.pages("events", "list_targets_by_rule", "Targets", Rule=rule["Name"])
        called = {each["Id"]: each["Arn"] for each in targets}.get(TARGET)
        settings = {
            "every_minutes": _minutes(rule.get("ScheduleExpression", "")),
            "function": called,
            "enabled": rule["State"] == "ENABLED",
            "allowed": called is not None and _is_allowed(account, called, arn),
        }
        return Found(self.name, name, rule["Name"], settings, {"arn": arn}, rule["State"], tags)

    def _tags(self, account: Account, rule: Mapping[str, Any]) -> dict[str, str]:
        answer = account.client("events").list_tags_for_resource(ResourceARN=rule["Arn"])
        return tag_dict(answer["Tags"])

    def create(self, account: Account, want: Want) -> None:
        """Without a target, which the update that follows gives it. PutRule overwrites whatever has
        the name, so it is looked at first.

        Raises loadcore.RunError where it is not the stack's.
        """
        for rule in account.pages("events", "list_rules", "Rules", NamePrefix=want.physical):
            if rule["Name"] == want.physical:
                check_ours(self._tags(account, rule), want, f"rule {want.physical}")
        account.client("events").put_rule(
            Name=want.physical, **_rule(want.settings), Tags=tag_list(want.tags)
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        events = account.client("events")
        if changed & {"every_minutes", "enabled"}:
            events.put_rule(Name=found.id, **_rule(want.settings))
        if changed & {"function", "allowed"}:
            self._allow(account, found, want.settings["function"])
        if "function" in changed:
            target = {"Id": TARGET, "Arn": want.settings["function"]}
            events.put_targets(Rule=found.id, Targets=[target])
        if "tags" in changed:
            events.tag_resource(ResourceARN=found.attributes["arn"], Tags=tag_list(want.tags))

    def _allow(self, account: Account, found: Found, function: str) -> None:
        """Anew, as a permission with this name may be for another rule."""
        functions, rule = account.client("lambda"), found.attributes["arn"]
        if _is_allowed(account, function, rule):
            return
        self._forbid(account, function)
        functions.add_permission(
            FunctionName=function,
            StatementId=PERMISSION,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )

    def _forbid(self, account: Account, function: str) -> None:
        unless_gone(
            account.client("lambda").remove_permission,
            FunctionName=function,
            StatementId=PERMISSION,
        )

    def delete(self, account: Account, found: Found) -> None:
        """A rule goes only when it has no targets."""
        events = account.client("events")
        if found.settings["function"] is not None:
            self._forbid(account, found.settings["function"])
            unless_gone(events.remove_targets, Rule=found.id, Ids=[TARGET])
        events.delete_rule(Name=found.id)


def _rule(settings: Mapping[str, Any]) -> dict[str, str]:
    minutes = settings["every_minutes"]
    return {
        "ScheduleExpression": f"rate({minutes} {'minute' if minutes == 1 else 'minutes'})",
        "State": "ENABLED" if settings["enabled"] else "DISABLED",
    }


def _minutes(expression: str) -> int | None:
    count, _, unit = expression.removeprefix("rate(").removesuffix(")").partition(" ")
    return int(count) if count.isdecimal() and unit in {"minute", "minutes"} else None


def _is_allowed(account: Account, function: str, rule: str) -> bool:
    answer = unless_gone(account.client("lambda").get_policy, FunctionName=function)
    return answer is not None and any(
        statement.get("Sid") == PERMISSION
        and rule in statement.get("Condition", {}).get("ArnLike", {}).values()
        for statement in json.loads(answer["Policy"])["Statement"]
    )


KINDS: tuple[Kind, ...] = (Function(), Timer())
