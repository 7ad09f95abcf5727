"""What a file's scaling tables become in the account."""

from __future__ import annotations

from typing import Any

import pytest
from fast_time import NOW

from loadcore_aws.autoscaling.spec import Alarm, Metric
from loadcore_aws.stack.design import scaling
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.spec import Package, Stack

FACTS = Facts(
    "123456789012", "aws", "eu-central-1", ("eu-central-1a", "eu-central-1b"), "vpc-1",
    ("subnet-1", "subnet-2"), "ami-1", "/dev/xvda", (File("a.whl", "a.whl", "0" * 64, 1),), now=NOW,
)  # fmt: skip


def made(address: str, **tables: Any) -> dict[str, Any]:
    """The settings of one resource of a stack with such tables."""
    stack = Stack("demo", "eu-central-1", Package("a.whl"), **tables)
    (found,) = (each for each in scaling.resources(stack, FACTS) if each.address == address)
    return dict(found.settings)


@pytest.mark.parametrize(
    ("metric", "given", "statistic", "percentile"),
    [
        ("requests", "", "Sum", ""),
        ("5xx", "", "Sum", ""),
        ("cpu", "", "Average", ""),
        ("healthy_hosts", "", "Minimum", ""),
        (Metric("AWS/ApplicationELB", "RequestCount"), "", "Average", ""),
        ("requests", "SampleCount", "SampleCount", ""),
        ("response_time", "p99", "", "p99"),
    ],
)
def test_an_alarm_without_a_statistic_has_the_one_that_makes_sense(
    metric: str | Metric, given: str, statistic: str, percentile: str
) -> None:
    alarm = Alarm("busy", metric, 200, statistic=given, actions=("arn:aws:sns:::pager",))
    settings = made("alarm.busy", alarm=(alarm,))
    assert (settings["statistic"], settings["percentile"]) == (statistic, percentile)
