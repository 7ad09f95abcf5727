"""What the stack's metrics say, and which alarms ring, while a load stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from loadcore_aws.autoscaling.alarms import State, breaches, samples_needed, treatment
from loadcore_aws.autoscaling.metrics import NAMED, statistic_of
from loadcore_aws.autoscaling.reports import MINUTE_S, SIMULATED, shorthand_of
from loadcore_aws.autoscaling.spec import percentile_of

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Alarm, Metric

IdleState: TypeAlias = Literal["unknown"] | State | None
"""An alarm's once traffic has stopped; None: it stays where it was."""

_IN_SILENCE: dict[str, State | None] = {
    "missing": "INSUFFICIENT_DATA",
    "ignore": None,
    "breaching": "ALARM",
    "notBreaching": "OK",
}


def value_of(alarm: Alarm, service: ServiceModel, rate_rps: float, count: int) -> float | None:
    """What the alarm's metric says for each period, at a steady `rate_rps` in all on `count`
    instances; None where it says nothing, or nothing that is known here."""
    metric, statistic = shorthand_of(alarm.metric), statistic_of(alarm)
    each_rps = rate_rps / count
    if metric == "cpu":
        return service.cpu_percent(each_rps / service.capacity)
    if metric == "healthy_hosts":
        return float(count)
    if metric == "requests_per_target" and statistic == "Sum":
        return each_rps * alarm.period_s
    if not rate_rps:
        return None
    if metric == "requests" and statistic in ("Sum", "SampleCount"):
        return rate_rps * alarm.period_s
    if metric == "response_time":
        if statistic == "Average":
            return service.times(each_rps).mean_s
        percent = percentile_of(statistic)
        if percent is not None and 0 < percent < 100:
            return service.quantile_s(each_rps, percent / 100)
    return None


def state_at(value: float | None, alarm: Alarm) -> State | None:
    """Where the alarm settles when every period says `value`; None where that is not known."""
    if value is None:
        return None
    return "ALARM" if breaches(alarm, value) else "OK"


def idle_state(alarm: Alarm, service: ServiceModel | None) -> IdleState:
    """Where the alarm settles after traffic has stopped."""
    silent = is_silent(alarm.metric)
    value = idle_value(alarm, service)
    if value is None and not silent:
        return "unknown"
    if keeps_for_samples(alarm):
        return None
    return _IN_SILENCE[treatment(alarm)] if silent else state_at(value, alarm)


def idle_value(alarm: Alarm, service: ServiceModel | None) -> float | None:
    """What the alarm's metric says after traffic has stopped; None where it says nothing, or
    nothing that is known here. Without a service model an idle one takes no CPU."""
    metric = shorthand_of(alarm.metric)
    if metric == "cpu":
        return service.cpu_idle_percent if service else 0.0
    return 0.0 if metric == "requests_per_target" else None


def keeps_for_samples(alarm: Alarm) -> bool:
    """Whether without traffic the alarm stays in its state because too few samples are left for its
    percentile: none of a metric that is silent, one a minute of others."""
    if alarm.low_samples != "ignore":
        return False
    window_s = alarm.evaluation_periods * alarm.period_s
    samples = 0 if is_silent(alarm.metric) else window_s / MINUTE_S
    return samples < samples_needed(statistic_of(alarm))


def is_silent(metric: str | Metric) -> bool:
    """Whether nothing is reported of it while no request comes."""
    named = NAMED.get(shorthand_of(metric) or "")
    return named is not None and named.idle == "silent"


def name_of(metric: str | Metric) -> str:
    return metric if isinstance(metric, str) else metric.name


def is_simulated(alarm: Alarm) -> bool:
    return shorthand_of(alarm.metric) in SIMULATED
