"""The controller's zip file for Lambda, and what the function must be allowed to do.

The modules keep their names, so that a traceback in the log names files of this repository. They
need the standard library and boto3, which the runtime has; python3.12 and later do.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import loadcore as lc
from loadcore_aws.autoscaling.control import config
from loadcore_aws.autoscaling.control.config import (
    ADDRESS,
    CloudWatch,
    Command,
    Control,
    LoadRun,
    Metrics,
    Queue,
)

HANDLER = "loadcore_aws.autoscaling.control.aws_lambda.handler"
FUNCTION_TIMEOUT_S = 60
"""what the function should be given"""
WINDOW_S_MAX = 30.0

ROOT = Path(__file__).parents[2]
CONTROL = "loadcore_aws/autoscaling/control"
MODULES = (
    "_faults",
    "_toml",
    "autoscaling/control/__init__",
    "autoscaling/control/aws_lambda",
    "autoscaling/control/config",
    "autoscaling/control/controller",
    "autoscaling/control/decide",
    "autoscaling/control/lease",
    "autoscaling/control/memory",
    "autoscaling/control/prometheus",
    "autoscaling/control/scaling_group",
    "autoscaling/control/sources",
    "session",
    "stack/names",
)
EMPTY = ("loadcore_aws", "loadcore_aws/autoscaling", "loadcore_aws/stack")
"""packages whose own __init__ imports what is not in the zip file"""
LONG_AGO = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o100644


def lambda_package(text: str) -> bytes:
    """A zip file of the controller with this CONTROL.toml, the same bytes for the same input on
    every machine.

    Raises loadcore.PlanError for a file that is wrong, or that a function cannot carry out.
    """
    _check(config.parse(text))
    files = {f"{package}/__init__.py": "" for package in EMPTY}
    for module in MODULES:
        files[f"loadcore_aws/{module}.py"] = (ROOT / f"{module}.py").read_text(encoding="utf-8")
    stand_in = Path(__file__).with_name("lambda_loadcore.py").read_text(encoding="utf-8")
    files["loadcore/__init__.py"] = f"{stand_in}\n\n__version__ = {lc.__version__!r}\n"
    files[f"{CONTROL}/control.toml"] = text
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = FILE_MODE << 16
            # Not compressed: what compressing gives depends on the library's version.
            archive.writestr(entry, content)
    return written.getvalue()


def permissions(control: Control) -> tuple[str, ...]:
    """The IAM actions that the function takes with this file, sorted."""
    actions = {
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:SetDesiredCapacity",
    }
    figure = control.figure
    if isinstance(figure, Queue):
        actions.add("sqs:GetQueueAttributes")
        if "://" not in figure.queue:
            actions.add("sqs:GetQueueUrl")
    elif isinstance(figure, CloudWatch):
        actions.add("cloudwatch:GetMetricData")
    elif isinstance(figure, Metrics) and ADDRESS in figure.url:
        actions.add("ec2:DescribeInstances")
    if control.lease is not None:
        actions.add("dynamodb:PutItem")
    return tuple(sorted(actions))


def _check(control: Control) -> None:
    figure = control.figure
    if isinstance(figure, (LoadRun, Command)):
        raise lc.PlanError("figure.kind", f"is {figure.kind}, which a Lambda function cannot read; "
                           "take queue, cloudwatch or metrics, or run the controller on a "
                           "machine")  # fmt: skip
    if isinstance(figure, Metrics) and figure.windowed and figure.window_s > WINDOW_S_MAX:
        raise lc.PlanError("figure.window_s", f"is {figure.window_s:g}; in a Lambda function "
                           f"it is {WINDOW_S_MAX:g} at most")  # fmt: skip
