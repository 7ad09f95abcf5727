"""`loadcore stack sweep` on moto's server: which stacks are over, and what becomes of each."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from stack_world import account, sample

import loadcore as lc
from loadcore.cli import main
from loadcore_aws import stack
from loadcore_aws.cli import _options
from loadcore_aws.cli import stack as stack_cli
from loadcore_aws.stack import converge, status, sweep
from loadcore_aws.stack.kinds.storage import bucket_name
from loadcore_aws.stack.names import EXPIRES, RESOURCE, STACK, format_time, tag_dict, tag_list
from loadcore_aws.stack.plan import owner_of

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

REGION = "eu-central-1"
PAST, LATER = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


@dataclass
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def swept(
    aws: Front, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Said]:
    """The command in this process, in which nobody waits."""
    monkeypatch.setattr(_options, "account_of", lambda *_: account(aws, REGION))

    def command() -> Said:
        capsys.readouterr()
        code = main(["stack", "sweep", "--region", REGION, "--yes"])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return command


def leave(aws: Front, name: str, expires: str | None, resource: str = "vpc.main") -> str:
    """What a stack may have left: one tagged network, whose id this is."""
    tags = {STACK: name, RESOURCE: resource, **({EXPIRES: expires} if expires else {})}
    made = ec2(aws).create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": tag_list(tags)}],
    )
    return str(made["Vpc"]["VpcId"])


def left(aws: Front) -> list[str]:
    """The stack of each network that there still is."""
    tagged = [{"Name": "tag-key", "Values": [STACK]}]
    vpcs = ec2(aws).describe_vpcs(Filters=tagged)["Vpcs"]
    return sorted(tag_dict(vpc["Tags"])[STACK] for vpc in vpcs)


def ec2(aws: Front) -> Any:
    return account(aws, REGION).client("ec2")


def ends_in(hours: float) -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=hours)


# --- which are over


def launch(aws: Front, name: str, expires: str) -> str:
    """An instance as a group's are tagged; its id."""
    image = ec2(aws).describe_images()["Images"][0]["ImageId"]
    tags = tag_list({STACK: name, EXPIRES: expires})
    made = ec2(aws).run_instances(
        ImageId=image,
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(made["Instances"][0]["InstanceId"])


def test_the_end_of_what_is_gone_is_not_that_of_a_stack_made_anew(
    aws: Front, swept: Callable[[], Said]
) -> None:
    ec2(aws).terminate_instances(InstanceIds=[launch(aws, "anew", PAST)])
    ec2(aws).terminate_instances(InstanceIds=[launch(aws, "gone", PAST)])
    leave(aws, "anew", None)
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "  anew  without an end",
        "No stack in eu-central-1 has outlived its end.",
    ]
    assert left(aws) == ["anew"]


def test_an_end_that_is_brought_forward_counts_although_instances_keep_the_older_tag(
    aws: Front, swept: Callable[[], Said]
) -> None:
    launch(aws, "sooner", LATER)
    leave(aws, "sooner", PAST)
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert "What is left of sooner: nothing." in said.out
    assert left(aws) == []


def test_plan_status_and_sweep_tell_one_end_which_an_apply_without_any_keeps(
    aws: Front, tmp_path: Path, swept: Callable[[], Said]
) -> None:
    here, small = account(aws, REGION), sample("small", tmp_path)
    later, sooner = ends_in(24), ends_in(-1)
    for end in (later, sooner):
        made = stack.make_plan(small, here, expires=end)
        assert stack.apply(made, here).complete
        kept = stack.make_plan(small, here)
        (standing,) = sweep.standing(here)
        seen = status.look(here, owner_of(small, here))
        assert kept.empty
        assert (kept.expires, standing.expires, seen.expires) == (end, end, format_time(end))
        assert standing.endless == ()
        assert standing.outlived(ends_in(0)) is (end == sooner)
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert aws.inventory() == {}


def test_where_an_apply_gave_only_some_of_it_a_later_end_the_later_one_counts(
    aws: Front, swept: Callable[[], Said]
) -> None:
    leave(aws, "longer", PAST)
    leave(aws, "longer", LATER, "vpc.other")
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert "longer until 2999" in " ".join(said.out.split())
    assert left(aws) == ["longer", "longer"]


@pytest.mark.parametrize("end", [None, "never"])
def test_a_stack_of_which_something_has_no_end_stays_until_all_has_the_same(
    aws: Front, swept: Callable[[], Said], end: str | None
) -> None:
    leave(aws, "half", PAST)
    endless = leave(aws, "half", end, "vpc.other")
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert "half stays: vpc.other carries no end; loadcore stack apply gives" in said.out
    assert left(aws) == ["half", "half"]
    ec2(aws).create_tags(Resources=[endless], Tags=tag_list({EXPIRES: PAST}))
    assert swept().code == 0
    assert left(aws) == []


