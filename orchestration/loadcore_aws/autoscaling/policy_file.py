"""POLICY.toml: a scaling setup as STACK.toml has it, with what is needed to simulate it.

[group] [[policy]] [[alarm]] [[schedule]]    as in STACK.toml
[service]                                    what one instance can do
[load]                                       made-up load, where no trace is given
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws import _toml
from loadcore_aws.autoscaling.service_model import ServiceModel
from loadcore_aws.autoscaling.spec import Alarm, Group, Policy, Scaling, Schedule
from loadcore_aws.autoscaling.trace import Load, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadcore_aws._faults import Fault

GROUP = Group()
CURVE_COLUMNS = ("rate_rps", "p50_ms")
CURVE_OPTIONAL = ("p99_ms", "mean_ms")


@dataclass(frozen=True)
class PolicyFile:
    """What a POLICY.toml says. `service` and `load` are None where it does not say."""

    group: Group = GROUP
    policy: tuple[Policy, ...] = ()
    alarm: tuple[Alarm, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    service: ServiceModel | None = None
    load: Load | None = None

    @property
    def scaling(self) -> Scaling:
        return Scaling(self.group, self.policy, self.alarm, self.schedule)

    def combined_faults(self) -> Iterator[Fault]:
        yield from self.scaling.combined_faults()


def read(path: str | Path, *, service_from: str | Path | None = None) -> PolicyFile:
    """A POLICY.toml, or a STACK.toml, of which the scaling tables and the balancer's deregistration
    delay are taken. `service_from` is another POLICY.toml whose [service], and [load] if it has
    one, stand in for the file's own; a STACK.toml has neither.

    Raises loadcore.PlanError with all that is wrong in a file, each with its line.
    """
    other = _read_policy(service_from) if service_from is not None else PolicyFile()
    if not _is_stack(path):
        own = _read_policy(path)
        service = _priced(other.service or own.service)
        return replace(own, service=service, load=other.load or own.load)
    # These import this package.
    from loadcore_aws.stack import spec as stack_spec
    from loadcore_aws.stack.prices import unit_price_per_hour

    stack = stack_spec.read(path)
    service = other.service
    if service is not None:
        service = replace(
            service,
            deregistration_delay_s=float(stack.balancer.deregistration_delay_s),
            instance_type="" if stack.containers else stack.instances.type,
            region=stack.region,
            price_per_hour=unit_price_per_hour(stack)
            if service.price_per_hour is None
            else service.price_per_hour,
        )
    return PolicyFile(
        stack.group,
        stack.policy,
        stack.alarm,
        stack.schedule,
        service=service,
        load=other.load,
    )


def _priced(service: ServiceModel | None) -> ServiceModel | None:
    if service is None or service.price_per_hour is not None:
        return service
    from loadcore_aws.stack.prices import instance_price_per_hour  # which imports this package

    price = instance_price_per_hour(service.instance_type, service.region)
    return replace(service, price_per_hour=price)


def _is_stack(path: str | Path) -> bool:
    """A STACK.toml must name its region; nothing in a POLICY.toml is called that."""
    return ("region",) in _toml.line_numbers(_text(path))


def _read_policy(path: str | Path) -> PolicyFile:
    policy = _toml.read(PolicyFile, path)
    if policy.service is None or not isinstance(policy.service.curve, str):
        return policy
    curve = Path(path).parent / policy.service.curve
    service = replace(policy.service, curve=_read_curve(curve))
    _toml.check(service, str(curve))
    return replace(policy, service=service)


def _read_curve(path: Path) -> tuple[tuple[float, ...], ...]:
    """The columns of a capacity run's CSV that a curve takes. mean_ms needs p99_ms before it."""
    rows = numbers(_text(path), CURVE_COLUMNS, str(path), CURVE_OPTIONAL)
    if not rows:
        raise lc.PlanError(str(path), "holds no rows; give rate_rps and p50_ms for some rates")
    # p99 is p50 where only the mean is known: NaN must not stand in the middle of a row.
    curve = []
    for (rate_rps, p50_ms, p99_ms, mean_ms), _ in rows:
        row = [rate_rps, p50_ms, p50_ms if math.isnan(p99_ms) else p99_ms]
        curve.append((*row, p50_ms if math.isnan(mean_ms) else mean_ms))
    return tuple(curve)


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise lc.PlanError(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise lc.PlanError(str(path), "is not UTF-8 text") from None
