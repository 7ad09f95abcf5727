"""What a simulation is given: the service model, the load and the times of scheduled actions."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loadcore as lc
from loadcore_aws.autoscaling import (
    Group,
    Load,
    Scaling,
    Schedule,
    ServiceModel,
    Trace,
    constant,
    generated,
    simulate,
)
from loadcore_aws.autoscaling.schedules import due_times
from loadcore_aws.autoscaling.trace import parse_csv

SERVICE = ServiceModel(capacity_rps=100, base_ms=10)


class TestServiceModel:
    def test_one_worker_is_m_m_1(self) -> None:
        """The mean wait of M/M/1 is use / (capacity - rate)."""
        times = SERVICE.times(80)
        assert times.mean_s == pytest.approx(0.01 + 0.8 / 20)
        assert times.p50_s == pytest.approx(0.01 + math.log(0.8 / 0.5) / 20)

    def test_workers_are_erlang_c(self) -> None:
        """Two workers at 75 % of use: C = 0.6428571 (a textbook value)."""
        service = ServiceModel(capacity_rps=2, base_ms=1000, workers=2)
        assert service.times(1.5).mean_s == pytest.approx(1 + 0.642857142857 / 0.5)

    def test_workers_follow_from_capacity_and_time(self) -> None:
        assert ServiceModel(capacity_rps=800, base_ms=10).parallel == 8
        assert ServiceModel(capacity_rps=10, base_ms=1).parallel == 1

    def test_a_curve_is_straight_between_its_rows_and_level_outside(self) -> None:
        service = ServiceModel(curve=((10, 2.0, 4.0), (20, 4.0, 10.0)))
        assert service.capacity == 20
        assert service.times(15) == pytest.approx((0.003, 0.003, 0.007))
        assert service.times(1) == pytest.approx((0.002, 0.002, 0.004))
        assert service.quantile_s(15, 0.99) == pytest.approx(0.007)
        assert service.quantile_s(15, 0.5) == pytest.approx(0.003)

    @given(st.floats(0, 500), st.floats(0, 500))
    def test_more_load_is_never_faster(self, one: float, other: float) -> None:
        service = ServiceModel(capacity_rps=400, base_ms=20)
        low, high = sorted((one, other))
        for less, more in zip(service.times(low), service.times(high), strict=True):
            assert less <= more + 1e-12

    @pytest.mark.parametrize(
        ("service", "setting"),
        [
            (ServiceModel(), "capacity_rps"),
            (ServiceModel(capacity_rps=1), "base_ms"),
            (replace(SERVICE, pending_s=90), "pending_s"),
            (replace(SERVICE, timeout_s=0), "timeout_s"),
            (replace(SERVICE, workers=-1), "workers"),
            (ServiceModel(curve=((10, 2), (10, 3))), r"curve\[2\]"),
            (ServiceModel(curve=((10, 2, 1),)), r"curve\[1\]"),
            (ServiceModel(curve=((10,),)), r"curve\[1\]"),
            (ServiceModel(curve="x.csv"), "curve"),
            (ServiceModel(curve=((10, 2), (1e13, 3))), r"curve\[2\]"),
            (ServiceModel(curve=((10, 2), (20, math.nan))), r"curve\[2\]\[2\] is nan"),
            (replace(SERVICE, capacity_rps=math.nan), "capacity_rps is nan"),
            (replace(SERVICE, capacity_rps=10**400), "capacity_rps does not fit into 64 bits"),
            (replace(SERVICE, capacity_rps=1e13), "capacity_rps must be from 0"),
            (replace(SERVICE, base_ms=math.inf), "base_ms is inf"),
            (replace(SERVICE, timeout_s=math.inf), "timeout_s is inf"),
            (replace(SERVICE, timeout_s=1e6), "timeout_s must be"),
            (replace(SERVICE, boot_s=math.nan), "boot_s is nan"),
            (replace(SERVICE, cold_s=math.inf), "cold_s is inf"),
            (replace(SERVICE, price_per_hour=math.nan), "price_per_hour is nan"),
        ],
    )
    def test_what_cannot_be_is_said(self, service: ServiceModel, setting: str) -> None:
        with pytest.raises(lc.PlanError, match=setting):
            simulate(Scaling(), service, constant(1, 60))


class TestTrace:
    def test_lines_between_points_and_steps_where_two_share_a_time(self) -> None:
        trace = Trace(((0, 0), (10, 100), (10, 20), (20, 20)))
        assert trace.requests == 500 + 200
        assert trace.requests_until(5) == pytest.approx(125)
        assert trace.requests_until(10) == pytest.approx(500)
        assert trace.requests_until(99) == 700
        assert trace.peak_rps == 100

    def test_users_come_and_go(self) -> None:
        trace = generated(Load(100, 5, 0.499, hold_s=60, ramp_down_s=10, idle_s=30))
        assert [time_s for time_s, _ in trace.points] == [0, 20, 80, 90, 120]
        assert [rate for _, rate in trace.points] == pytest.approx([0, 49.9, 49.9, 0, 0])

    @pytest.mark.parametrize(
        ("load", "setting"),
        [
            (Load(0, 1, 1, hold_s=1), "users"),
            (Load(1, 0, 1, hold_s=1), "spawn_per_s"),
            (Load(1, 1, math.inf, hold_s=1), "requests_per_s_per_user"),
            (Load(10**9, 10**9, 1e9, hold_s=1), "users times requests_per_s_per_user"),
            (Load(10**9, 1e-9, 1, hold_s=1), "spawn_per_s takes more than"),
            (Load(1, 1, 1, hold_s=1e10), "hold_s"),
            (Load(1, 1, 1, hold_s=-1), "hold_s"),
        ],
    )
    def test_users_that_cannot_be(self, load: Load, setting: str) -> None:
        with pytest.raises(lc.PlanError, match=f"load: {setting}"):
            generated(load)

    @pytest.mark.parametrize("end_s", [math.inf, math.nan, 1e308, 1e10, 10**400])
    def test_time_ends(self, end_s: float) -> None:
        with pytest.raises(lc.PlanError, match=r"trace: time_s\[2\]"):
            Trace(((0, 1), (end_s, 1)))

    @pytest.mark.parametrize("rate_rps", [math.inf, math.nan, 1e308, 1e13, 10**400])
    def test_rates_have_bounds(self, rate_rps: float) -> None:
        with pytest.raises(lc.PlanError, match=r"trace: rate_rps\[1\]"):
            constant(rate_rps, 60)

    def test_csv_in_any_order_of_columns(self) -> None:
        trace = parse_csv("rate_rps,host,time_s\n5,a,0\n7,b,60\n")
        assert trace.points == ((0, 5), (60, 7))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("time_s,rate\n0,1\n", "line 1: file has no column rate_rps"),
            ("", "line 1: file has no column time_s"),
            ("time_s,rate_rps\n0,1\n60,x\n", "line 3: rate_rps is 'x'"),
            ("time_s,rate_rps\n0,1\n60\n", "line 3: rate_rps is ''"),
            ("time_s,rate_rps\n0,1\n60,nan\n", "line 3: rate_rps is 'nan'"),
            ("time_s,rate_rps\n0,1\n60,2\n30,2\n", "line 4: time_s is 30, before"),
            ("time_s,rate_rps\n0,1\n60,-2\n", "line 3: rate_rps is -2"),
            ("time_s,rate_rps\n0,1\n60,1e308\n", "line 3: rate_rps is 1e.308"),
            ("time_s,rate_rps\n0,1\n60,1e13\n", "line 3: rate_rps is 1e.13; .* 1e.12 at most"),
            ("time_s,rate_rps\n5,1\n60,2\n", "line 2: time_s is 5"),
            ("time_s,rate_rps\n0,1\n", "holds no time"),
        ],
    )
    def test_faults_with_their_lines(self, text: str, said: str) -> None:
        with pytest.raises(lc.PlanError, match=said):
            parse_csv(text)

    def test_all_faults_at_once(self) -> None:
        with pytest.raises(lc.PlanError, match=r"line 2: .*line 3: "):
            parse_csv("time_s,rate_rps\n0,a\n60,b\n")


BERLIN = "Europe/Berlin"
HOUR_S = 3600
EIGHT = datetime.fromisoformat("2026-01-05T08:00:00+00:00")


class TestScheduledTimes:
    @pytest.mark.parametrize(
        ("cron", "zone", "start", "due"),
        [
            ("0 8 * * *", "", "2026-01-05T08:00:00+00:00", [0]),
            ("0 8 * * *", "", "2026-01-05T07:59:59.500+00:00", [0.5]),
            ("0 8 * * *", "", "2026-01-05T08:00:00.500+00:00", []),
            ("0 8 * * *", BERLIN, "2026-01-05T07:00:00+00:00", [0]),
            ("0 8 * * *", BERLIN, "2026-01-05T08:00:00+01:00", [0]),
            ("*/30 * * * *", "", "2026-01-05T08:00:00+00:00", [0, 1800, 3600, 5400]),
            # 02:00 to 03:00 is there twice, from 00:00 UTC on; what has an hour runs in the first
            ("30 2 * * *", BERLIN, "2026-10-25T00:30:00+00:00", [0]),
            ("30 2 * * *", BERLIN, "2026-10-25T01:00:00+00:00", []),
            ("30 2 * * *", BERLIN, "2026-10-25T01:30:00+00:00", []),
            ("0 3 * * *", BERLIN, "2026-10-25T01:30:00+00:00", [1800]),
            ("*/30 * * * *", BERLIN, "2026-10-25T00:30:00+00:00", [0, 1800, 3600, 5400]),
            # and is not there, so that it runs at 03:00, which is 01:00 UTC
            ("30 2 * * *", BERLIN, "2026-03-29T01:00:00+00:00", [0]),
            ("30 2 * * *", BERLIN, "2026-03-29T00:59:00+00:00", [60]),
            ("30 2 * * *", BERLIN, "2026-03-29T01:00:01+00:00", []),
        ],
    )
    def test_every_one_from_the_start_on(
        self, cron: str, zone: str, start: str, due: list[float]
    ) -> None:
        schedule = Schedule("s", cron=cron, time_zone=zone, min=1)
        begin = datetime.fromisoformat(start)
        times = due_times([schedule], start=begin, duration_s=2 * HOUR_S)
        assert times == [(at_s, schedule) for at_s in due]

    @pytest.mark.parametrize(
        "schedule",
        [Schedule("s", cron="0 8 * * *", min=3), Schedule("s", at="2026-01-05T08:00:00Z", min=3)],
        ids=["cron", "at"],
    )
    def test_what_is_due_at_the_start_is_done(self, schedule: Schedule) -> None:
        scaling = Scaling(Group(1, 5), schedule=(schedule,))
        result = simulate(scaling, SERVICE, constant(1, 60), start=EIGHT)
        assert [(one.at_s, one.after) for one in result.activities] == [(0, 3)]

    def test_the_end_is_left_out_and_the_order_is_that_of_time(self) -> None:
        late = Schedule("late", cron="30 8 * * *", min=1)
        early = Schedule("early", at="2026-01-05T08:10:00Z", min=1)
        due = due_times([late, early], start=EIGHT, duration_s=1800)
        assert due == [(600, early)]
        due = due_times([late, early], start=EIGHT, duration_s=1801)
        assert due == [(600, early), (1800, late)]
        assert due_times([early], start=EIGHT + timedelta(seconds=601), duration_s=1800) == []