def bucket_with_a_package(aws: Front, name: str, tags: dict[str, str]) -> str:
    here = account(aws, REGION)
    s3, bucket = here.client("s3"), bucket_name(name, here.identify(), REGION)
    s3.create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": REGION, "Tags": tag_list(tags)},
    )
    s3.put_object(Bucket=bucket, Key="packages/main/0123456789ab/a.whl", Body=b"wheel")
    return bucket


def test_what_has_no_tags_of_its_own_does_not_keep_a_stack(
    aws: Front, swept: Callable[[], Said]
) -> None:
    """Packages go with their bucket."""
    tags = {STACK: "over", RESOURCE: "bucket.packages", EXPIRES: PAST}
    bucket_with_a_package(aws, "over", tags)
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert aws.inventory() == {}


@pytest.mark.parametrize("tags", [{}, {"team": "web"}, {STACK: "another", EXPIRES: PAST}])
def test_a_bucket_of_others_with_the_name_of_a_stacks_stays(
    aws: Front, swept: Callable[[], Said], tags: dict[str, str]
) -> None:
    leave(aws, "over", PAST)
    bucket = bucket_with_a_package(aws, "over", tags)
    said = swept()
    assert (said.code, said.err) == (0, "")
    left_over = aws.inventory()
    assert left_over.keys() == {"s3.bucket", "s3.object"}
    assert left_over["s3.bucket"] == [bucket]


def test_a_tag_that_no_stack_can_have_is_nobodys(aws: Front, swept: Callable[[], Said]) -> None:
    for name in ("*", "No Stack", "kep?"):
        leave(aws, name, PAST)
    leave(aws, "kept", LATER)
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert "No stack in eu-central-1 has outlived its end." in said.out
    assert len(left(aws)) == 4


def test_an_end_given_after_the_question_counts(
    aws: Front, swept: Callable[[], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc = leave(aws, "longer", PAST)
    leave(aws, "over", PAST)

    def confirm(*_: object, **__: object) -> None:
        ec2(aws).create_tags(Resources=[vpc], Tags=tag_list({EXPIRES: LATER}))

    monkeypatch.setattr(stack_cli, "confirm", confirm)
    said = swept()
    assert (said.code, said.err) == (0, "")
    assert "Stack longer has another end by now, and stays." in said.out
    assert left(aws) == ["longer"]


# --- what becomes of each


def test_a_stack_that_does_not_go_keeps_no_other_from_going(
    aws: Front, swept: Callable[[], Said]
) -> None:
    for name in ("aa", "bb", "cc", "dd"):
        leave(aws, name, PAST)
    for nth in (1, 3):
        aws.inject("denied", "ec2", "DeleteVpc", nth=nth)
    said = swept()
    assert said.code == 4
    assert left(aws) == ["aa", "cc"]
    told = said.err.splitlines()
    assert [line.split(":")[1].strip() for line in told[:-1]] == [
        "removing vpc", "stack aa", "removing vpc", "stack cc",
    ]  # fmt: skip
    assert told[-1].startswith("loadcore: not done with aa, cc; mend what is said above")
    assert [f"What is left of {name}: nothing." in said.out for name in ("bb", "dd")] == [True] * 2
    aws.clear_faults()
    assert swept().code == 0
    assert left(aws) == []


def test_a_stack_that_aws_does_not_tell_of_keeps_no_other_from_going(
    aws: Front, swept: Callable[[], Said]
) -> None:
    for name in ("aa", "bb"):
        leave(aws, name, PAST)
    aws.inject("denied", "ec2", "DescribeVpcs", nth=1)
    said = swept()
    assert said.code == 4
    first, last = said.err.splitlines()
    assert first.startswith("loadcore: stack aa: looking for vpc: not allowed")
    assert last.startswith("loadcore: not done with aa; ")
    assert left(aws) == ["aa"]


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_leaves_the_others(
    aws: Front, swept: Callable[[], Said], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Also where it comes with the last step of a stack, or with a look that AWS refuses."""
    for name in ("aa", "bb"):
        leave(aws, name, PAST)
    destroy = converge.destroy

    def and_stop(*arguments: Any, **keywords: Any) -> Any:
        outcome = destroy(*arguments, **keywords)
        signal.raise_signal(signal.SIGINT)
        if fails:
            raise lc.RunError("AWS will not tell")
        return outcome

    monkeypatch.setattr(converge, "destroy", and_stop)
    said = swept()
    assert said.code == 130
    assert ("AWS will not tell" in said.err) is fails
    assert left(aws) == ["bb"]
