"""What somebody has altered in the account: a plan shows just that, and an apply sets it right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from instances_world import STACK, prepared

from loadcore_aws.stack.design import identity

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front
    from services_world import World


@pytest.fixture
def world(aws: Front, tmp_path: Path) -> World:
    return prepared(aws, tmp_path)


def test_a_managed_policy_on_a_role_is_taken_off_again(world: World) -> None:
    resources = identity.resources(STACK, world.facts)
    world.settle(resources)
    iam, role = world.client("iam"), world.one("role.instances").id
    anything = json.dumps(identity.document([identity.allow("All", ("*",), "*")]))
    policy = iam.create_policy(PolicyName="by-hand", PolicyDocument=anything)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    assert world.changes(resources) == {"role.instances": ("update", {"attached"})}
    assert policy in str(world.plan(resources))
    world.settle(resources)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
