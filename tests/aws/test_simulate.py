"""The simulator: the known stories, time, metrics, traffic."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loadcore as lc
from loadcore_aws.autoscaling import (
    Alarm,
    Group,
    Metric,
    Scaling,
    Schedule,
    ServiceModel,
    Simple,
    Simulation,
    Step,
    StepPolicy,
    Trace,
    constant,
    generated,
    read_policy,
    simulate,
)
from loadcore_aws.autoscaling.alarms import AlarmWatch, Evaluation, Source, evaluation_interval_s
from loadcore_aws.autoscaling.metrics import statistic_of
from loadcore_aws.autoscaling.spec import MissingData
from loadcore_aws.autoscaling.traffic import Traffic

EXAMPLES = Path(__file__).parents[2] / "orchestration" / "examples" / "policies"
SERVICE = ServiceModel(capacity_rps=100, base_ms=10)
OUT = Alarm("busy", "cpu", 70, missing_data="notBreaching", actions=("out",))
IN = Alarm("quiet", "cpu", 20, "<=", missing_data="breaching", actions=("in",))
ONE_EACH = Scaling(Group(min=1, max=5), (Simple("out", 1), Simple("in", -1)), (OUT, IN))


def story(name: str, *, seed: int = 0, step_s: float = 1, **alarm: Any) -> Simulation:
    """An example file; `alarm` are changes to its second alarm."""
    policy = read_policy(EXAMPLES / f"{name}.toml")
    assert policy.service
    assert policy.load
    changed = (policy.alarm[0], replace(policy.alarm[1], **alarm)) if alarm else policy.alarm
    scaling = replace(policy.scaling, alarm=changed)
    return simulate(scaling, policy.service, generated(policy.load), seed=seed, step_s=step_s)


def evaluated_at(alarm: Alarm, steps_a_minute: int, seed: int, duration_s: float) -> list[int]:
    """The numbers of the steps in which the alarm was evaluated."""
    seen = []
    evaluate = AlarmWatch.step

    def step(self: AlarmWatch, now_s: float, source: Source) -> Evaluation | None:
        evaluation = evaluate(self, now_s, source)
        if evaluation is not None:
            seen.append(round(evaluation.at_s * steps_a_minute / 60))
        return evaluation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AlarmWatch, "step", step)
        scaling = Scaling(alarm=(replace(alarm, actions=("topic",)),))
        trace = constant(1, duration_s)
        simulate(scaling, SERVICE, trace, step_s=60 / steps_a_minute, seed=seed)
    return seen


def at(result: Simulation, time_s: float, column: str) -> Any:
    return result.columns[column][result.columns["time_s"].index(time_s)]


class TestStories:
    @pytest.mark.parametrize("seed", range(3))
    def test_it_climbs_one_by_one_to_ten_and_stays_there_when_the_load_stops(
        self, seed: int
    ) -> None:
        result = story("stuck", seed=seed)
        changes = [(one.before, one.after) for one in result.activities]
        assert changes == [(count, count + 1) for count in range(2, 10)]
        waits = [right.at_s - left.at_s for left, right in pairwise(result.activities)]
        # The cooldown, from when the instance was in service, to the next evaluation.
        assert all(300 + 15 <= wait <= 300 + 15 + 60 for wait in waits)
        assert at(result, 1800, "rate_rps") == pytest.approx(49.9, abs=1)
        assert result.columns["desired"][-1] == 10
        assert result.columns["rate_rps"][-3600:] == [0] * 3600
        assert result.alarms["busy"][-1] == "ALARM"

    def test_insufficient_data_is_no_better(self) -> None:
        assert story("stuck", missing_data="missing").columns["desired"][-1] == 10

    @pytest.mark.parametrize("seed", range(3))
    def test_it_falls_back_once_missing_data_breaches_for_scale_in(self, seed: int) -> None:
        result = story("simple", seed=seed)
        assert max(result.columns["desired"]) == 10
        assert result.columns["desired"][-1] == 2
        assert result.reversals == 1
        assert result.alarms["busy"][-1] == "OK"
        assert result.lost == 0

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize(("threshold", "between"), [(0.010, (2, 3)), (0.002, (3, 4))])
    def test_scale_in_by_response_time_makes_it_flap(
        self, seed: int, threshold: float, between: tuple[int, int]
    ) -> None:
        result = story("flapping", seed=seed, threshold=threshold)
        loaded = [one for one in result.activities if 600 < one.at_s < 5400]
        assert {one.after for one in loaded} == set(between)
        assert len(loaded) >= 12
        assert result.reversals >= 12
        assert at(result, 3600, "rate_rps") == 150

    def test_a_loaded_service_answers_in_four_milliseconds(self) -> None:
        """So that a scale-in threshold of 10 ms is met under load."""
        assert story("flapping").columns["response_mean_s"][60] == pytest.approx(0.004)

    def test_the_mended_story_costs_less(self) -> None:
        stuck, simple = story("stuck"), story("simple")
        assert stuck.cost is not None
        assert simple.cost is not None
        assert simple.cost < 0.8 * stuck.cost
        assert stuck.cost == pytest.approx(stuck.instance_hours * 0.024)

    @pytest.mark.parametrize("name", ["step", "target"])
    def test_the_others_scale_out_and_back_in(self, name: str) -> None:
        result = story(name)
        assert max(result.columns["desired"]) >= 8
        assert result.columns["desired"][-1] == 2
        assert result.reversals == 1
        # Once it has grown it keeps up.
        assert sum(result.columns["lost"][1200:]) == 0

    @pytest.mark.parametrize("steps_a_minute", [12, 25, 70, 150])
    def test_they_hardly_depend_on_the_step(self, steps_a_minute: int) -> None:
        """An evaluation may fall on the other side of a minute's report, so not to the second."""
        fine, coarse = (story("step", seed=1, step_s=60 / steps) for steps in (60, steps_a_minute))
        assert coarse.lost == pytest.approx(fine.lost, rel=0.15)
        assert len(coarse.activities) in range(len(fine.activities) - 1, len(fine.activities) + 2)
        assert coarse.instance_hours == pytest.approx(fine.instance_hours, rel=0.03)


