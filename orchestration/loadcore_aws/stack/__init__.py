"""The autoscaled service on AWS: planned, applied, watched and torn down.

    from loadcore_aws import stack

    small = stack.read("small.toml")            # or stack.Stack(name="likes", region=…, …)
    account = stack.Account(small.region)
    plan = stack.make_plan(small, account)      # changes nothing
    stack.apply(plan, account)
    stack.destroy(small, account)               # or a stack.Head: name and region

There is no state file: what belongs to a stack is what is tagged so in the account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

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
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.converge import apply
from loadcore_aws.stack.plan import Change, Plan, Reason, owner_of
from loadcore_aws.stack.plan import make as make_plan
from loadcore_aws.stack.progress import Event, Outcome
from loadcore_aws.stack.spec import (
    Access,
    Balancer,
    Containers,
    Controller,
    Database,
    Head,
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
    read_head,
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
    "Head",
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
    "read_head",
]


def destroy(
    stack: Head,
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
    return converge.destroy(owner_of(stack, account), account, on_event=on_event, stop=stop)
