"""Leaving an Auto Scaling group in order: what happens on an instance that is to end.

The group announces it in the instance's metadata and deregisters it from the balancer, which waits
for what is under way; after that it waits in its lifecycle hook. An interruption of a spot instance
is announced two minutes ahead. In the hook, or on an interruption at once, the service is stopped,
which drains it, its log is sent to the end, and the group is told to go on.

Sources: Amazon EC2 Auto Scaling User Guide, "Retrieve the target lifecycle state through instance
metadata", "How lifecycle hooks work", "Use Capacity Rebalancing to handle Amazon EC2 Spot
Interruptions" (the deregistration ends before the hook begins) and "Complete a lifecycle action";
Amazon EC2 User Guide, "Spot Instance interruption notices".
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
# Deregistration may take a little longer than its delay.
HOOK_WAIT_S = 60.0
HOOK_POLL_S = 2.0
LOGS_S = 30.0
STEP_S = 0.2


@dataclass(frozen=True)
class Announcement:
    """Why the instance is to end; `by_group` where that deregisters it and then waits in a hook."""

    why: str
    by_group: bool


def announcement(imds: Imds) -> Announcement | None:
    """None while the instance is to stay. Raises Unreachable."""
    # First: EC2 waits for nobody.
    if notice := imds.get("spot/instance-action"):
        return Announcement(_interruption(notice), by_group=False)
    if imds.get("autoscaling/target-lifecycle-state") in ("Terminated", "Warmed:Terminated"):
        return Announcement("the group terminates this instance", by_group=True)
    return None


def _interruption(notice: str) -> str:
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
            announced = announcement(around.imds)
            lost = False
        except Unreachable as error:
            if not lost:
                around.say(f"{error}; trying again")
            announced, lost = None, True
        if announced:
            break
        around.sleep(POLL_S)
    around.say(announced.why)
    Leaving(settings, around, around.imds.instance_id(), announced).run()


class Leaving:
    """One drain, bounded by `drain_s` once the balancer has done; heartbeats keep the hook waiting
    meanwhile."""

    def __init__(
        self, settings: Settings, around: Surroundings, instance: str, announced: Announcement
    ) -> None:
        self._settings = settings
        self._around = around
        self._action = {
            "AutoScalingGroupName": settings.group,
            "LifecycleHookName": settings.hook,
            "InstanceId": instance,
        }
        self._hooked = bool(settings.group and settings.hook)
        self._delay_s = (
            settings.deregistration_delay_s if self._hooked and announced.by_group else 0
        )
        self._hook_waits = False
        self._heartbeat_due_s = around.clock()

    def run(self) -> None:
        self._serve_on()
        deadline_s = self._around.clock() + self._settings.drain_s - self._settings.settle_s
        if not self._stopped(SERVICE_UNIT, deadline_s):
            self._around.say(f"the service was not drained within {self._settings.drain_s} s")
        self._stopped(LOGS_UNIT, self._around.clock() + LOGS_S)
        if self._hooked:
            try:
                self._complete()
            except lc.RunError:
                self._ship_on()
                raise

    def _ship_on(self) -> None:
        """So that why it failed is sent, too; the next attempt stops this again."""
        if self._settings.log_group:
            self._around.start(["systemctl", "start", LOGS_UNIT]).wait()

    def _serve_on(self) -> None:
        """For settle_s, so that the balancer has heard of the end, and then for as long as it waits
        for answers: until the hook waits, or for the whole delay. It costs no time, since the group
        goes on only afterwards. EC2 does not wait, so an interruption ends it."""
        begun_s = self._around.clock()
        settled_s = begun_s + self._settings.settle_s
        until_s = max(settled_s, begun_s + self._delay_s)
        while (now_s := self._around.clock()) < until_s:
            self._heartbeat()
            if now_s >= settled_s and (self._hook_waits or self._interrupted()):
                return
            next_s = settled_s if now_s < settled_s else until_s
            self._around.sleep(min(POLL_S, next_s - now_s))

    def _interrupted(self) -> bool:
        """Whether EC2 interrupts what the group has announced already."""
        try:
            announced = announcement(self._around.imds)
        except Unreachable:
            return False
        if announced is None or announced.by_group:
            return False
        self._around.say(announced.why)
        return True

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
        if not self._hooked:
            return
        if self._around.clock() < self._heartbeat_due_s:
            return
        self._heartbeat_due_s = self._around.clock() + HEARTBEAT_S
        try:
            self._around.autoscaling.record_lifecycle_action_heartbeat(**self._action)
        except (BotoCoreError, ClientError) as error:
            if not _hook_is_idle(error):
                self._around.say(f"no heartbeat: {error}")
        else:
            self._hook_waits = True

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
