"""The classic mistakes of scaling setups, found before they cost money.

docs/autoscaling.md has a paragraph for each code: what happens, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws._faults import Fault
from loadcore_aws.autoscaling import fights, steady
from loadcore_aws.autoscaling.alarms import samples_needed
from loadcore_aws.autoscaling.metrics import NAMED
from loadcore_aws.autoscaling.policies import cooldown_s, warmup_s
from loadcore_aws.autoscaling.reports import MINUTE_S, shorthand_of
from loadcore_aws.autoscaling.spec import Simple, TargetTracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Alarm, Scaling
    from loadcore_aws.autoscaling.steady import Call
    from loadcore_aws.autoscaling.trace import Trace

Severity: TypeAlias = Literal["error", "warning", "note"]
Code: TypeAlias = Literal[
    "stuck-when-idle",
    "grows-when-idle",
    "fighting-thresholds",
    "flapping",
    "cooldown-shorter-than-boot",
    "warmup-shorter-than-boot",
    "grace-shorter-than-boot",
    "scale-in-without-drain",
    "fixed-size",
    "one-way",
    "target-above-capacity",
    "alarm-without-action",
    "period-too-short",
    "too-few-samples",
    "not-simulated",
]
SHOWN_S = 2 * MINUTE_S
"""When the newest minute that is over began after a change, at whatever second that came."""

DOCS = "docs/autoscaling.md"


@dataclass(frozen=True)
class Finding:
    """`setting` names what to change, such as alarm[2].missing_data; `sentence` goes on from it and
    says what to do. An error costs money or requests; a warning may be meant; a note is about what
    a simulation cannot show."""

    code: Code
    severity: Severity
    setting: str
    sentence: str

    @property
    def why(self) -> str:
        """Where it is explained."""
        return f"{DOCS}#{self.code}"

    def __str__(self) -> str:
        return f"{self.severity}: {self.setting} {self.sentence} [{self.code}]"


def lint(
    scaling: Scaling, service: ServiceModel | None = None, trace: Trace | None = None
) -> list[Finding]:
    """What looks wrong with a setup, errors first. Without a service model what depends on its
    speed and its boot is not looked at; without a trace the service's capacity stands in for the
    load. The values must be sound: loadcore_aws.autoscaling.simulate refuses those that are not.
    """
    setup = _Setup(scaling, service, trace)
    found = [finding for rule in RULES for finding in rule(setup)]
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


class _Setup:
    def __init__(self, scaling: Scaling, service: ServiceModel | None, trace: Trace | None) -> None:
        self.scaling, self.service, self.trace = scaling, service, trace
        self.group = scaling.group
        every = list(steady.calls(scaling))
        self.outs = [one for one in every if one.may("out", self.group.min)]
        self.ins = [one for one in every if one.may("in", self.group.max)]
        self.tracking = [
            (index, one)
            for index, one in enumerate(scaling.policy)
            if isinstance(one, TargetTracking)
        ]
        self.scales_in = bool(self.ins) or any(one.scale_in for _, one in self.tracking)
        self.scales_out = bool(self.outs or self.tracking)


def _finding(code: Code, severity: Severity, where: tuple[str | int, ...], said: str) -> Finding:
    return Finding(code, severity, Fault(where, "").setting, said)


def _stuck_when_idle(setup: _Setup) -> Iterator[Finding]:
    if not setup.scales_in or any(_scales_in_idle(one, setup) for one in setup.ins):
        return
    if any(_tracks_in_idle(one, setup.service) for _, one in setup.tracking):
        return
    for one in setup.ins:
        alarm = one.alarm
        if _is_silent(alarm):
            yield _finding(
                "stuck-when-idle", "error", ("alarm", one.index, "missing_data"),
                f'is "{alarm.missing_data}", and {_name(alarm)} is silent without traffic: '
                'scale-in by it never fires once traffic stops; set "breaching"',
            )  # fmt: skip
        else:
            yield _finding(
                "stuck-when-idle", "error", ("alarm", one.index, "threshold"),
                f"is {alarm.threshold:g}, where {_name(alarm)} without traffic does not lead to "
                f"state {one.state}: scale-in never fires then; choose one that it does reach",
            )  # fmt: skip


def _scales_in_idle(one: Call, setup: _Setup) -> bool:
    return steady.idle_state(one.alarm, setup.service) in (one.state, "unknown")


def _tracks_in_idle(policy: TargetTracking, service: ServiceModel | None) -> bool:
    """Target tracking does not scale in on a metric without data; both of its own have some."""
    if not policy.scale_in:
        return False
    idle = service.cpu_idle_percent if service and policy.metric == "cpu" else 0.0
    return not isinstance(policy.metric, str) or idle < 0.9 * policy.target


def _grows_when_idle(setup: _Setup) -> Iterator[Finding]:
    for one in setup.outs:
        if steady.idle_state(one.alarm, setup.service) == one.state and _is_silent(one.alarm):
            yield _finding(
                "grows-when-idle", "error", ("alarm", one.index, "missing_data"),
                f'is "{one.alarm.missing_data}", and {_name(one.alarm)} is silent without traffic: '
                'the group grows when nobody is there; set "notBreaching"',
            )  # fmt: skip


def _fights(setup: _Setup) -> Iterator[Finding]:
    for fight in fights.find(setup.scaling, setup.outs, setup.ins, setup.service):
        yield _finding(fight.code, "error", ("alarm", fight.scale_in, "threshold"), fight.sentence)


def _waits(setup: _Setup) -> Iterator[Finding]:
    """Cooldown, warm-up and grace against the time an instance takes to answer."""
    service, group = setup.service, setup.group
    if service is None:
        return
    boot_s, unready_s = service.boot_s, service.boot_s - service.pending_s
    simple_out = {one.policy.name for one in setup.outs if isinstance(one.policy, Simple)}
    for index, policy in enumerate(setup.scaling.policy):
        where = ("policy", index)
        if isinstance(policy, Simple):
            wait_s = cooldown_s(policy, group)
            if policy.name in simple_out and wait_s < boot_s:
                yield _finding(
                    "cooldown-shorter-than-boot", "warning", (*where, "cooldown_s"),
                    f"comes to {wait_s} s and an instance answers {boot_s:g} s after its launch: "
                    "more are launched before the first helps; set it to that at least",
                )  # fmt: skip
        elif warmup_s(policy, group) < unready_s + SHOWN_S:
            yield _finding(
                "warmup-shorter-than-boot", "warning", (*where, "warmup_s"),
                f"comes to {warmup_s(policy, group)} s; an instance answers {unready_s:g} s after "
                f"it is InService, and up to {SHOWN_S} s later metrics show it: what it has not "
                f"taken on yet is asked for again; set it to {unready_s + SHOWN_S:g} at least",
            )  # fmt: skip
    if group.health_check_grace_s < unready_s:
        yield _finding(
            "grace-shorter-than-boot", "error", ("group", "health_check_grace_s"),
            f"is {group.health_check_grace_s} s and an instance answers {unready_s:g} s after it "
            "is InService: each is replaced before it ever answers; set it to that at least, or "
            "have a lifecycle hook at launch wait for the answer",
        )  # fmt: skip


def _drain(setup: _Setup) -> Iterator[Finding]:
    if not setup.scales_in:
        return
    if setup.service is not None and not setup.service.deregistration_delay_s:
        yield _finding(
            "scale-in-without-drain", "error", ("service", "deregistration_delay_s"),
            "is 0: requests under way are cut off at each scale-in; give the time that the slowest "
            "request takes",
        )  # fmt: skip
    if not setup.group.drain_s:
        yield _finding(
            "scale-in-without-drain", "warning", ("group", "drain_s"),
            "is 0: no lifecycle hook gives an instance time to finish what it has begun; set 60",
        )  # fmt: skip


def _sizes(setup: _Setup) -> Iterator[Finding]:
    group = setup.group
    if group.min == group.max and setup.scaling.policy:
        yield _finding(
            "fixed-size", "warning", ("group", "max"),
            f"is min, {group.min}: no policy can change anything; raise it, or leave policies out",
        )  # fmt: skip
    if setup.scales_out and not setup.scales_in:
        yield _finding(
            "one-way", "warning", ("policy",),
            "holds none that takes instances away: the group stays as large as ever; add one",
        )  # fmt: skip
    if setup.scales_in and not setup.scales_out:
        yield _finding(
            "one-way", "warning", ("policy",),
            "holds none that adds instances: the group only shrinks; add one",
        )  # fmt: skip


def _beyond_capacity(setup: _Setup) -> Iterator[Finding]:
    service, group = setup.service, setup.group
    if service is None:
        return
    for index, policy in setup.tracking:
        most = {"cpu": service.cpu_full_percent, "requests_per_target": service.capacity * MINUTE_S}
        highest = most.get(policy.metric) if isinstance(policy.metric, str) else None
        if highest is not None and policy.target >= highest:
            yield _finding(
                "target-above-capacity", "error", ("policy", index, "target"),
                f"is {policy.target:g}, and a full instance comes to {highest:g}: it never scales "
                f"out; choose about {0.7 * highest:.3g}",
            )  # fmt: skip
    count = max(group.min, 1)
    if not setup.outs or setup.tracking or count >= group.max:
        return
    full_rps = count * service.capacity
    values = [steady.value_of(one.alarm, service, full_rps, count) for one in setup.outs]
    grows = [shorthand_of(one.alarm.metric) == "response_time" for one in setup.outs]
    for one, value, queue in zip(setup.outs, values, grows, strict=True):
        if value is None or queue or steady.state_at(value, one.alarm) == one.state:
            return  # some alarm rings in time, or may
    for one, value in zip(setup.outs, values, strict=True):
        yield _finding(
            "target-above-capacity", "error", ("alarm", one.index, "threshold"),
            f"is {one.alarm.threshold:g}, and {count} full instances come to {value:g}: requests "
            "are lost before it rings; choose one that is reached earlier",
        )  # fmt: skip


def _alarms(setup: _Setup) -> Iterator[Finding]:
    for index, alarm in enumerate(setup.scaling.alarm):
        if not (alarm.actions or alarm.ok_actions or alarm.no_data_actions):
            yield _finding(
                "alarm-without-action", "warning", ("alarm", index, "actions"),
                "is empty, and so are the others: nobody hears of it; name a policy or topic",
            )  # fmt: skip
        if alarm.period_s < MINUTE_S and _once_a_minute(alarm):
            yield _finding(
                "period-too-short", "error", ("alarm", index, "period_s"),
                f"is {alarm.period_s}, and AWS reports {_name(alarm)} once a minute: most points "
                "are missing; set 60",
            )  # fmt: skip
        yield from _samples(setup, index, alarm)
        if not steady.is_simulated(alarm):
            yield _finding(
                "not-simulated", "note", ("alarm", index, "metric"),
                f"is {_name(alarm)}, of which a simulation has no data",
            )  # fmt: skip


def _samples(setup: _Setup, index: int, alarm: Alarm) -> Iterator[Finding]:
    needed = samples_needed(alarm.statistic)
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
        yield _finding(
            "too-few-samples", "warning", ("alarm", index, "statistic"),
            f"is {alarm.statistic}, which takes {needed:,.0f} samples to mean something, and even "
            f"{when} there are {there:,.0f}; take longer periods or a lower percentile",
        )  # fmt: skip


def _is_silent(alarm: Alarm) -> bool:
    named = NAMED.get(shorthand_of(alarm.metric) or "")
    return named is not None and named.idle == "silent"


def _once_a_minute(alarm: Alarm) -> bool:
    return isinstance(alarm.metric, str) or alarm.metric.namespace.startswith("AWS/")


def _name(alarm: Alarm) -> str:
    return alarm.metric if isinstance(alarm.metric, str) else alarm.metric.name


RULES = (
    _stuck_when_idle,
    _grows_when_idle,
    _fights,
    _waits,
    _drain,
    _sizes,
    _beyond_capacity,
    _alarms,
)
