"""Leaving an Auto Scaling group in order: what happens on an instance that is to end.

The group announces it in the instance's metadata, deregisters it from the balancer and waits in its
lifecycle hook; an interruption of a spot instance is announced two minutes ahead. Then the service
is stopped, which drains it, its log is sent to the end, and the group is told to go on.

Sources: Amazon EC2 Auto Scaling User Guide, "Retrieve the target lifecycle state through instance
metadata" and "Complete a lifecycle action"; Amazon EC2 User Guide, "Spot Instance interruption
notices".
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

import loadcore as lc
from loadcore_aws.instance.imds import Imds, Unreachable
from loadcore_aws.instance.settings import LOGS_UNIT, SERVICE_UNIT, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 3.0  # AWS recommends to look for a spot interruption every 5 s
# A hook's heartbeat time-out is 30 s at the least.
HEARTBEAT_S = 12.0
# The announcement comes a little before the hook waits.
HOOK_WAIT_S = 60.0
HOOK_POLL_S = 2.0
LOGS_S = 30.0
STEP_S = 0.2


def announcement(imds: Imds) -> str:
    """Why this instance is to end, or nothing. Raises Unreachable."""
    if imds.get("autoscaling/target-lifecycle-state") in ("Terminated", "Warmed:Terminated"):
        return "the group terminates this instance"
    notice = imds.get("spot/instance-action")
    if notice is None:
        return ""
    try:
        told = json.loads(notice)
        return f"EC2 interrupts this spot instance ({told['action']} at {told['time']})"
    except (ValueError, KeyError, TypeError):
        return "EC2 interrupts this spot instance"


@dataclass(frozen=True)
class Surroundings:
    """What draining reaches out to. `autoscaling` is a boto3 client; `say` takes a line."""

    imds: Imds
    autoscaling: Any
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    start: Callable[[list[str]], subprocess.Popen[bytes]] = subprocess.Popen


def watch(settings: Settings, around: Surroundings) -> None:
    """Waits for the announcement, then drains; returns once the instance may end.

    Raises lc.RunError where the group could not be told; called again it does what is left.
    """
    lost = False
    while True:
        try:
            why = announcement(around.imds)
            lost = False
        except Unreachable as error:
            if not lost:
                around.say(f"{error}; trying again")
            why, lost = "", True
        if why:
            break
        around.sleep(POLL_S)
    around.say(why)
    Leaving(settings, around, around.imds.instance_id()).run()


class Leaving:
    """One drain, bounded by `drain_s`; heartbeats keep the hook waiting meanwhile."""

    def __init__(self, settings: Settings, around: Surroundings, instance: str) -> None:
        self._settings = settings
        self._around = around
        self._action = {
            "AutoScalingGroupName": settings.group,
            "LifecycleHookName": settings.hook,
            "InstanceId": instance,
        }
        self._heartbeat_due_s = around.clock()

    def run(self) -> None:
        deadline_s = self._around.clock() + self._settings.drain_s
        self._wait_until(min(deadline_s, self._around.clock() + self._settings.settle_s))
        if not self._stopped(SERVICE_UNIT, deadline_s):
            self._around.say(f"the service was not drained within {self._settings.drain_s} s")
        self._stopped(LOGS_UNIT, self._around.clock() + LOGS_S)
        if self._settings.group and self._settings.hook:
            try:
                self._complete()
            except lc.RunError:
                self._ship_on()
                raise

    def _ship_on(self) -> None:
        """So that why it failed is sent, too; the next attempt stops this again."""
        if self._settings.log_group:
            self._around.start(["systemctl", "start", LOGS_UNIT]).wait()

    def _wait_until(self, time_s: float) -> None:
        while (left_s := time_s - self._around.clock()) > 0:
            self._heartbeat()
            self._around.sleep(min(left_s, HEARTBEAT_S))

    def _stopped(self, unit: str, deadline_s: float) -> bool:
        """Whether `unit` had stopped by then; it is killed otherwise."""
        stop = self._around.start(["systemctl", "stop", unit])
        while stop.poll() is None:
            if self._around.clock() >= deadline_s:
                self._around.start(["systemctl", "kill", "--signal=KILL", unit]).wait()
                stop.wait()
                return False
            self._heartbeat()
            self._around.sleep(STEP_S)
        if stop.returncode != 0:
            self._around.say(f"systemctl stop {unit} ended with {stop.returncode}")
        return True

    def _heartbeat(self) -> None:
        """Never fails: without it the hook waits its own time, and the drain goes on."""
        if not (self._settings.group and self._settings.hook):
            return
        if self._around.clock() < self._heartbeat_due_s:
            return
        self._heartbeat_due_s = self._around.clock() + HEARTBEAT_S
        try:
            self._around.autoscaling.record_lifecycle_action_heartbeat(**self._action)
        except (BotoCoreError, ClientError) as error:
            if not _hook_is_idle(error):
                self._around.say(f"no heartbeat: {error}")

    def _complete(self) -> None:
        give_up_s = self._around.clock() + HOOK_WAIT_S
        while True:
            try:
                self._around.autoscaling.complete_lifecycle_action(
                    **self._action, LifecycleActionResult="CONTINUE"
                )
            except (BotoCoreError, ClientError) as error:
                if not _hook_is_idle(error):
                    raise lc.RunError(f"the group was not told to go on: {error}") from None
                if self._around.clock() >= give_up_s:
                    # EC2 ends an interrupted spot instance whatever the group says.
                    self._around.say("drained; no hook waits for this instance")
                    return
            else:
                self._around.say("drained; the group goes on")
                return
            self._around.sleep(HOOK_POLL_S)


def _hook_is_idle(error: Exception) -> bool:
    """Whether the group says that no lifecycle action of this instance is under way."""
    return isinstance(error, ClientError) and (
        error.response.get("Error", {}).get("Code") == "ValidationError"
        and "no active lifecycle action" in error.response["Error"].get("Message", "").lower()
    )
