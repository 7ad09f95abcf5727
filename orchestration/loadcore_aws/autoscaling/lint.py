"""The classic mistakes of scaling setups, found before they cost money.

docs/autoscaling.md has a paragraph for each code: what happens, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadcore_aws.autoscaling import fights, idle, steady
from loadcore_aws.autoscaling.alarms import samples_needed
from loadcore_aws.autoscaling.calls import Setup
from loadcore_aws.autoscaling.findings import Code, Finding, found
from loadcore_aws.autoscaling.metrics import statistic_of
from loadcore_aws.autoscaling.policies import cooldown_s, warmup_s
from loadcore_aws.autoscaling.reports import MINUTE_S, shorthand_of
from loadcore_aws.autoscaling.spec import Simple, StepPolicy
from loadcore_aws.autoscaling.steady import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Alarm, Comparison, Scaling, Step
    from loadcore_aws.autoscaling.trace import Trace

__all__ = ["Code", "Finding", "lint"]

SHOWN_S = 2 * MINUTE_S
"""When the newest minute that is over began after a change, at whatever second that came."""

COUNTED = {
    "requests": ("Sum", "SampleCount"),
    "requests_per_target": ("Sum",),
    "5xx": ("Sum", "SampleCount"),
}
"""The statistics that say how many there were. "CloudWatch metrics for your Application Load
Balancer": the others are always 1, or not valid."""

OPPOSITE: dict[Comparison, Comparison] = {">=": "<", ">": "<=", "<=": ">", "<": ">="}


def lint(
    scaling: Scaling, service: ServiceModel | None = None, trace: Trace | None = None
) -> list[Finding]:
    """What looks wrong with a setup, errors first. Without a service model what depends on its
    speed and its boot is not looked at; without a trace the service's capacity stands in for the
    load. The values must be sound: loadcore_aws.autoscaling.simulate refuses those that are not.
    """
    setup = Setup(scaling, service, trace)
    findings = [finding for rule in RULES for finding in rule(setup)]
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def _steps(setup: Setup) -> Iterator[Finding]:
    """ "Step adjustments for step scaling": bounds count from the threshold, so that those of a
    policy whose alarm rings below it are negative."""
    for one in setup.in_vain:
        policy, alarm = one.policy, one.alarm
        assert isinstance(policy, StepPolicy)
        ringing = alarm.comparison if one.state == "ALARM" else OPPOSITE[alarm.comparison]
        bound = "lower" if ringing in (">", ">=") else "upper"
        at = f"at {name_of(alarm.metric)} {ringing} {alarm.threshold:g}"
        if one.state == "INSUFFICIENT_DATA":
            at, bound = "without data, which counts as the threshold itself", "lower"
        yield found(
            "steps-out-of-reach", "error", ("policy", setup.index_of(policy), "steps"),
            f"are {', '.join(map(_said, policy.steps))}, and alarm {alarm.name} runs them {at}: "
            "bounds count from the threshold, and none of them holds that, so that nothing is "
            f"done; give a step with {bound} = 0",
        )  # fmt: skip


def _said(step: Step) -> str:
    """As in a file."""
    parts = {"lower": step.lower, "upper": step.upper, "adjust": step.adjust}
    return f"{{ {', '.join(f'{k} = {v:g}' for k, v in parts.items() if v is not None)} }}"


def _fights(setup: Setup) -> Iterator[Finding]:
    for fight in fights.find(setup):
        yield found(fight.code, "error", fight.where, fight.sentence)


def _waits(setup: Setup) -> Iterator[Finding]:
    """Cooldown, warm-up and grace against the time an instance takes to answer."""
    service, group = setup.service, setup.group
    if service is None:
        return
    boot_s, unready_s = service.boot_s, service.boot_s - service.pending_s
    adding = {one.policy.name for one in setup.outs} | {one.name for _, one in setup.tracking}
    for index, policy in enumerate(setup.scaling.policy):
        where = ("policy", index)
        if policy.name not in adding:
            continue  # taking away waits for no boot
        if isinstance(policy, Simple):
            wait_s = cooldown_s(policy, group)
            if wait_s < boot_s:
                yield found(
                    "cooldown-shorter-than-boot", "warning", (*where, "cooldown_s"),
                    f"comes to {wait_s} s and an instance answers {boot_s:g} s after its launch: "
                    "more are launched before the first helps; set it to that at least",
                )  # fmt: skip
        elif warmup_s(policy, group) < unready_s + SHOWN_S:
            yield found(
                "warmup-shorter-than-boot", "warning", (*where, "warmup_s"),
                f"comes to {warmup_s(policy, group)} s; an instance answers {unready_s:g} s after "
                f"it is InService, and up to {SHOWN_S} s later metrics show it: what it has not "
                f"taken on yet is asked for again; set it to {unready_s + SHOWN_S:g} at least",
            )  # fmt: skip
    if group.health_check_grace_s < unready_s:
        yield found(
            "grace-shorter-than-boot", "error", ("group", "health_check_grace_s"),
            f"is {group.health_check_grace_s} s and an instance answers {unready_s:g} s after it "
            "is InService: each is replaced before it ever answers; set it to that at least, or "
            "have a lifecycle hook at launch wait for the answer",
        )  # fmt: skip


