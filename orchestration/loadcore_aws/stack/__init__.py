"""The autoscaled service on AWS: planned, applied, watched and torn down.

    from loadcore_aws import stack

    small = stack.read("small.toml")            # or stack.Stack(name="likes", region=…, …)
    account = stack.Account(small.region)
    plan = stack.make_plan(small, account)      # changes nothing
    stack.apply(plan, account)
    stack.destroy(small, account)

There is no state file: what belongs to a stack is what is tagged so in the account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from loadcore_aws.autoscaling.spec import (
    Alarm,
    Group,
    Metric,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)
from loadcore_aws.stack import converge
from loadcore_aws.stack import plan as _plan
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.plan import Change, Plan, Reason
from loadcore_aws.stack.progress import Event, Outcome
from loadcore_aws.stack.spec import (
    Access,
    Balancer,
    Containers,
    Controller,
    Database,
    Health,
    Instances,
    Logs,
    Mixed,
    Network,
    Package,
    Service,
    Stack,
    Table,
    Topic,
    check,
    read,
)

__all__ = [
    "Access",
    "Account",
    "Alarm",
    "Balancer",
    "Change",
    "Containers",
    "Controller",
    "Database",
    "Event",
    "Group",
    "Health",
    "Instances",
    "Logs",
    "Metric",
    "Mixed",
    "Network",
    "Outcome",
    "Package",
    "Plan",
    "Reason",
    "Schedule",
    "Service",
    "Simple",
    "Stack",
    "Step",
    "StepPolicy",
    "Table",
    "TargetTracking",
    "Topic",
    "apply",
    "check",
    "destroy",
    "make_plan",
    "read",
]


def make_plan(stack: Stack, account: Account, *, expires: datetime | None = None) -> Plan:
    """What would have to change; changes nothing. From `expires` on a sweep may remove the stack;
    without it what has an end keeps it.

    Raises loadcore.PlanError for what cannot be, loadcore.RunError where AWS will not tell.
    """
    return _plan.make(stack, account, expires=expires)


def apply(
    plan: Plan,
    account: Account,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Carries a plan out as far as it goes. It may be called again after anything.

    What AWS refuses is in the outcome, which is `complete` where all is as planned.
    """
    return converge.apply(plan, account, on_event=on_event, stop=stop)


def destroy(
    stack: Stack,
    account: Account,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Removes all that the account has of the stack, whatever the value says of it by now; what is
    still there afterwards is the outcome's `left`.

    Raises loadcore.PlanError where the stack is for another account, loadcore.RunError where AWS
    will not tell what there is.
    """
    owner = _plan.owner_of(stack, account)
    return converge.destroy(owner, account, on_event=on_event, stop=stop)
