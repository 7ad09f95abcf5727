"""What user data cannot carry is refused by the design already, before anything is made."""

from __future__ import annotations

import random
import string
from dataclasses import replace

import pytest

import loadcore as lc
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.design.instances import REF_CHARS_MAX, resources
from loadcore_aws.stack.kinds.image import STOP
from loadcore_aws.stack.kinds.machine import user_data
from loadcore_aws.stack.resource import Found, refs_in, resolved
from loadcore_aws.stack.spec import Database, Instances, Network, Package, Stack, Table
from loadcore_aws.stack.userdata import BYTES_MAX

WHEEL = "loadcore-0.1.0-cp311-cp311-linux_x86_64.whl"
STACK = Stack(
    "likes",
    "eu-central-1",
    Package(WHEEL),
    network=Network("own"),
    table=Table(),
    database=Database(),
)


def facts(*wheels: str) -> Facts:
    files = tuple(
        File(name, name, f"{index:064x}", 1) for index, name in enumerate((WHEEL, *wheels))
    )
    zones = ("eu-central-1a", "eu-central-1b")
    return Facts("123456789012", "aws", "eu-central-1", zones, image="ami-1", packages=files)


def noise(chars: int) -> str:
    """What packing does little to."""
    return "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=chars))


def with_environment(text: str, *, bake: bool = False) -> Stack:
    return replace(STACK, instances=Instances(bake=bake, environment={"V": text}))


def test_too_much_user_data_is_refused_by_the_plan() -> None:
    with pytest.raises(lc.PlanError, match=r"instances: make \d+ bytes of user data, packed, and"):
        resources(with_environment(noise(16_000)), facts())


@pytest.mark.parametrize("name", ["odd name-1.0-py3-none-any.whl", "a%20-1.0-py3-none-any.whl"])
def test_a_wheel_that_no_key_can_name_is_refused_by_the_plan(name: str) -> None:
    with pytest.raises(lc.PlanError, match=r"wheels\[1\].key is 'packages/wheel-.*; take letters"):
        resources(STACK, facts(name))


def test_a_wheel_for_no_python_is_refused_by_the_plan() -> None:
    other = File("x.whl", "loadcore-0.1.0-py3-none-any.whl", "0" * 64, 1)
    with pytest.raises(lc.PlanError, match=r"package.key names no wheel of CPython 3"):
        resources(STACK, replace(facts(), packages=(other,)))


def test_a_local_version_is_no_reason_to_refuse() -> None:
    [template] = resources(STACK, facts("torch-2.0+cu118-cp311-cp311-linux_x86_64.whl"))
    [wheel] = template.settings["plan"]["wheels"]
    assert wheel["key"].endswith("/torch-2.0~cu118-cp311-cp311-linux_x86_64.whl")


def test_what_fits_once_it_is_packed_is_no_reason_to_refuse() -> None:
    """15 wheels and a long variable: more than EC2 takes as it is."""
    wheels = [f"project{n}-1.0-py3-none-any.whl" for n in range(15)]
    [template] = resources(with_environment("ab " * 1000), facts(*wheels))
    data = user_data(made(template.settings["plan"]))
    assert data.startswith(b"\x1f\x8b")
    assert len(data) < BYTES_MAX / 2


def test_room_for_what_is_made_first_is_kept() -> None:
    """Whatever variable the plan takes, the same user data with the ids of what was made fits."""
    low, high = 0, 40_000
    while high - low > 1:
        middle = (low + high) // 2
        try:
            resources(with_environment(noise(middle), bake=True), facts())
            low = middle
        except lc.PlanError:
            high = middle
    assert low > 2000
    image, _ = resources(with_environment(noise(low), bake=True), facts())
    assert len(user_data(made(image.settings["plan"]), STOP)) <= BYTES_MAX


ARN = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:rds!db-"
MADE = {
    "bucket.packages": {"id": "likes-packages-123456789012-eu-central-1"},
    "log_group.service": {"id": "/loadcore/likes/service"},
    "table.main": {"id": "likes-main"},
    "database.main": {
        "host": "likes-main-abcdef.c3wx7y8z9abc.us-gov-west-1.rds.amazonaws.com",
        "port": "5432",
        "secret": f"{ARN}01234567-89ab-cdef-0123-456789abcdef-QrStUv",
    },
}


def made(plan: object) -> dict[str, object]:
    """The plan with what AWS would have called things."""
    known = {
        address: Found(address, "main", attributes.get("id", ""), {}, attributes)
        for address, attributes in MADE.items()
    }
    told = resolved(plan, known)
    assert not list(refs_in(told))
    assert all(len(text) <= REF_CHARS_MAX for each in MADE.values() for text in each.values())
    assert isinstance(told, dict)
    return told