def _drain(setup: Setup) -> Iterator[Finding]:
    if not (setup.scales_in or setup.lowered):
        return
    if setup.service is not None and not setup.service.deregistration_delay_s:
        yield found(
            "scale-in-without-drain", "error", ("service", "deregistration_delay_s"),
            "is 0: requests under way are cut off at each scale-in; give the time that the slowest "
            "request takes",
        )  # fmt: skip
    if not setup.group.drain_s:
        yield found(
            "scale-in-without-drain", "warning", ("group", "drain_s"),
            "is 0: no lifecycle hook gives an instance time to finish what it has begun; set 60",
        )  # fmt: skip


def _sizes(setup: Setup) -> Iterator[Finding]:
    group = setup.group
    if setup.low == setup.high and setup.scaling.policy:
        yield found(
            "fixed-size", "warning", ("group", "max"),
            f"is min, {group.min}: no policy can change anything; raise it, or leave policies out",
        )  # fmt: skip
    if setup.in_vain:
        return  # the policy may be there and its steps be wrong
    if setup.scales_out and not (setup.scales_in or setup.lowered):
        yield found(
            "one-way", "warning", ("policy",),
            "holds none that takes instances away: the group stays as large as ever; add one",
        )  # fmt: skip
    if setup.scales_in and not (setup.scales_out or setup.raised):
        yield found(
            "one-way", "warning", ("policy",),
            "holds none that adds instances: the group only shrinks; add one",
        )  # fmt: skip


def _beyond_capacity(setup: Setup) -> Iterator[Finding]:
    service = setup.service
    if service is None:
        return
    for index, policy in setup.tracking:
        most = {"cpu": service.cpu_full_percent, "requests_per_target": service.capacity * MINUTE_S}
        highest = most.get(policy.metric) if isinstance(policy.metric, str) else None
        if highest is not None and policy.target >= highest:
            yield found(
                "target-above-capacity", "error", ("policy", index, "target"),
                f"is {policy.target:g}, and a full instance comes to {highest:g}: it never scales "
                f"out; choose about {0.7 * highest:.3g}",
            )  # fmt: skip
    count = max(setup.low, 1)
    if not setup.outs or setup.tracking or count >= setup.high:
        return
    full_rps = count * service.capacity
    values = [steady.value_of(one.alarm, service, full_rps, count) for one in setup.outs]
    grows = [shorthand_of(one.alarm.metric) == "response_time" for one in setup.outs]
    for one, value, queue in zip(setup.outs, values, grows, strict=True):
        if value is None or queue or steady.state_at(value, one.alarm) == one.state:
            return  # some alarm rings in time, or may
    for one, value in zip(setup.outs, values, strict=True):
        yield found(
            "target-above-capacity", "error", ("alarm", one.index, "threshold"),
            f"is {one.alarm.threshold:g}, and {count} full instances come to {value:g}: requests "
            "are lost before it rings; choose one that is reached earlier",
        )  # fmt: skip


def _alarms(setup: Setup) -> Iterator[Finding]:
    for index, alarm in enumerate(setup.scaling.alarm):
        if not (alarm.actions or alarm.ok_actions or alarm.no_data_actions):
            yield found(
                "alarm-without-action", "warning", ("alarm", index, "actions"),
                "is empty, and so are the others: nobody hears of it; name a policy or topic",
            )  # fmt: skip
        if alarm.period_s < MINUTE_S and _once_a_minute(alarm):
            yield found(
                "period-too-short", "error", ("alarm", index, "period_s"),
                f"is {alarm.period_s}, and AWS reports {name_of(alarm.metric)} once a minute: most "
                "points are missing; set 60",
            )  # fmt: skip
        counted = COUNTED.get(shorthand_of(alarm.metric) or "")
        if counted and (statistic := statistic_of(alarm)) not in counted:
            yield found(
                "count-not-summed", "error", ("alarm", index, "statistic"),
                f"is {statistic}, which is the same for any number of {name_of(alarm.metric)}: the "
                'alarm does not see the load; set "Sum"',
            )  # fmt: skip
        yield from _samples(setup, index, alarm)
        if not steady.is_simulated(alarm):
            yield found(
                "not-simulated", "note", ("alarm", index, "metric"),
                f"is {name_of(alarm.metric)}, of which a simulation has no data",
            )  # fmt: skip


def _samples(setup: Setup, index: int, alarm: Alarm) -> Iterator[Finding]:
    statistic = statistic_of(alarm)
    needed = samples_needed(statistic)
    if not needed or shorthand_of(alarm.metric) != "response_time":
        return
    if setup.trace is not None:
        rate_rps, when = setup.trace.peak_rps, "at the peak of the load"
    elif setup.service is not None:
        rate_rps = max(setup.group.min, 1) * setup.service.capacity
        when = "with every instance of min full"
    else:
        return
    there = rate_rps * alarm.period_s * alarm.evaluation_periods
    if there < needed:
        yield found(
            "too-few-samples", "warning", ("alarm", index, "statistic"),
            f"is {statistic}, which takes {needed:,.0f} samples to mean something, and even "
            f"{when} there are {there:,.0f}; take longer periods or a lower percentile",
        )  # fmt: skip


def _once_a_minute(alarm: Alarm) -> bool:
    return isinstance(alarm.metric, str) or alarm.metric.namespace.startswith("AWS/")


RULES = (
    idle.stuck,
    idle.grows,
    _steps,
    _fights,
    _waits,
    _drain,
    _sizes,
    _beyond_capacity,
    _alarms,
)