class TestTime:
    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from([10, 20, 30, 60, 300]), st.integers(1, 300), st.integers(0, 99))
    def test_each_interval_has_one_evaluation_whatever_the_step(
        self, period_s: int, steps_a_minute: int, seed: int
    ) -> None:
        alarm = replace(OUT, period_s=period_s)
        # In units of 1 / steps_a_minute of a second, so that nothing is rounded.
        length = evaluation_interval_s(alarm) * steps_a_minute
        times = [60 * step for step in evaluated_at(alarm, steps_a_minute, seed, duration_s=600)]
        intervals = {60 * step // length for step in range(10 * steps_a_minute)}
        first = period_s * steps_a_minute // length
        assert [time // length for time in times] == sorted(n for n in intervals if n >= first)
        if length >= 60:
            # Each in the first step at or after the same second.
            into = [time % length for time in times]
            assert max(into) - min(into) < 60

    def test_a_second_is_the_same_one_whatever_the_step(self) -> None:
        for seed in range(20):
            coarse, fine = (evaluated_at(OUT, steps, seed, 180) for steps in (60, 600))
            assert [10 * step for step in coarse] == fine

    @pytest.mark.parametrize("steps_a_minute", [7, 9, 50, 90])
    def test_a_wait_is_over_at_its_second_and_not_a_step_later(self, steps_a_minute: int) -> None:
        """15 s of launch and 45 s of cooldown or grace end with the next evaluation and with the
        boot, whatever fraction of a second it begins at."""
        group = Group(min=1, max=9, cooldown_s=45, health_check_grace_s=45)
        scaling = Scaling(group, (Simple("out", 1),), (OUT,))
        for seed in range(5):
            step_s = 60 / steps_a_minute
            result = simulate(scaling, SERVICE, constant(900, 900), step_s=step_s, seed=seed)
            assert [one.after for one in result.activities] == list(range(2, 10))
            waits = [right.at_s - left.at_s for left, right in pairwise(result.activities)]
            assert waits == pytest.approx([60] * 7)
            assert {one.at_s for one in result.activities} <= set(result.columns["time_s"])

    def test_simple_policies_wait_and_step_policies_do_not(self) -> None:
        trace = constant(400, 1800)
        step = StepPolicy("out", (Step(1, 0, None),), warmup_s=60)
        slow = simulate(ONE_EACH, SERVICE, trace)
        fast = simulate(replace(ONE_EACH, policy=(step, Simple("in", -1))), SERVICE, trace)
        assert fast.columns["desired"].index(5) < slow.columns["desired"].index(5)

    def test_an_instance_answers_a_boot_after_its_launch_and_is_paid_for_at_once(self) -> None:
        service = replace(SERVICE, boot_s=120, pending_s=30)
        result = simulate(ONE_EACH, service, constant(90, 900))
        launch_s = result.activities[0].at_s
        assert at(result, launch_s, "instances") == 2
        assert at(result, launch_s + 119, "in_service") == 1
        assert at(result, launch_s + 120, "in_service") == 2

    def test_an_instance_drains_and_is_paid_for_until_its_hook_is_over(self) -> None:
        group = Group(min=1, max=2, desired=2, drain_s=60)
        service = replace(SERVICE, deregistration_delay_s=40)
        result = simulate(replace(ONE_EACH, group=group), service, constant(0, 900))
        end_s = result.activities[0].at_s
        assert at(result, end_s, "in_service") == 1
        assert at(result, end_s + 99, "instances") == 2
        assert at(result, end_s + 100, "instances") == 1

    def test_with_too_short_a_grace_no_instance_ever_answers(self) -> None:
        group = Group(min=1, max=2, health_check_grace_s=30)
        service = replace(SERVICE, boot_s=120, pending_s=15)
        result = simulate(replace(ONE_EACH, group=group), service, constant(90, 1800))
        assert max(result.columns["in_service"]) == 1
        causes = [one.cause for one in result.activities if "health check" in one.cause]
        assert len(causes) > 10
        assert result.reversals == 0

    def test_the_time_before_the_load_is_no_missing_data(self) -> None:
        grown = replace(ONE_EACH, group=Group(min=1, max=5, desired=3))
        assert simulate(grown, SERVICE, constant(120, 900)).activities == ()

    @pytest.mark.parametrize("seed", range(3))
    def test_nor_does_it_fill_the_gap_of_an_alarm_that_one_of_three_points_rings(
        self, seed: int
    ) -> None:
        """CPU use is 50 % from the beginning."""
        quiet = replace(IN, threshold=25, evaluation_periods=3, datapoints_to_alarm=1)
        scaling = Scaling(Group(min=1, max=10, desired=4), (Simple("in", -1),), (quiet,))
        service = ServiceModel(capacity_rps=200, base_ms=4)
        result = simulate(scaling, service, constant(400, 900), seed=seed)
        assert result.activities == ()
        assert result.alarms["quiet"][179:240:60] == ["INSUFFICIENT_DATA", "OK"]

    @pytest.mark.parametrize(
        ("metric", "missing_data", "periods"),
        [
            ("cpu", "breaching", 3),
            ("cpu", "notBreaching", 2),
            ("cpu", "missing", 2),
            (Metric("AWS/DynamoDB", "ThrottledRequests"), "breaching", 2),
        ],
    )
    def test_an_alarm_waits_for_as_many_periods_as_could_ring_it(
        self, metric: str | Metric, missing_data: MissingData, periods: int
    ) -> None:
        """DynamoDB's alarms ignore missing data whatever is set."""
        alarm = replace(OUT, metric=metric, missing_data=missing_data)
        alarm = replace(alarm, evaluation_periods=3, datapoints_to_alarm=2)
        first = evaluated_at(alarm, 60, 0, 600)[0]
        assert periods * 60 <= first < (periods + 1) * 60

    def test_of_two_policies_at_once_the_one_that_has_an_effect(self) -> None:
        """In steps of a minute all alarms are evaluated together; at max only scale-in can act."""
        alarms = (replace(OUT, threshold=1), replace(IN, threshold=99))
        scaling = replace(ONE_EACH, group=Group(min=1, max=5, desired=5), alarm=alarms)
        result = simulate(scaling, SERVICE, constant(10, 300), step_s=60)
        assert result.activities[0].after == 4
        below = replace(scaling, group=Group(min=1, max=5, desired=3))
        result = simulate(below, SERVICE, constant(10, 300), step_s=60)
        assert result.activities[0].after == 4

    @pytest.mark.parametrize(("statistic", "after"), [("Average", 2), ("Maximum", 4)])
    def test_a_step_goes_by_the_policys_own_statistic(self, statistic: Any, after: int) -> None:
        """Of 30 and 90 % the average is 40 above the threshold, the maximum 70."""
        steps = (Step(1, 0, 50), Step(3, 50, None))
        policy = StepPolicy("out", steps, statistic=statistic)
        alarm = replace(OUT, threshold=20, evaluation_periods=2)
        scaling = Scaling(Group(min=1, max=5), (policy,), (alarm,))
        trace = Trace(((0, 30), (60, 30), (60, 90), (300, 90)))
        assert simulate(scaling, SERVICE, trace).activities[0].after == after

    def test_a_cold_instance_does_less(self) -> None:
        group = Group(min=1, max=2)
        cold = replace(SERVICE, boot_s=60, cold_s=120, cold_share=0.5)
        result = simulate(replace(ONE_EACH, group=group), cold, constant(90, 900))
        ready_s = result.activities[0].at_s + 60
        assert at(result, ready_s, "use") == pytest.approx(90 / 150)
        assert at(result, ready_s + 119, "use") == pytest.approx(90 / 150)
        assert at(result, ready_s + 120, "use") == pytest.approx(90 / 200)

    def test_schedules_set_limits_at_their_time(self) -> None:
        morning = Schedule("morning", cron="30 9 * * *", time_zone="Europe/Berlin", min=3)
        once = Schedule("once", at="2026-07-01T08:00:00Z", min=1, desired=1)
        scaling = Scaling(Group(min=1, max=5), schedule=(morning, once))
        start = datetime(2026, 7, 1, 9, 0, tzinfo=timezone(timedelta(hours=2)))
        result = simulate(scaling, SERVICE, constant(1, 7200), start=start)
        assert [(one.at_s, one.after) for one in result.activities] == [(1800, 3), (3600, 1)]
        assert "morning" in result.activities[0].cause

    def test_what_was_due_before_the_start_is_not_done(self) -> None:
        once = Schedule("once", at="2026-07-01T06:59:00Z", min=3)
        scaling = Scaling(Group(min=1, max=5), schedule=(once,))
        start = datetime(2026, 7, 1, 7, 0, tzinfo=timezone.utc)
        assert simulate(scaling, SERVICE, constant(1, 600), start=start).activities == ()

    def test_schedules_need_a_start(self) -> None:
        scaling = Scaling(Group(), schedule=(Schedule("s", cron="0 0 * * *", min=1),))
        with pytest.raises(lc.PlanError, match="start: is needed"):
            simulate(scaling, SERVICE, constant(1, 60))

    @pytest.mark.parametrize(
        ("schedule", "said"),
        [
            (Schedule("s", cron="61 * * * *", min=1), r"schedule\[1\].cron"),
            (Schedule("s", cron="* * * * *", time_zone="M", min=1), r"schedule\[1\].time_zone"),
            (Schedule("s", at="tomorrow", min=1), r"schedule\[1\].at"),
        ],
    )
    def test_times_that_cannot_be_read_are_said(self, schedule: Schedule, said: str) -> None:
        scaling = Scaling(Group(), schedule=(schedule,))
        start = datetime(2026, 7, 1, tzinfo=timezone.utc)
        with pytest.raises(lc.PlanError, match=said):
            simulate(scaling, SERVICE, constant(1, 60), start=start)


class TestMetrics:
    @pytest.mark.parametrize("metric", ["requests", "response_time", "5xx"])
    def test_they_are_silent_without_traffic(self, metric: str) -> None:
        alarm = Alarm("a", metric, 0, ">=", "Sum", actions=("topic",))
        result = simulate(Scaling(alarm=(alarm,)), SERVICE, constant(0, 600))
        assert set(result.alarms["a"]) == {"INSUFFICIENT_DATA"}

    @pytest.mark.parametrize("metric", ["cpu", "requests_per_target", "healthy_hosts"])
    def test_others_are_not(self, metric: str) -> None:
        alarm = Alarm("a", metric, 0, ">=", actions=("topic",))
        result = simulate(Scaling(alarm=(alarm,)), SERVICE, constant(0, 600))
        assert result.alarms["a"][-1] == "ALARM"

    @pytest.mark.parametrize(
        ("metric", "statistic", "value"),
        [
            ("requests", "Sum", 3600),
            ("requests_per_target", "Sum", 1800),
            ("cpu", "Average", 1 + 99 * 0.3),
            ("response_time", "Average", 0.01 + 0.3 / 70),
            ("healthy_hosts", "Minimum", 2),
            (Metric("AWS/ApplicationELB", "RequestCount"), "Sum", 3600),
        ],
    )
    def test_their_values(self, metric: str | Metric, statistic: str, value: float) -> None:
        """60 requests/s on two instances; M/M/1 with 30 of 100 in use waits 0.3/70 s."""
        scaling = Scaling(Group(min=2, max=2))
        for threshold, state in ((value * 0.999, "ALARM"), (value * 1.001, "OK")):
            alarm = Alarm("a", metric, threshold, ">=", statistic, actions=("topic",))
            result = simulate(replace(scaling, alarm=(alarm,)), SERVICE, constant(60, 300))
            assert result.alarms["a"][-1] == state

    @pytest.mark.parametrize(
        ("metric", "statistic"),
        [
            ("requests", "Sum"),
            ("requests_per_target", "Sum"),
            ("cpu", "Average"),
            ("response_time", "Average"),
            ("healthy_hosts", "Minimum"),
            (Metric("AWS/ApplicationELB", "RequestCount"), "Average"),
        ],
    )
    def test_without_a_statistic_it_is_the_one_that_makes_sense(
        self, metric: str | Metric, statistic: str
    ) -> None:
        alarm = Alarm("a", metric, 1000, actions=("topic",))
        assert statistic_of(alarm) == statistic
        assert statistic_of(replace(alarm, statistic="p50")) == "p50"

    def test_the_known_story_comes_out_as_well_without_a_statistic(self) -> None:
        policy = read_policy(EXAMPLES / "stuck.toml")
        assert policy.service
        assert policy.load
        bare = tuple(replace(alarm, statistic="") for alarm in policy.alarm)
        load = generated(policy.load)
        unsaid = simulate(replace(policy.scaling, alarm=bare), policy.service, load, step_s=5)
        assert max(unsaid.columns["desired"]) == 10
        assert unsaid.columns == simulate(policy.scaling, policy.service, load, step_s=5).columns

    @pytest.mark.parametrize("percent", [50, 90, 95, 99, 99.9])
    def test_percentiles_of_the_response_time(self, percent: float) -> None:
        """Of M/M/1: the wait exceeds t with probability use * exp(-(capacity - rate) * t)."""
        expected = 0.01 + max(0.0, math.log(0.6 / (1 - percent / 100)) / 40)
        for factor, state in ((0.93, "ALARM"), (1.07, "OK")):
            alarm = Alarm("a", "response_time", expected * factor, ">=", f"p{percent:g}",
                          actions=("topic",))  # fmt: skip
            result = simulate(Scaling(alarm=(alarm,)), SERVICE, constant(60, 300))
            assert result.alarms["a"][-1] == state

    def test_requests_that_meet_no_instance_are_not_counted(self) -> None:
        alarm = Alarm("a", "requests", 0, ">=", "Sum", actions=("topic",))
        scaling = Scaling(Group(min=0, max=1), alarm=(alarm,))
        result = simulate(scaling, SERVICE, constant(10, 600))
        assert set(result.alarms["a"]) == {"INSUFFICIENT_DATA"}

    def test_a_short_period_misses_most_of_what_comes_once_a_minute(self) -> None:
        alarm = Alarm("a", "requests", 1, ">=", "Sum", period_s=10, missing_data="notBreaching",
                      evaluation_periods=3, actions=("topic",))  # fmt: skip
        result = simulate(Scaling(alarm=(alarm,)), SERVICE, constant(50, 600))
        assert set(result.alarms["a"][60:]) == {"OK"}


class TestTraffic:
    def test_more_than_capacity_waits_and_then_is_lost(self) -> None:
        """100 requests/s too many for 10 s fill the 10 s of queue; from then on they are lost."""
        result = simulate(Scaling(), SERVICE, constant(200, 60))
        assert result.columns["waiting"][9] == 1000
        assert sum(result.columns["lost"][:10]) == 0
        assert result.columns["lost"][10:] == [100] * 50
        assert result.columns["response_mean_s"][30] == pytest.approx(10)
        assert result.served == 60 * 100 + 1000

    def test_a_peak_is_worked_off(self) -> None:
        trace = Trace(((0, 300), (2, 300), (2, 50), (20, 50)))
        result = simulate(Scaling(), SERVICE, trace)
        assert result.lost == 0
        assert result.columns["waiting"][:3] == [200, 400, 350]
        assert result.columns["waiting"][10] == 0

    def test_with_no_instance_everything_is_lost(self) -> None:
        result = simulate(Scaling(Group(min=0, max=1)), SERVICE, constant(5, 60))
        assert (result.lost, result.served) == (300, 0)
        assert math.isnan(result.response_mean_s)

    def test_without_a_drain_what_is_under_way_is_lost(self) -> None:
        """20 requests/s for an answer of 0.5 s: 10 of them, on each instance."""
        group = Group(min=1, max=2, desired=2)
        alarm = Alarm("quiet", "cpu", 90, "<=", actions=("in",))
        scaling = Scaling(group, (Simple("in", -1),), (alarm,))
        service = ServiceModel(capacity_rps=1000, base_ms=500, deregistration_delay_s=0)
        assert simulate(scaling, service, constant(40, 300)).lost in range(10, 21)
        drained = replace(service, deregistration_delay_s=30)
        assert simulate(scaling, drained, constant(40, 300)).lost == 0

    def test_capacity_of_less_than_a_request_a_step_adds_up_while_somebody_waits(self) -> None:
        service = ServiceModel(capacity_rps=0.5, base_ms=100)
        result = simulate(Scaling(), service, constant(0.5, 600))
        assert result.lost == 0
        assert sum(result.columns["served"][:300]) >= 148
        # Nothing is saved up before they come: one at once, then one every two seconds.
        late = simulate(Scaling(), service, Trace(((0, 0), (11, 0), (11, 1), (20, 1))))
        assert late.columns["served"][:16] == [0] * 11 + [1, 0, 1, 0, 1]

    @pytest.mark.parametrize(
        ("capacity_rps", "base_ms", "step_s"), [(0.9, 100, 1), (0.5, 2000, 1), (5, 100, 0.1)]
    )
    def test_a_lone_request_does_not_wait(
        self, capacity_rps: float, base_ms: float, step_s: float
    ) -> None:
        """M/M/1 at 2 % of use, however little capacity a step has."""
        service = ServiceModel(capacity_rps=capacity_rps, base_ms=base_ms, workers=1)
        trace = constant(0.02 * capacity_rps, 990 / capacity_rps)
        result = simulate(Scaling(), service, trace, step_s=step_s)
        assert result.served == 19
        expected_s = base_ms / 1000 + 0.02 / (0.98 * capacity_rps)
        assert result.response_mean_s == pytest.approx(expected_s)

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=60),
        st.floats(0.02, 30),
        st.sampled_from([0.1, 1.0, 60.0]),
    )
    def test_no_request_is_made_or_lost_and_no_more_served_than_the_capacity(
        self, arrivals: list[tuple[int, int]], capacity_rps: float, step_s: float
    ) -> None:
        """`arrivals` are requests and instances in each step. Over any time that somebody is there
        a whole request may be in its last step."""
        traffic = Traffic(ServiceModel(capacity_rps=capacity_rps, base_ms=10), step_s)
        waiting = 0
        ahead = 0.0  # how far the service may be ahead of its capacity at most, from any step on
        for requests, count in arrivals:
            step = traffic.step(requests, requests / step_s, [1.0] * count)
            assert waiting + requests == step.served + step.lost + step.waiting
            if count and requests and not waiting and not ahead:
                assert step.served
            waiting = step.waiting
            ahead = max(0.0, ahead + step.served - count * capacity_rps * step_s) if count else 0.0
            assert ahead < 1 + 1e-4

    def test_a_curve_counts_to_its_end(self) -> None:
        service = ServiceModel(curve=((99, 2, 4), (100, 1000, 2000)))
        full = simulate(Scaling(), service, constant(100, 60))
        assert full.columns["response_mean_s"] == pytest.approx([1] * 60)
        assert full.response_p99_worst_s == pytest.approx(2)
        assert service.quantile_s(100, 0.99) == pytest.approx(2)
        assert service.times(99) == pytest.approx((0.002, 0.002, 0.004))

    def test_what_is_beyond_the_capacity_is_left_to_the_queue(self) -> None:
        lower = ServiceModel(curve=((50, 2, 4), (100, 1000, 2000)), capacity_rps=50)
        assert lower.times(80) == lower.times(50) == pytest.approx((0.002, 0.002, 0.004))
        assert SERVICE.times(200) == SERVICE.times(98)
        assert SERVICE.times(98).mean_s > SERVICE.times(97).mean_s

    def test_a_trickle_is_whole_requests(self) -> None:
        result = simulate(Scaling(), SERVICE, constant(0.1, 100))
        assert sorted(set(result.columns["requests"])) == [0, 1]
        assert result.requests == 10
