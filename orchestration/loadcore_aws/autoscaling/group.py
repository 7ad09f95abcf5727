"""An Auto Scaling group in time: its instances' lives, its limits, what waits for what.

Sources, all of the Amazon EC2 Auto Scaling User Guide: "Amazon EC2 Auto Scaling instance
lifecycle", "Scaling cooldowns", "Step and simple scaling policies", "Set the default instance
warmup", "Amazon EC2 Auto Scaling lifecycle hooks", "Scheduled scaling", "Health checks for
instances", "Manual scaling".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws.autoscaling.policies import (
    Proposal,
    cooldown_s,
    simple_capacity,
    step_capacity,
    tracking_proposals,
    warmup_s,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadcore_aws.autoscaling.policies import Tracked
    from loadcore_aws.autoscaling.spec import Group, Policy, Schedule, Simple, StepPolicy

Phase: TypeAlias = Literal[
    "Pending", "Pending:Wait", "InService", "Terminating", "Terminating:Wait", "Terminated"
]


@dataclass(frozen=True)
class Timings:
    """How long things take, in seconds: `boot_s` from the launch until the instance could serve,
    `launch_hook_s` in Pending:Wait after that, `deregistration_delay_s` draining at the balancer
    (None: there is no balancer), `terminate_hook_s` in Terminating:Wait after that."""

    boot_s: float = 0
    launch_hook_s: float = 0
    deregistration_delay_s: float | None = 300
    terminate_hook_s: float = 0


@dataclass(frozen=True)
class Instance:
    """When an instance passes from one phase to the next; inf: not decided."""

    number: int
    booted_s: float
    in_service_s: float
    warm_s: float
    leaving_s: float = math.inf
    drained_s: float = math.inf
    gone_s: float = math.inf

    def phase(self, now_s: float) -> Phase:
        """By the names that DescribeAutoScalingInstances uses for the states; Terminating is while
        the balancer drains it."""
        if now_s >= self.gone_s:
            return "Terminated"
        if now_s >= self.drained_s:
            return "Terminating:Wait"
        if now_s >= self.leaving_s:
            return "Terminating"
        if now_s >= self.in_service_s:
            return "InService"
        return "Pending:Wait" if now_s >= self.booted_s else "Pending"

    def warm(self, now_s: float) -> bool:
        """In service and past its warm-up: it counts toward the group's metrics."""
        return now_s >= self.warm_s and self.phase(now_s) == "InService"


@dataclass(frozen=True)
class Activity:
    """One scaling activity: the desired capacity before and after, and why."""

    at_s: float
    cause: str
    before: int
    after: int


