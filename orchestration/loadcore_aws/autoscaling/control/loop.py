"""The controller again and again, on a machine."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

import loadcore as lc
from loadcore_aws.autoscaling.control.controller import Controller, Report
from loadcore_aws.autoscaling.control.lease import lease_of
from loadcore_aws.autoscaling.control.local_sources import source_of
from loadcore_aws.autoscaling.control.memory import DryMemory, FileMemory
from loadcore_aws.autoscaling.control.scaling_group import ScalingGroup
from loadcore_aws.stack.errors import explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadcore_aws.autoscaling.control.config import Control
    from loadcore_aws.session import Session

DOING = "controlling the group"


def make(control: Control, session: Session, state: Path, *, dry_run: bool) -> Controller:
    """A controller that keeps its state in a file. Looks the group up, to know its full name.

    Raises loadcore.RunError where there is no such group, and what boto3 raises.
    """
    group = ScalingGroup(session.client("autoscaling"), name=control.group, stack=control.stack)
    name = group.look().name
    memory = FileMemory(state)
    return Controller(
        control,
        group,
        source_of(control.figure, session.client),
        DryMemory(memory) if dry_run else memory,
        None if dry_run else lease_of(control, session.client, group, name, owner_here(state)),
        dry_run=dry_run,
    )


def owner_here(state: Path) -> str:
    """The same for each run of a cron line, which so goes on with its own lease after a crash."""
    place = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]
    return f"{socket.gethostname()}:{place}"


def state_path(control: Control, region: str) -> Path:
    """In the user's folder for what programs keep (XDG Base Directory Specification,
    XDG_STATE_HOME), one file a group."""
    base = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    subject = f"{region} {control.group or control.stack} {bool(control.stack)}"
    digest = hashlib.sha256(subject.encode()).hexdigest()[:16]
    return folder / "loadcore" / f"control-{digest}.json"


def run(
    controller: Controller,
    every_s: float,
    tell: Callable[[Report], None],
    *,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Rounds at multiples of `every_s` from now on, those that a long round has missed left out;
    until something is raised, such as KeyboardInterrupt.

    What goes wrong in the first round is raised, as it needs mending; later on it is told, and the
    next round tries again.
    """
    begin_s = now_s()
    tell(controller.round())
    while True:
        passed = (now_s() - begin_s) // every_s
        sleep(max(begin_s + (passed + 1) * every_s - now_s(), 0.0))
        try:
            report = controller.round()
        except (BotoCoreError, ClientError, lc.LoadcoreError, OSError) as error:
            report = controller.failed(_sentence(error))
        tell(report)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the state file'}: {error.strerror or error}"
    return str(explained(error, DOING))
