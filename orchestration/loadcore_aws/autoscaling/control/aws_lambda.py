"""The controller as a Lambda function: one round a call.

Its state is in the group's tag. Only what package puts into the zip file is there beside the
standard library and boto3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadcore_aws.autoscaling.control import config, sources
from loadcore_aws.autoscaling.control.controller import Controller
from loadcore_aws.autoscaling.control.lease import lease_of
from loadcore_aws.autoscaling.control.memory import TagMemory
from loadcore_aws.autoscaling.control.scaling_group import ScalingGroup
from loadcore_aws.session import Session

FILE = "control.toml"


def handler(event: object, context: Any) -> dict[str, Any]:
    """What the timer calls; writes and returns one JSON object, that of Report.record().

    Whatever goes wrong is raised, for the function's own error metric to count. The lease is not
    released: the next call goes on with it, as its owner is the function.
    """
    del event
    control = config.read(Path(__file__).with_name(FILE))
    figure = control.figure
    assert isinstance(figure, (config.Queue, config.CloudWatch, config.Metrics))
    session = Session(region=control.region or None)
    group = ScalingGroup(session.client("autoscaling"), name=control.group, stack=control.stack)
    owner = f"lambda:{context.function_name}"
    lease = lease_of(control, session.client, group, group.look().name, owner)
    source = sources.source_of(figure, session.client)
    report = Controller(control, group, source, TagMemory(group), lease).round().record()
    print(json.dumps(report), flush=True)
    return report