class GroupState:
    """The group between calls, whose times (seconds, from 0 on) never go back.

    Its first instances, `desired` of them or min, are in service and warm from the beginning.
    Instances that are gone are forgotten.
    """

    def __init__(self, group: Group, timings: Timings) -> None:
        self.group = group
        self.timings = timings
        self.min = group.min
        self.max = group.max
        self.desired = group.min if group.desired is None else group.desired
        self.activities: list[Activity] = []
        self._instances: list[Instance] = []
        self._launched = 0
        self._simple_waits_until_s = -math.inf
        for _ in range(self.desired):
            self._add(0.0, 0.0, 0.0)

    def instances(self, now_s: float) -> tuple[Instance, ...]:
        """All that exist, and are paid for, the oldest first."""
        self._instances = [one for one in self._instances if now_s < one.gone_s]
        return tuple(self._instances)

    def in_service(self, now_s: float) -> tuple[Instance, ...]:
        """Those that take traffic; those that drain take no new requests."""
        return tuple(one for one in self.instances(now_s) if one.phase(now_s) == "InService")

    def warm(self, now_s: float) -> tuple[Instance, ...]:
        """Those that count toward the group's metrics ("Set the default instance warmup")."""
        return tuple(one for one in self.instances(now_s) if one.warm(now_s))

    def health_checked(self, now_s: float) -> tuple[Instance, ...]:
        """Those in service for as long as the health check grace period or longer: who does not
        answer the balancer then is replaced ("Set the health check grace period for an Auto Scaling
        group")."""
        grace_s = self.group.health_check_grace_s
        return tuple(one for one in self.in_service(now_s) if now_s >= one.in_service_s + grace_s)

    def leaving(self, now_s: float) -> tuple[Instance, ...]:
        """Those that drain or wait in their lifecycle hook."""
        return tuple(one for one in self.instances(now_s) if now_s >= one.leaving_s)

    def scaling_out(self, now_s: float) -> bool:
        """Whether an instance is being launched or warms up, which holds back scale-in by step and
        target tracking policies ("Instance warm-up")."""
        return any(not one.warm(now_s) for one in self._members(now_s))

    def simple_waits(self, now_s: float) -> bool:
        """Whether simple policies have to wait for an activity or a cooldown to end."""
        return now_s < self._simple_waits_until_s

    @property
    def simple_waits_until_s(self) -> float:
        """When the last activity's cooldown ends; -inf before the first."""
        return self._simple_waits_until_s

    def propose(
        self, policy: Simple | StepPolicy, *, now_s: float, difference: float = 0.0
    ) -> Proposal | None:
        """What the policy asks for when its alarm has it run now; None where it has to wait or asks
        for nothing. `difference` is metric minus threshold."""
        if policy.kind == "simple":
            if self.simple_waits(now_s):
                return None
            asked = simple_capacity(policy, self.desired)
        else:
            asked = step_capacity(
                policy,
                difference,
                warm=len(self.warm(now_s)),
                leaving=len(self.leaving(now_s)),
                desired=self.desired,
            )
            if asked < self.desired and self.scaling_out(now_s):
                return None
        return None if asked == self.desired else Proposal(policy, asked)

    def propose_tracking(self, tracked: Sequence[Tracked], *, now_s: float) -> list[Proposal]:
        """What the target tracking policies ask for together, as `propose`: nothing where one of
        them would have the group stay, since the largest capacity wins."""
        asked = tracking_proposals(
            tracked,
            warm=len(self.warm(now_s)),
            leaving=len(self.leaving(now_s)),
            desired=self.desired,
        )
        if self.scaling_out(now_s):
            asked = [one for one in asked if one.capacity > self.desired]
        return [] if any(one.capacity == self.desired for one in asked) else asked

    def request(
        self,
        capacity: int,
        *,
        now_s: float,
        cause: str,
        policy: Policy | None = None,
        honor_cooldown: bool = False,
    ) -> Activity | None:
        """Sets the desired capacity, held to the limits, and launches or terminates what that
        takes; None where nothing changes. `policy` None is a manual change, which waits for the
        cooldown only with `honor_cooldown` ("Manual scaling", SetDesiredCapacity).

        Whatever the cause, simple policies then wait ("Scaling cooldowns").
        """
        waits = honor_cooldown or (policy is not None and policy.kind == "simple")
        if waits and self.simple_waits(now_s):
            return None
        after = min(max(capacity, self.min), self.max)
        if after == self.desired:
            return None
        activity = Activity(now_s, cause, self.desired, after)
        self.activities.append(activity)
        self.desired = after
        self._settle(now_s, policy)
        return activity

    def apply(self, proposal: Proposal, *, now_s: float, alarm: str = "") -> Activity | None:
        """Carries out what a policy asked for; `alarm` is the one that had it run."""
        by = f"alarm {alarm} in state ALARM triggered " if alarm else ""
        cause = f"{by}policy {proposal.policy.name}"
        return self.request(proposal.capacity, now_s=now_s, cause=cause, policy=proposal.policy)

    def run_schedule(self, schedule: Schedule, *, now_s: float) -> Activity | None:
        """A scheduled action, which waits for no cooldown: sets the limits it names, then the
        desired capacity it names or else holds the present one to the limits ("Scheduled
        scaling"). One that would leave min above max fails and changes nothing."""
        low = self.min if schedule.min is None else schedule.min
        high = self.max if schedule.max is None else schedule.max
        if low > high:
            return None
        self.min, self.max = low, high
        desired = self.desired if schedule.desired is None else schedule.desired
        cause = f"scheduled action {schedule.name}"
        return self.request(desired, now_s=now_s, cause=cause)

    def replace_unhealthy(self, number: int, *, now_s: float) -> Activity | None:
        """Terminates a member of the group that failed its health check and launches another, at
        once and whatever the cooldown; simple policies wait for it ("Scaling cooldowns"). None
        where there is no such member."""
        if not any(one.number == number for one in self._members(now_s)):
            return None
        cause = f"instance {number} failed its health check"
        activity = Activity(now_s, cause, self.desired, self.desired)
        self.activities.append(activity)
        left_s = self._terminate(number, now_s)
        ready_s = self._launch(now_s, warmup_s(None, self.group))
        self._start_cooldown(max(left_s, ready_s), None)
        return activity

    def _members(self, now_s: float) -> list[Instance]:
        """Those that count toward the desired capacity."""
        return [one for one in self.instances(now_s) if now_s < one.leaving_s]

    def _settle(self, now_s: float, policy: Policy | None) -> None:
        members = self._members(now_s)
        missing = self.desired - len(members)
        warmup = warmup_s(policy, self.group)
        ends = [self._launch(now_s, warmup) for _ in range(missing)]
        ends += [
            self._terminate(one.number, now_s) for one in _first_to_go(members, now_s, -missing)
        ]
        self._start_cooldown(max(ends, default=now_s), policy)

    def _start_cooldown(self, from_s: float, policy: Policy | None) -> None:
        """ "Scaling cooldowns": it begins when the last instance has finished launching or
        terminating. An earlier one that lasts longer is not cut short."""
        until_s = from_s + cooldown_s(policy, self.group)
        self._simple_waits_until_s = max(self._simple_waits_until_s, until_s)

    def _launch(self, now_s: float, warmup: float) -> float:
        """When the launch is complete: in service, after the lifecycle hook."""
        booted_s = now_s + self.timings.boot_s
        in_service_s = booted_s + self.timings.launch_hook_s
        self._add(booted_s, in_service_s, in_service_s + warmup)
        return in_service_s

    def _add(self, booted_s: float, in_service_s: float, warm_s: float) -> None:
        self._launched += 1
        one = Instance(self._launched, booted_s, in_service_s, warm_s)
        self._instances.append(one)

    def _terminate(self, number: int, now_s: float) -> float:
        """When the termination is complete as far as cooldowns go. "Scaling cooldowns": behind a
        balancer when it has drained, whatever hook comes after; otherwise after the hook. What was
        not in service yet is at no balancer and drains nothing."""
        index = next(i for i, one in enumerate(self._instances) if one.number == number)
        delay_s = self.timings.deregistration_delay_s
        served = self._instances[index].phase(now_s) == "InService"
        drained_s = now_s + delay_s if served and delay_s else now_s
        gone_s = drained_s + self.timings.terminate_hook_s
        self._instances[index] = replace(
            self._instances[index], leaving_s=now_s, drained_s=drained_s, gone_s=gone_s
        )
        return gone_s if delay_s is None else drained_s


def _first_to_go(members: list[Instance], now_s: float, count: int) -> list[Instance]:
    """Those not yet in service, then the oldest. The default termination policy looks at zones,
    launch templates and billing hours, which are not modelled, and picks among equals at random;
    this is one such choice, and always the same."""
    order = sorted(members, key=lambda one: (one.phase(now_s) == "InService", one.number))
    return order[: max(count, 0)]
