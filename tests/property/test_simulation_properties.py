"""What holds of every simulation, whatever the setup, the service and the load."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadcore_aws.autoscaling import (
    Alarm,
    Group,
    Scaling,
    ServiceModel,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
    Trace,
    constant,
    simulate,
)
from loadcore_aws.autoscaling.spec import MissingData, Policy

SERVICE = ServiceModel(capacity_rps=100, base_ms=10)
POLICIES: st.SearchStrategy[tuple[Policy, ...]] = st.sampled_from(
    [
        (Simple("out", 2), Simple("in", -1)),
        (Simple("out", 50, "percent", min_magnitude=2), Simple("in", 1, "exact")),
        (
            StepPolicy("out", (Step(1, 0, 20), Step(3, 20, None))),
            StepPolicy("in", (Step(-2, None, 0),)),
        ),
        (Simple("out", 1), StepPolicy("in", (Step(-50, None, 0),), "percent")),
    ]
)
TREATMENTS = st.sampled_from(get_args(MissingData))


@st.composite
def setups(draw: st.DrawFn) -> Scaling:
    low = draw(st.integers(0, 3))
    group = Group(
        min=low,
        max=low + draw(st.integers(0, 6)),
        cooldown_s=draw(st.sampled_from([0, 60, 300])),
        warmup_s=draw(st.sampled_from([None, 0, 120])),
        drain_s=draw(st.sampled_from([0, 30])),
    )
    policies = draw(POLICIES)
    tracking = (TargetTracking("track", 50),) if draw(st.booleans()) else ()
    metric, threshold = draw(st.sampled_from([("cpu", 60.0), ("requests", 3000.0)]))
    out = Alarm("busy", metric, threshold, statistic="Sum" if metric == "requests" else "Average",
                missing_data=draw(TREATMENTS), actions=("out",))  # fmt: skip
    back = replace(out, name="quiet", comparison="<", threshold=threshold / 2,
                   missing_data=draw(TREATMENTS), actions=("in",))  # fmt: skip
    return Scaling(group, (*policies, *tracking), (out, back))


RATES = st.floats(0, 800).map(lambda rate_rps: round(rate_rps, 6))  # tinier ones are refused
TRACES = st.lists(st.tuples(st.integers(0, 400), RATES), min_size=1, max_size=5).map(
    lambda gaps: Trace(((0, 0), *_summed(gaps), (sum(g for g, _ in gaps) + 60.0, 0)))
)


def _summed(gaps: list[tuple[int, float]]) -> list[tuple[float, float]]:
    points, now_s = [], 0.0
    for gap_s, rate in gaps:
        now_s += gap_s
        points.append((now_s, rate))
    return points


SERVICES = st.sampled_from(
    [
        SERVICE,
        replace(SERVICE, deregistration_delay_s=0, timeout_s=0.5),
        replace(SERVICE, boot_s=300, cold_s=60),
        ServiceModel(curve=((10, 2, 4), (150, 20, 90)), timeout_s=3),
    ]
)


@settings(max_examples=40, deadline=None)
@given(setups(), SERVICES, TRACES, st.integers(0, 5))
def test_whatever_comes_the_sums_hold_and_the_limits_too(
    scaling: Scaling, service: ServiceModel, trace: Trace, seed: int
) -> None:
    result = simulate(scaling, service, trace, step_s=5, seed=seed)
    assert result.requests == result.served + result.lost
    assert result.requests == pytest.approx(trace.requests, abs=1)
    assert all(one >= 0 for name in ("served", "lost", "waiting") for one in result.columns[name])
    group = scaling.group
    assert all(group.min <= count <= group.max for count in result.columns["desired"])
    pairs = zip(result.columns["in_service"], result.columns["instances"], strict=True)
    assert all(0 <= serving <= there for serving, there in pairs)
    assert all(one.before != one.after for one in result.activities if "policy" in one.cause)
    times = [time_s for time_s in result.columns["response_p99_s"] if not math.isnan(time_s)]
    assert all(0 < time_s <= service.timeout_s for time_s in times)


@settings(max_examples=10, deadline=None)
@given(setups(), SERVICES, TRACES, st.integers(0, 5))
def test_the_same_again_is_the_same(
    scaling: Scaling, service: ServiceModel, trace: Trace, seed: int
) -> None:
    first, second = (simulate(scaling, service, trace, step_s=5, seed=seed) for _ in range(2))
    assert first.to_json() == second.to_json()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.integers(1, 5), st.sampled_from(["requests", "response_time"]),
       st.integers(0, 5))  # fmt: skip
def test_without_load_the_group_falls_to_its_minimum_where_missing_data_breaches(
    low: int, more: int, metric: str, seed: int
) -> None:
    group = Group(min=low, max=low + more, desired=low + more, cooldown_s=60)
    quiet = Alarm("quiet", metric, 1, "<", "Sum", missing_data="breaching", actions=("in",))
    scaling = Scaling(group, (Simple("in", -1),), (quiet,))
    trace = constant(0, 300.0 * (more + 1))
    assert simulate(scaling, SERVICE, trace, step_s=5, seed=seed).columns["desired"][-1] == low
    stuck = replace(scaling, alarm=(replace(quiet, missing_data="ignore"),))
    assert simulate(stuck, SERVICE, trace, step_s=5, seed=seed).columns["desired"][-1] > low
