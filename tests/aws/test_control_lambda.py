"""The controller as a Lambda function: its zip file runs where there is nothing but boto3."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_front.front import Front
from scaled_group import ScaledGroup

import loadcore as lc
from loadcore_aws.autoscaling.control import config, lambda_loadcore, lease, memory
from loadcore_aws.autoscaling.control.package import HANDLER, lambda_package, permissions

FILE = """
stack = "likes"
[figure]
kind = "queue"
queue = "jobs"
per_instance = true
[scale_out]
above = 10
adjust = 2
[scale_in]
below = 2
"""

# As Lambda's runtime calls a handler, in a Python that sees its own library, boto3 and the zip
# file's folder, and nothing else: not the packages of this environment.
CALL = """
import importlib, json, sys
task, libraries, handler = sys.argv[1:]
sys.path[:0] = [task, libraries]
module, _, name = handler.rpartition(".")
context = type("Context", (), {"function_name": "likes-controller"})()
answer = getattr(importlib.import_module(module), name)({"source": "aws.events"}, context)
used = [name for name in ("loadcore._core", "click", "rich", "loadcore_aws.stack.errors")
        if name in sys.modules]
json.dump({"answer": answer, "used": used}, sys.stderr)
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """A folder with boto3 and what it needs alone."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    site = Path(boto3.__file__).parents[1]
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"):
        (folder / name).symlink_to(site / name)
    return folder


def unpacked(text: str, tmp_path: Path) -> Path:
    task = tmp_path / "task"
    zipfile.ZipFile(io.BytesIO(lambda_package(text))).extractall(task)
    return task


def call(task: Path, libraries: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "-c", CALL, str(task), str(libraries), HANDLER]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "AWS_DEFAULT_REGION": "eu-central-1", **environment},
    )


def test_the_zip_file_scales_a_group(aws: Front, tmp_path: Path, libraries: Path) -> None:
    world = ScaledGroup(aws.url)
    world.queue(30)
    task = unpacked(FILE, tmp_path)
    aws.forget_calls()
    first = call(task, libraries, AWS_ENDPOINT_URL=aws.url)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stderr)
    assert told["used"] == []
    assert told["answer"] == json.loads(first.stdout)
    answer: dict[str, Any] = told["answer"]
    assert (answer["action"], answer["figure"], answer["capacity"]) == ("out", 15, 4)
    assert world.desired == 4
    assert memory.parse(world.tags[memory.TAG]).direction == "out"
    assert world.tags[lease.TAG].startswith("lambda:likes-controller ")
    called = {f"{each.service}:{each.action}" for each in aws.calls if each.service != "ec2"}
    assert called == set(permissions(config.parse(FILE)))

    aws.forget_calls()
    again = call(task, libraries, AWS_ENDPOINT_URL=aws.url)
    assert json.loads(again.stdout)["action"] == "keep"
    assert world.desired == 4


def test_what_goes_wrong_is_raised_for_lambda_to_count(
    aws: Front, tmp_path: Path, libraries: Path
) -> None:
    ScaledGroup(aws.url)
    task = unpacked(FILE.replace('"likes"', '"other"'), tmp_path)
    failed = call(task, libraries, AWS_ENDPOINT_URL=aws.url)
    assert failed.returncode == 1
    assert "loadcore.RunError: stack other has no Auto Scaling group" in failed.stderr


def test_the_zip_file_is_the_same_each_time_and_for_any_user(tmp_path: Path) -> None:
    data = lambda_package(FILE)
    assert data == lambda_package(FILE)
    assert data != lambda_package(FILE.replace("above = 10", "above = 11"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = archive.namelist()
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {Path(name).suffix for name in names} == {".py", ".toml"}


def test_the_stand_in_says_what_loadcore_says() -> None:
    for name in ("LoadcoreError", "PlanError", "RunError"):
        ours, real = getattr(lambda_loadcore, name), getattr(lc, name)
        assert [each.__name__ for each in ours.__mro__] == [each.__name__ for each in real.__mro__]
    assert str(lambda_loadcore.PlanError("a", "b")) == str(lc.PlanError("a", "b"))


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ('kind = "run"\nurl = "http://h/"', "figure.kind: is run, which a Lambda function cannot"),
        ('kind = "command"\ncommand = ["x"]', "figure.kind: is command, which a Lambda function"),
        ('kind = "metrics"\nurl = "http://h/"\nmetric = "m"\nrate = true\nwindow_s = 31',
         "figure.window_s: is 31"),
        ('kind = "queue"\nqueue = ""', "line 5: figure.queue is empty"),
    ],
)  # fmt: skip
def test_what_a_function_cannot_do_is_said_before(figure: str, said: str) -> None:
    text = (
        f'group = "g"\nevery_s = 60\n[figure]\n{figure}\n[scale_out]\nabove=9\n[scale_in]\nbelow=1'
    )
    with pytest.raises(lc.PlanError, match=said):
        lambda_package(text)


def test_a_gauge_has_no_window_that_could_be_too_long() -> None:
    figure = 'kind = "metrics"\nurl = "http://h/"\nmetric = "m"\nwindow_s = 31'
    assert lambda_package(
        f'group = "g"\n[figure]\n{figure}\n[scale_out]\nabove=9\n[scale_in]\nbelow=1'
    )


@pytest.mark.parametrize(
    ("figure", "more"),
    [
        ('kind = "queue"\nqueue = "q"', {"sqs:GetQueueAttributes", "sqs:GetQueueUrl"}),
        ('kind = "queue"\nqueue = "https://sqs/1/q"', {"sqs:GetQueueAttributes"}),
        ('kind = "cloudwatch"\nmetrics.a = { namespace = "n", name = "m" }',
         {"cloudwatch:GetMetricData"}),
        ('kind = "metrics"\nurl = "http://h/"\nmetric = "m"', set()),
        ('kind = "metrics"\nurl = "http://{address}/"\nmetric = "m"', {"ec2:DescribeInstances"}),
        ('kind = "queue"\nqueue = "https://sqs/1/q"\n[lease]\ntable = "t"',
         {"sqs:GetQueueAttributes", "dynamodb:PutItem"}),
    ],
)  # fmt: skip
def test_a_function_is_allowed_what_its_file_takes(figure: str, more: set[str]) -> None:
    text = f'group = "g"\n[scale_out]\nabove=9\n[scale_in]\nbelow=1\n[figure]\n{figure}\n'
    base = {"autoscaling:CreateOrUpdateTags", "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:SetDesiredCapacity"}  # fmt: skip
    assert set(permissions(config.parse(text))) == base | more
