"""The whole life of each sample stack against moto's server: planned, applied, looked at again,
changed, torn down, counted past the code under test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aws_front.faults import READS
from stack_world import account, publish, sample

from loadcore_aws import stack

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

SAMPLES = ("small", "full", "postgres", "containers")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_life(name: str, aws: Front, tmp_path: Path) -> None:
    wanted = sample(name, tmp_path)
    here = account(aws, wanted.region)
    plan = stack.make_plan(wanted, here)
    assert {change.action for change in plan.changes} == {"create"}
    assert aws.inventory(wanted.region) == {}, "a plan makes nothing"
    outcome = stack.apply(plan, here)
    if wanted.containers is not None:
        assert "run  loadcore stack publish" in str(outcome.failed)
        publish(wanted, aws)
        outcome = stack.apply(stack.make_plan(wanted, here), here)
    assert outcome.complete, outcome.failed
    assert {found.address for found in outcome.known} == {r.address for r in plan.resources}

    again = stack.make_plan(wanted, here)
    assert again.empty, [change for change in again.changes if change.action != "keep"]
    writes = written(aws)
    assert stack.apply(again, here).complete
    assert written(aws) == writes, "an apply with nothing to do changes nothing"

    gone = stack.destroy(wanted, here)
    assert gone.complete, (gone.failed, gone.left)
    assert aws.inventory(wanted.region) == {}
    assert stack.destroy(wanted, here).done == ()


def written(aws: Front) -> list[str]:
    return [call.name for call in aws.calls if not call.action.startswith(READS)]
