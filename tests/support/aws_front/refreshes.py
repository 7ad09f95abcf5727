"""Instance refreshes: the group's instances really are replaced in moto, some at each poll.

Sources: Amazon EC2 Auto Scaling User Guide, "How an instance refresh works", "Undo changes with a
rollback"; API Reference, StartInstanceRefresh, DescribeInstanceRefreshes, RollbackInstanceRefresh.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from aws_front import versions
from aws_front.answers import Answer, error, query_answer
from aws_front.named_group import known, launching, no_such_group, now, place
from aws_front.state import Refresh

if TYPE_CHECKING:
    from aws_front.actions import Request
    from aws_front.front import Moto

_TEMPLATE = "DesiredConfiguration.LaunchTemplate."
_POLICY = "DesiredConfiguration.MixedInstancesPolicy."
_MIXED = f"{_POLICY}LaunchTemplate.LaunchTemplateSpecification."


def start(request: Request, moto: Moto) -> Answer:
    group = known(request, moto)
    if group is None:
        return no_such_group(request)
    asked = _under(request, _TEMPLATE) or _under(request, _MIXED)
    preferences = _under(request, "Preferences.")
    if preferences.get("AutoRollback") == "true":
        if not asked:
            message = "AutoRollback needs a DesiredConfiguration to roll back from"
            return error(request, "ValidationError", message)
        if asked.get("Version", "").startswith("$"):
            message = "AutoRollback does not go with $Latest or $Default; give a version's number"
            return error(request, "ValidationError", message)
    with moto.lock:
        past = moto.state.refreshes[place(request)]
        if any(refresh.active for refresh in past):
            message = "An Instance Refresh is already in progress and blocks the execution of "
            message += "this Instance Refresh."
            return error(request, "InstanceRefreshInProgress", message)
        past.insert(0, _new(request, moto, group, asked, preferences))
        return query_answer(request, {"InstanceRefreshId": past[0].id})


def _under(request: Request, prefix: str) -> dict[str, str]:
    return {
        key.removeprefix(prefix): value
        for key, value in request.parameters.items()
        if key.startswith(prefix)
    }


def _new(
    request: Request,
    moto: Moto,
    group: dict[str, Any],
    asked: dict[str, str],
    preferences: dict[str, str],
) -> Refresh:
    versions.note(moto, request.region, group)
    old = launching(group, {})
    wanted = _mixed(request) or launching(group, asked)
    instances = group["Instances"]
    pending = [instance["InstanceId"] for instance in instances]
    if preferences.get("SkipMatching") == "true":
        target = versions.resolved(moto, request.region, versions.specification(wanted))
        pending = [each for each in pending if moto.state.versions[each] != target]
    batch = -(-len(pending) // max(1, moto.switches.refresh_polls))
    return Refresh(
        id=str(uuid.uuid4()),
        status="Pending",
        started=now(),
        preferences=preferences,
        wanted=wanted,
        old=old,
        originals=frozenset(instance["InstanceId"] for instance in instances),
        pending=pending,
        total=len(pending),
        batch=batch,
        since=moto.switches.clock(),
    )


def _mixed(request: Request) -> dict[str, Any] | None:
    """The policy that is asked for, whole; a group without one gets it."""
    given = _under(request, _POLICY)
    if not given:
        return None
    types = [
        value
        for key, value in sorted(given.items(), key=lambda pair: (len(pair[0]), pair[0]))
        if key.startswith("LaunchTemplate.Overrides.") and key.endswith(".InstanceType")
    ]
    distribution = {
        key: int(value) if value.isdecimal() else value
        for key, value in _under(request, f"{_POLICY}InstancesDistribution.").items()
    }
    template = {
        "LaunchTemplateSpecification": _under(request, _MIXED),
        "Overrides": [{"InstanceType": each} for each in types],
    }
    policy: dict[str, Any] = {"LaunchTemplate": template, "InstancesDistribution": distribution}
    return {"MixedInstancesPolicy": policy}


def describe(request: Request, moto: Moto) -> Answer:
    """Each look moves an active refresh on."""
    if known(request, moto) is None:
        return no_such_group(request)
    asked = request.values("InstanceRefreshIds.member")
    with moto.lock:
        refreshes = moto.state.refreshes[place(request)]
        for refresh in refreshes:
            if refresh.active:
                _advance(request, moto, refresh)
        told = [_told(request, each) for each in refreshes if not asked or each.id in asked]
    if asked and not told:
        return error(request, "ValidationError", f"Instance refresh {asked[0]} not found")
    return query_answer(request, {"InstanceRefreshes": told})


def _told(request: Request, refresh: Refresh) -> dict[str, Any]:
    return {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": request.text("AutoScalingGroupName"),
        "Status": refresh.status,
        "StatusReason": refresh.reason or None,
        "StartTime": refresh.started,
        "EndTime": refresh.ended or None,
        "PercentageComplete": refresh.percent,
        "InstancesToUpdate": len(refresh.pending),
        "Preferences": refresh.preferences,
        "DesiredConfiguration": refresh.wanted,
    }


def _advance(request: Request, moto: Moto, refresh: Refresh) -> None:
    if refresh.status == "Cancelling":
        if not (refresh.cancel_waits and _in_transition(moto, refresh)):
            _end(refresh, "Cancelled")
        return
    if refresh.status == "RollbackInProgress":
        _replace(request, moto, refresh, len(refresh.pending), refresh.old)
        _end(refresh, "RollbackSuccessful")
        return
    refresh.status = "InProgress"
    if _in_transition(moto, refresh):
        return
    refresh.since = moto.switches.clock()
    failing = moto.switches.refresh_fails and refresh.total > 0
    count = max(1, refresh.total // 2) if failing else refresh.batch
    _replace(request, moto, refresh, count, refresh.wanted)
    if failing:
        refresh.reason = "The new instances did not pass the health checks of the load balancer."
        if refresh.preferences.get("AutoRollback") == "true":
            _roll_back(request, moto, refresh)
        else:
            _end(refresh, "Failed")
    elif not refresh.pending:
        _give(request, moto, refresh.wanted)
        _end(refresh, "Successful")


def _in_transition(moto: Moto, refresh: Refresh) -> bool:
    return moto.switches.clock() - refresh.since < moto.switches.refresh_batch_s


def _end(refresh: Refresh, status: Any) -> None:
    refresh.status, refresh.ended = status, now()


def _give(request: Request, moto: Moto, arguments: dict[str, Any]) -> None:
    moto.client("autoscaling", request.region).update_auto_scaling_group(
        AutoScalingGroupName=request.text("AutoScalingGroupName"), **arguments
    )


def _replace(
    request: Request, moto: Moto, refresh: Refresh, count: int, template: dict[str, Any]
) -> None:
    """Instances end and others start from `template`; the group itself keeps what it had until the
    refresh has succeeded."""
    client = moto.client("autoscaling", request.region)
    due, refresh.pending = refresh.pending[:count], refresh.pending[count:]
    group = known(request, moto)
    versions.note(moto, request.region, group)
    present = {instance["InstanceId"] for instance in group["Instances"]} if group else set()
    _give(request, moto, template)
    for instance in due:
        if instance in present:  # else it was scaled in meanwhile
            client.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=False
            )
    versions.note(moto, request.region, known(request, moto))
    _give(request, moto, refresh.old)
    if group:  # makes moto register the new instances with the target groups
        client.set_desired_capacity(
            AutoScalingGroupName=request.text("AutoScalingGroupName"),
            DesiredCapacity=group["DesiredCapacity"],
        )


def _roll_back(request: Request, moto: Moto, refresh: Refresh) -> None:
    group = known(request, moto)
    current = [instance["InstanceId"] for instance in group["Instances"]] if group else []
    refresh.pending = [instance for instance in current if instance not in refresh.originals]
    refresh.total = len(refresh.pending)
    refresh.status = "RollbackInProgress"


def _active(request: Request, moto: Moto) -> Refresh | None:
    return next((r for r in moto.state.refreshes[place(request)] if r.active), None)


def _none_active(request: Request) -> Answer:
    message = "No in progress or pending Instance Refresh found for Auto Scaling group "
    message += request.text("AutoScalingGroupName")
    return error(request, "ActiveInstanceRefreshNotFound", message)


def cancel(request: Request, moto: Moto) -> Answer:
    with moto.lock:
        refresh = _active(request, moto)
        if refresh is None:
            return _none_active(request)
        refresh.status = "Cancelling"
        refresh.cancel_waits = request.text("WaitForTransitioningInstances") != "false"
        return query_answer(request, {"InstanceRefreshId": refresh.id})


def rollback(request: Request, moto: Moto) -> Answer:
    with moto.lock:
        refresh = _active(request, moto)
        if refresh is None:
            return _none_active(request)
        if refresh.wanted == refresh.old:
            message = "The refresh has no desired configuration to roll back from"
            return error(request, "IrreversibleInstanceRefresh", message)
        _roll_back(request, moto, refresh)
        return query_answer(request, {"InstanceRefreshId": refresh.id})
