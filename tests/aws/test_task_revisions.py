"""A family of task definitions is the stack's if a revision says so, and few calls tell: tags are a
revision's, and pipelines register revisions without any."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from loadcore_aws.stack.kinds.task_definition import TaskDefinition
from loadcore_aws.stack.names import Owner


class Revisions:
    """Those of some families, by the tags of each, the oldest first. moto neither sorts nor counts
    what it lists."""

    exceptions = SimpleNamespace(ClientException=ClientError)

    def __init__(self, families: dict[str, list[dict[str, str]]]) -> None:
        self.families = families
        self.calls = 0

    def client(self, service: str) -> Revisions:
        return self

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[str]:
        return [name for name in self.families if name.startswith(parameters["familyPrefix"])]

    def list_task_definitions(self, **asked: Any) -> dict[str, Any]:
        self.calls += 1
        family = asked["familyPrefix"]
        numbers = range(1, len(self.families[family]) + 1)
        ordered = {"ASC": list(numbers), "DESC": list(reversed(numbers))}[asked["sort"]]
        arns = [f"{family}:{number}" for number in ordered[: asked["maxResults"]]]
        return {"taskDefinitionArns": arns}

    def describe_task_definition(self, **asked: Any) -> dict[str, Any]:
        self.calls += 1
        family, _, number = asked["taskDefinition"].partition(":")
        revisions = self.families[family]
        tags = revisions[int(number or len(revisions)) - 1]
        container = {"name": "likes", "image": "theirs"}
        return {
            "taskDefinition": {"taskDefinitionArn": "arn", "containerDefinitions": [container]},
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }


OWNER = Owner("demo", "eu-central-1", "123456789012")
OURS = OWNER.tags("task_definition.main", {}, None)


def found_in(families: dict[str, list[dict[str, str]]], calls_max: int) -> list[str]:
    account: Any = Revisions(families)
    found = [each.id for each in TaskDefinition().find(account, OWNER)]
    assert account.calls <= calls_max
    return found


@pytest.mark.parametrize("revisions", [
    [OURS, *[{}] * 500], [{}, *[{}] * 500, OURS, {}], [{"team": "web"}, OURS, {}, {}],
])  # fmt: skip
def test_it_is_however_many_revisions_a_pipeline_registered(
    revisions: list[dict[str, str]],
) -> None:
    """Or somebody deregistered the oldest ones: see LOOKED_AT."""
    assert found_in({"demo-main": revisions}, calls_max=9) == ["demo-main"]


def test_families_of_others_are_asked_for_no_more_than_their_newest_revision() -> None:
    others: dict[str, list[dict[str, str]]] = {f"demo-{n}": [{}] * 30 for n in range(15)}
    assert found_in(others, calls_max=15) == []
    assert found_in({"demo-main": [{}] * 500}, calls_max=9) == []
    of_another = {**OURS, "loadcore:stack": "demo-main"}
    assert found_in({"demo-main": [of_another, *[{}] * 500]}, calls_max=9) == []
