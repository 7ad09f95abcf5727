"""The lint: each mistake is found, and is not found once it is mended."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from loadcore_aws.autoscaling import (
    Alarm,
    Group,
    Metric,
    Scaling,
    Schedule,
    ServiceModel,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
    constant,
    generated,
    lint,
    read_policy,
    simulate,
)
from loadcore_aws.autoscaling.lint import Code, Finding

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "orchestration" / "examples" / "policies"
DAILY = "0 8 * * *"
SERVICE = ServiceModel(capacity_rps=100, base_ms=10)
OUT, IN = Simple("out", 1), Simple("in", -1)
BUSY = Alarm("busy", "cpu", 70, missing_data="notBreaching", actions=("out",))
QUIET = Alarm("quiet", "cpu", 20, "<=", missing_data="breaching", actions=("in",))
SOUND = Scaling(Group(min=2, max=10), (OUT, IN), (BUSY, QUIET))
REQUESTS = replace(QUIET, metric="requests", statistic="Sum", threshold=1200)


def codes(scaling: Scaling, service: ServiceModel | None = SERVICE, **more: Any) -> list[str]:
    return [finding.code for finding in lint(scaling, service, **more)]


def with_alarms(*alarms: Alarm) -> Scaling:
    return replace(SOUND, alarm=alarms)


def with_group(**changes: Any) -> Scaling:
    return replace(SOUND, group=replace(SOUND.group, **changes))


def stays(scaling: Scaling, service: ServiceModel = SERVICE) -> bool:
    """Whether it keeps all instances of max through an hour without load."""
    group = replace(scaling.group, desired=scaling.group.max)
    trace = constant(100, 300).then_idle(3600)
    desired = simulate(replace(scaling, group=group), service, trace, step_s=5).columns["desired"]
    return set(desired) == {group.max}


def test_a_sound_setup_has_no_findings() -> None:
    assert lint(SOUND, SERVICE, constant(500, 600)) == []
    assert lint(SOUND) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("simple", []),
        ("step", []),
        ("target", []),
        ("stuck", ["stuck-when-idle"]),
        ("flapping", ["fighting-thresholds"]),
    ],
)
def test_the_sample_files(name: str, found: list[str]) -> None:
    policy = read_policy(EXAMPLES / f"{name}.toml")
    assert policy.load
    assert codes(policy.scaling, policy.service, trace=generated(policy.load)) == found


@pytest.mark.parametrize("missing", ["missing", "ignore", "notBreaching"])
@pytest.mark.parametrize("metric", ["requests", "response_time", "5xx"])
def test_scale_in_by_a_silent_metric_needs_breaching(missing: Any, metric: str) -> None:
    quiet = replace(REQUESTS, metric=metric, missing_data=missing)
    [finding] = [f for f in lint(with_alarms(BUSY, quiet)) if f.severity == "error"]
    assert finding.code == "stuck-when-idle"
    assert finding.setting == "alarm[2].missing_data"
    assert '"breaching"' in finding.sentence


class TestScaleInWhenIdle:
    def test_another_way_in_is_enough(self) -> None:
        stuck = replace(REQUESTS, missing_data="ignore")
        assert "stuck-when-idle" not in codes(
            with_alarms(BUSY, stuck, replace(QUIET, name="other"))
        )

    def test_so_is_an_action_on_insufficient_data(self) -> None:
        quiet = replace(REQUESTS, missing_data="missing", no_data_actions=("in",))
        assert "stuck-when-idle" not in codes(with_alarms(BUSY, quiet))

    def test_a_threshold_below_the_idle_value_is_found(self) -> None:
        scaling = with_alarms(BUSY, replace(QUIET, threshold=0.5))
        [finding] = lint(scaling, replace(SERVICE, cpu_idle_percent=3))
        assert (finding.code, finding.setting) == ("stuck-when-idle", "alarm[2].threshold")

    def test_dynamodb_ignores_whatever_is_said(self) -> None:
        """Nothing is known of whether others' metrics fall silent, so nothing is found."""
        quiet = replace(QUIET, metric=Metric("AWS/DynamoDB", "ConsumedReadCapacityUnits"))
        assert "stuck-when-idle" not in codes(with_alarms(BUSY, quiet))

    def test_tracking_requests_per_target_does_scale_in(self) -> None:
        tracking = TargetTracking("t", 3000, "requests_per_target")
        assert codes(replace(SOUND, policy=(tracking,), alarm=())) == []

    def test_a_percentile_that_keeps_its_state_for_want_of_samples(self) -> None:
        p99 = replace(
            QUIET, metric="response_time", statistic="p99", threshold=0.011, low_samples="ignore"
        )
        busy = replace(BUSY, threshold=95)
        [finding] = [one for one in lint(with_alarms(busy, p99)) if one.severity == "error"]
        assert (finding.code, finding.setting) == ("stuck-when-idle", "alarm[2].low_samples")
        assert '"evaluate"' in finding.sentence
        assert stays(with_alarms(busy, p99))
        mended = with_alarms(busy, replace(p99, low_samples="evaluate"))
        assert codes(mended, None) == []
        assert not stays(mended)
        # Of the average none are asked for.
        assert codes(with_alarms(busy, replace(p99, statistic="Average")), None) == []

    def test_both_settings_that_keep_it_are_told(self) -> None:
        p99 = replace(
            REQUESTS, metric="response_time", statistic="p99", low_samples="ignore",
            missing_data="ignore",
        )  # fmt: skip
        settings = [one.setting for one in lint(with_alarms(BUSY, p99))]
        assert settings == ["alarm[2].low_samples", "alarm[2].missing_data"]

    def test_a_percentile_of_what_is_reported_each_minute(self) -> None:
        """The median takes 20 samples."""
        median = replace(QUIET, statistic="p50", low_samples="ignore", evaluation_periods=19)
        assert codes(with_alarms(BUSY, median)) == ["stuck-when-idle"]
        assert codes(with_alarms(BUSY, replace(median, evaluation_periods=20))) == []

    def test_steps_that_take_nothing_at_the_idle_value(self) -> None:
        """15 % is 5 below 20."""
        idling = replace(SERVICE, cpu_idle_percent=15)
        far = StepPolicy("in", (Step(-1, None, -10),))
        scaling = replace(SOUND, policy=(OUT, far))
        [finding] = lint(scaling, idling)
        assert (finding.code, finding.setting) == ("stuck-when-idle", "policy[2].steps")
        assert "-5 from the threshold of alarm quiet" in finding.sentence
        assert stays(scaling, idling)
        near = replace(scaling, policy=(OUT, StepPolicy("in", (Step(-1, None, 0),))))
        assert codes(near, idling) == []
        assert not stays(near, idling)
        assert codes(scaling, replace(SERVICE, cpu_idle_percent=5)) == []

    def test_steps_that_take_nothing_in_silence(self) -> None:
        scaling = replace(
            SOUND, policy=(OUT, StepPolicy("in", (Step(-1, None, -600),))), alarm=(BUSY, REQUESTS)
        )
        [finding] = lint(scaling, SERVICE)
        assert (finding.code, finding.setting) == ("stuck-when-idle", "policy[2].steps")
        assert stays(scaling)

    def test_all_target_tracking_policies_must_agree(self) -> None:
        idling = replace(SERVICE, cpu_idle_percent=48)
        requests, cpu = TargetTracking("r", 5000, "requests_per_target"), TargetTracking("c", 50)
        scaling = Scaling(Group(2, 10), (requests, cpu))
        [finding] = lint(scaling, idling)
        assert (finding.code, finding.setting) == ("stuck-when-idle", "policy[2].target")
        assert "is 48: " in finding.sentence
        assert "all such policies must" in finding.sentence
        assert stays(scaling, idling)
        mended = replace(scaling, policy=(requests, replace(cpu, target=60)))
        assert codes(mended, idling) == []
        assert not stays(mended, idling)
        unasked = replace(scaling, policy=(requests, replace(cpu, scale_in=False)))
        assert "stuck-when-idle" not in codes(unasked, idling)
        assert not stays(unasked, idling)
        assert codes(scaling) == []

    def test_a_target_that_one_less_would_pass(self) -> None:
        """44 % is below 90 % of 50, but seven of eight would have to do with 50.3 %."""
        idling = replace(SERVICE, cpu_idle_percent=44)
        scaling = Scaling(Group(2, 8), (TargetTracking("c", 50),))
        [finding] = lint(scaling, idling)
        assert finding.sentence.endswith("choose one above 50.29")
        assert stays(scaling, idling)
        assert codes(replace(scaling, policy=(TargetTracking("c", 50.3),)), idling) == []

    def test_target_tracking_on_a_metric_that_falls_silent(self) -> None:
        silent = TargetTracking("s", 900, Metric("AWS/ApplicationELB", "RequestCount"))
        scaling = Scaling(Group(2, 10), (silent,))
        [finding] = lint(scaling, SERVICE)
        assert (finding.code, finding.setting) == ("stuck-when-idle", "policy[1].metric")
        own = replace(silent, metric=Metric("Likes", "Queue"))
        assert codes(replace(scaling, policy=(own,))) == []

    def test_what_is_found_really_stays(self) -> None:
        assert stays(with_alarms(BUSY, replace(REQUESTS, missing_data="ignore")))
        assert not stays(with_alarms(BUSY, REQUESTS))


class TestSteps:
    """Their bounds count from the threshold."""

    def test_scale_in_with_bounds_above_the_threshold(self) -> None:
        wrong = replace(SOUND, policy=(OUT, StepPolicy("in", (Step(-1, 0, None),))))
        [finding] = lint(wrong, SERVICE)
        assert (finding.code, finding.setting) == ("steps-out-of-reach", "policy[2].steps")
        assert "{ lower = 0, adjust = -1 }" in finding.sentence
        assert "alarm quiet runs them at cpu <= 20" in finding.sentence
        assert finding.sentence.endswith("upper = 0")
        assert stays(wrong)
        mended = replace(SOUND, policy=(OUT, StepPolicy("in", (Step(-1, None, 0),))))
        assert codes(mended) == []
        assert not stays(mended)

    def test_scale_out_with_bounds_below_the_threshold(self) -> None:
        wrong = replace(SOUND, policy=(StepPolicy("out", (Step(2, None, 0),)), IN))
        [finding] = lint(wrong, SERVICE)
        assert (finding.code, finding.setting) == ("steps-out-of-reach", "policy[1].steps")
        assert finding.sentence.endswith("lower = 0")
        assert simulate(wrong, SERVICE, constant(600, 1800), step_s=5).lost > 0
        mended = StepPolicy("out", (Step(2, 0, None),), warmup_s=165)
        assert codes(replace(wrong, policy=(mended, IN))) == []

    @pytest.mark.parametrize(
        ("steps", "reached"),
        [
            ((Step(-1, None, -10),), True),
            ((Step(-1, -10, 0), Step(-2, None, -10)), True),
            ((Step(-1, None, -20),), False),  # CPU is never below 0
            ((Step(1, 0, None),), False),
            ((Step(-1, None, 0), Step(1, 0, None)), True),
        ],
    )
    def test_one_that_some_value_reaches_is_enough(
        self, steps: tuple[Step, ...], reached: bool
    ) -> None:
        scaling = replace(SOUND, policy=(OUT, StepPolicy("in", steps)))
        assert ("steps-out-of-reach" not in codes(scaling)) == reached

    @pytest.mark.parametrize(("threshold", "steps"), [(0, Step(-1, 0)), (0, Step(-1, None, 0))])
    def test_of_a_metric_that_can_only_be_at_the_threshold(
        self, threshold: float, steps: Step
    ) -> None:
        alarm = replace(QUIET, metric="requests_per_target", statistic="Sum", threshold=threshold)
        scaling = replace(SOUND, policy=(OUT, StepPolicy("in", (steps,))), alarm=(BUSY, alarm))
        assert codes(scaling) == []
        assert not stays(scaling)

    def test_the_other_states_are_on_the_other_side(self) -> None:
        """Back to OK is below 70."""
        both = replace(BUSY, ok_actions=("in",))
        scaling = replace(SOUND, policy=(OUT, StepPolicy("in", (Step(-1, 0),))), alarm=(both,))
        [finding] = lint(scaling, SERVICE)
        assert "at cpu < 70" in finding.sentence
        silent = replace(both, ok_actions=(), no_data_actions=("in",))
        assert "steps-out-of-reach" not in codes(replace(scaling, alarm=(silent,)))
        far = StepPolicy("in", (Step(-1, 5),))
        [finding, *_] = lint(replace(scaling, policy=(OUT, far), alarm=(silent,)))
        assert "without data" in finding.sentence


class TestGrowthWhenIdle:
    def test_breaching_on_scale_out(self) -> None:
        busy = replace(BUSY, metric="requests", statistic="Sum", threshold=3000)
        bad = replace(busy, missing_data="breaching")
        [finding] = lint(with_alarms(bad, replace(REQUESTS, threshold=600)), SERVICE)
        assert (finding.code, finding.setting) == ("grows-when-idle", "alarm[1].missing_data")
        assert codes(with_alarms(busy, replace(REQUESTS, threshold=600))) == []

    def test_it_really_grows(self) -> None:
        bad = replace(BUSY, metric="requests", missing_data="breaching")
        scaling = replace(SOUND, policy=(OUT,), alarm=(bad,))
        result = simulate(scaling, SERVICE, constant(0, 3600), step_s=5)
        assert result.columns["desired"][-1] > 5

    def test_a_target_below_what_an_idle_service_shows(self) -> None:
        scaling = Scaling(Group(2, 10), (TargetTracking("t", 20),))
        idling = replace(SERVICE, cpu_idle_percent=21)
        [finding] = lint(scaling, idling)
        assert (finding.code, finding.setting) == ("grows-when-idle", "policy[1].target")
        assert simulate(scaling, idling, constant(0, 3600), step_s=5).columns["desired"][-1] == 10
        assert codes(scaling, replace(SERVICE, cpu_idle_percent=15)) == []


class TestFights:
    def test_one_metric_needs_no_service_to_tell(self) -> None:
        overlapping = with_alarms(BUSY, replace(QUIET, threshold=75))
        [finding] = lint(overlapping)
        assert (finding.code, finding.setting) == ("fighting-thresholds", "alarm[2].threshold")
        assert codes(with_alarms(BUSY, replace(QUIET, threshold=70)), None) == [
            "fighting-thresholds"
        ]
        touching = with_alarms(BUSY, replace(QUIET, threshold=70, comparison="<"))
        assert codes(touching, None) == []

    def test_scale_in_by_a_response_time_that_a_loaded_service_has(self) -> None:
        fast = replace(QUIET, metric="response_time", threshold=0.1)
        [finding] = lint(with_alarms(BUSY, fast), SERVICE)
        assert finding.code == "fighting-thresholds"
        assert re.search(r"the response time is \d+(\.\d+)? ms", finding.sentence)
        assert codes(with_alarms(BUSY, replace(fast, threshold=0.011))) == []

    def test_one_answers_the_other(self) -> None:
        """70 % on two instances is 47 % on three, which is below 50."""
        [finding] = lint(with_alarms(BUSY, replace(QUIET, threshold=50)), SERVICE)
        assert finding.code == "flapping"
        assert "make 3 instances of 2" in finding.sentence
        assert codes(with_alarms(BUSY, replace(QUIET, threshold=40))) == []

    def test_a_large_group_is_looked_at_in_places(self) -> None:
        large = replace(with_alarms(BUSY, replace(QUIET, threshold=69)), group=Group(1, 10_000))
        assert codes(large) == ["flapping"]

    def test_it_really_flaps(self) -> None:
        flapping = with_alarms(BUSY, replace(QUIET, threshold=50))
        assert simulate(flapping, SERVICE, constant(145, 7200), step_s=5).reversals > 5
        mended = with_alarms(BUSY, replace(QUIET, threshold=40))
        assert simulate(mended, SERVICE, constant(145, 7200), step_s=5).reversals == 0

    def test_giving_back_a_part_is_no_flapping(self) -> None:
        """70 % on two instances is 28 % on five and 35 % on four."""
        three = replace(SOUND, policy=(replace(OUT, adjust=3), IN))
        assert codes(replace(three, alarm=(BUSY, replace(QUIET, threshold=30)))) == []

    def test_a_scale_in_alarm_beside_target_tracking(self) -> None:
        tracking = TargetTracking("t", 50)
        alarm = replace(QUIET, threshold=60)
        scaling = replace(SOUND, policy=(tracking, IN), alarm=(alarm,))
        for service in (None, SERVICE):
            [finding] = lint(scaling, service)
            assert (finding.code, finding.setting) == ("fighting-thresholds", "alarm[1].threshold")
            assert "target tracking calls for more instances at > 50" in finding.sentence
        assert codes(replace(scaling, alarm=(replace(alarm, threshold=20),))) == []
        assert codes(replace(scaling, alarm=(replace(alarm, threshold=49),)), None) == []
        grown = replace(scaling, group=replace(SOUND.group, desired=8))
        assert len(simulate(grown, SERVICE, constant(420, 7200), step_s=5).activities) > 20

    def test_of_another_metric(self) -> None:
        tracking = TargetTracking("t", 3000, "requests_per_target")
        alarm = replace(QUIET, threshold=70)
        scaling = replace(SOUND, policy=(tracking, IN), alarm=(alarm,))
        [finding] = lint(scaling, SERVICE)
        assert finding.code == "fighting-thresholds"
        assert "alarm quiet takes away what target tracking adds" in finding.sentence
        assert codes(replace(scaling, alarm=(replace(alarm, threshold=20),))) == []

    def test_target_tracking_answered_by_an_alarm(self) -> None:
        """55 % on one instance is 28 % on two."""
        scaling = replace(SOUND, policy=(TargetTracking("t", 50), IN), group=Group(1, 4))
        scaling = replace(scaling, alarm=(replace(QUIET, threshold=40),))
        [finding] = lint(scaling, SERVICE)
        assert (finding.code, finding.setting) == ("flapping", "alarm[1].threshold")
        assert simulate(scaling, SERVICE, constant(55, 7200), step_s=5).reversals > 5

    def test_a_scale_out_alarm_below_the_target(self) -> None:
        scaling = replace(SOUND, policy=(OUT, TargetTracking("t", 60)), alarm=(BUSY,))
        assert codes(scaling) == []
        low = replace(scaling, alarm=(replace(BUSY, threshold=40),))
        for service in (None, SERVICE):
            [finding] = lint(low, service)
            assert (finding.code, finding.setting) == ("fighting-thresholds", "alarm[1].threshold")
        assert "target tracking calls for fewer instances at < 54" in finding.sentence
        # Which takes all such policies.
        other = TargetTracking("o", 1, "requests_per_target")
        assert codes(replace(low, policy=(*low.policy, other))) == []

    def test_target_tracking_policies_that_agree_do_not_fight(self) -> None:
        two = (TargetTracking("c", 30), TargetTracking("r", 5000, "requests_per_target"))
        assert codes(Scaling(Group(1, 10), two)) == []

    def test_one_that_may_not_scale_in_is_not_asked(self) -> None:
        """442 requests/s are 50 each for nine instances, and 65 % CPU for seven."""
        strict = TargetTracking("r", 3000, "requests_per_target", scale_in=False)
        scaling = Scaling(Group(1, 10, desired=9), (TargetTracking("c", 65), strict))
        [finding] = lint(scaling, SERVICE)
        assert (finding.code, finding.setting) == ("flapping", "policy[2].scale_in")
        assert simulate(scaling, SERVICE, constant(442, 7200), step_s=5).reversals > 5
        mended = replace(scaling, policy=(scaling.policy[0], replace(strict, scale_in=True)))
        assert codes(mended) == []
        loose = replace(strict, target=5900)
        assert codes(replace(scaling, policy=(scaling.policy[0], loose))) == []

    def test_steps_that_do_nothing_at_once_do_not_fight(self) -> None:
        """Both ring from 30 to 40 %, and the steps of scale-in begin at 20."""
        back = StepPolicy("in", (Step(-1, None, -20),))
        alarms = (replace(BUSY, threshold=30), replace(QUIET, threshold=40))
        scaling = replace(SOUND, policy=(OUT, back), alarm=alarms, group=Group(4, 10))
        assert codes(scaling) == []

    def test_two_alarms_of_step_policies(self) -> None:
        out = StepPolicy("out", (Step(2, 0),), warmup_s=180)
        back = StepPolicy("in", (Step(-1, None, 0),), warmup_s=180)
        steps = replace(SOUND, policy=(out, back))
        assert codes(steps) == []
        bad = replace(steps, alarm=(BUSY, replace(QUIET, threshold=72)))
        assert codes(bad) == ["fighting-thresholds"]


class TestWaits:
    def test_a_cooldown_shorter_than_the_boot(self) -> None:
        assert codes(with_group(cooldown_s=59)) == ["cooldown-shorter-than-boot"]
        assert codes(with_group(cooldown_s=60)) == []
        own = replace(SOUND, policy=(replace(OUT, cooldown_s=30), IN))
        [finding] = lint(own, SERVICE)
        assert finding.setting == "policy[1].cooldown_s"
        # Taking away does not wait for a boot.
        assert codes(replace(SOUND, policy=(OUT, replace(IN, cooldown_s=0)))) == []

    def test_a_warmup_shorter_than_the_rest_of_the_boot(self) -> None:
        tracking = TargetTracking("t", 60, warmup_s=164)
        scaling = replace(SOUND, policy=(tracking,), alarm=())
        assert codes(scaling) == ["warmup-shorter-than-boot"]
        assert codes(replace(scaling, policy=(replace(tracking, warmup_s=165),))) == []

    def test_a_step_policy_that_takes_away_waits_for_no_boot(self) -> None:
        out = StepPolicy("out", (Step(1, 0, None),), warmup_s=300)
        back = StepPolicy("in", (Step(-1, None, 0),))
        scaling = replace(with_group(cooldown_s=60), policy=(out, back))
        assert codes(scaling) == []
        [finding] = lint(replace(scaling, policy=(replace(out, warmup_s=None), back)), SERVICE)
        assert (finding.code, finding.setting) == (
            "warmup-shorter-than-boot",
            "policy[1].warmup_s",
        )

    @pytest.mark.parametrize("seed", range(3))
    def test_it_really_overshoots(self, seed: int) -> None:
        """150 requests/s at 40 for each instance take four."""
        service = ServiceModel(capacity_rps=200, base_ms=4)
        tracking = TargetTracking("t", 2400, "requests_per_target", warmup_s=60)
        scaling = Scaling(Group(min=2, max=10), (tracking,))
        load = constant(150, 1200)
        assert max(simulate(scaling, service, load, seed=seed).columns["desired"]) > 4
        mended = replace(scaling, policy=(replace(tracking, warmup_s=165),))
        assert max(simulate(mended, service, load, seed=seed).columns["desired"]) == 4

    def test_a_grace_shorter_than_the_rest_of_the_boot(self) -> None:
        slow = replace(SERVICE, boot_s=140)
        assert codes(with_group(health_check_grace_s=124), slow) == ["grace-shorter-than-boot"]
        assert codes(with_group(health_check_grace_s=125), slow) == []
        hooked = replace(slow, pending_s=140)
        assert codes(with_group(health_check_grace_s=0), hooked) == []


class TestSizes:
    def test_scale_in_without_drain(self) -> None:
        assert codes(SOUND, replace(SERVICE, deregistration_delay_s=0)) == [
            "scale-in-without-drain"
        ]
        assert codes(with_group(drain_s=0)) == ["scale-in-without-drain"]

    def test_min_is_max(self) -> None:
        assert "fixed-size" in codes(with_group(min=3, max=3))
        assert codes(Scaling(Group(min=3, max=3))) == []

    def test_one_way(self) -> None:
        assert codes(replace(SOUND, policy=(OUT,), alarm=(BUSY,))) == ["one-way"]
        assert codes(replace(SOUND, policy=(IN,), alarm=(QUIET,))) == ["one-way"]
        only_out = TargetTracking("t", 60, scale_in=False)
        assert codes(replace(SOUND, policy=(only_out,), alarm=())) == ["one-way"]


class TestSchedules:
    """They set limits, and capacity, as the group and its policies do."""

    DAY = Schedule("day", cron=DAILY, max=10)
    NIGHT = Schedule("night", cron="0 20 * * *", min=2, max=2, desired=2)
    OUT_ALONE = Scaling(Group(2, 2), (OUT,), (BUSY,))

    def test_limits_that_they_widen_are_not_fixed(self) -> None:
        assert codes(replace(self.OUT_ALONE, schedule=(self.DAY, self.NIGHT))) == []
        same = replace(self.NIGHT, name="same")
        assert "fixed-size" in codes(replace(self.OUT_ALONE, schedule=(self.NIGHT, same)))

    @pytest.mark.parametrize(
        ("schedule", "found"),
        [
            (Schedule("s", cron=DAILY, max=2), []),
            (Schedule("s", cron=DAILY, max=9), []),
            (Schedule("s", cron=DAILY, desired=9), []),
            (Schedule("s", cron=DAILY, max=10), ["one-way"]),
            (Schedule("s", cron=DAILY, desired=10), ["one-way"]),
            (Schedule("s", cron=DAILY, min=2), ["one-way"]),
            (Schedule("s", cron=DAILY, min=8), ["one-way"]),
        ],
    )
    def test_what_lowers_max_or_desired_takes_away(
        self, schedule: Schedule, found: list[str]
    ) -> None:
        assert codes(replace(self.OUT_ALONE, group=Group(2, 10), schedule=(schedule,))) == found

    @pytest.mark.parametrize(
        ("schedule", "found"),
        [
            (Schedule("s", cron=DAILY, min=3), []),
            (Schedule("s", cron=DAILY, desired=3), []),
            (Schedule("s", cron=DAILY, min=2), ["one-way"]),
            (Schedule("s", cron=DAILY, max=10), ["one-way"]),
        ],
    )
    def test_what_raises_min_or_desired_adds(self, schedule: Schedule, found: list[str]) -> None:
        only_in = replace(SOUND, policy=(IN,), alarm=(QUIET,), schedule=(schedule,))
        assert codes(only_in) == found

    def test_what_takes_away_needs_a_drain(self) -> None:
        hasty = replace(self.OUT_ALONE, group=Group(2, 10, drain_s=0))
        assert "scale-in-without-drain" not in codes(hasty)
        assert codes(replace(hasty, schedule=(self.NIGHT,))) == ["scale-in-without-drain"]

    def test_what_fights_in_the_limits_of_a_day_is_found(self) -> None:
        flapping = replace(with_alarms(BUSY, replace(QUIET, threshold=50)), group=Group(2, 2))
        assert codes(replace(flapping, schedule=(self.DAY,))) == ["flapping"]

    def test_the_smallest_group_must_reach_the_threshold(self) -> None:
        busy = replace(BUSY, metric="requests", statistic="Sum", threshold=12_001)
        scaling = replace(with_alarms(busy, REQUESTS), group=Group(3, 10))
        assert codes(scaling) == []
        assert codes(replace(scaling, schedule=(self.NIGHT,))) == ["target-above-capacity"]


class TestCapacity:
    @pytest.mark.parametrize(
        ("metric", "bad", "good"), [("requests_per_target", 6000, 5999), ("cpu", 90, 89)]
    )
    def test_a_target_that_a_full_instance_does_not_pass(
        self, metric: Any, bad: float, good: float
    ) -> None:
        service = replace(SERVICE, cpu_full_percent=90)
        tracking = TargetTracking("t", bad, metric)
        scaling = replace(SOUND, policy=(tracking,), alarm=())
        assert codes(scaling, service) == ["target-above-capacity"]
        assert codes(replace(scaling, policy=(replace(tracking, target=good),)), service) == []

    def test_a_threshold_that_the_full_group_does_not_reach(self) -> None:
        busy = replace(BUSY, metric="requests", statistic="Sum", threshold=12_001)
        scaling = with_alarms(busy, REQUESTS)
        [finding] = lint(scaling, SERVICE)
        assert (finding.code, finding.setting) == ("target-above-capacity", "alarm[1].threshold")
        assert codes(with_alarms(replace(busy, threshold=12_000), REQUESTS)) == []

    def test_a_response_time_grows_with_the_queue(self) -> None:
        slow = replace(BUSY, metric="response_time", threshold=5)
        assert codes(with_alarms(slow, QUIET)) == []

    def test_a_group_that_cannot_grow_has_another_mistake(self) -> None:
        scaling = with_alarms(replace(BUSY, threshold=101), QUIET)
        fixed = replace(scaling, group=Group(min=2, max=2))
        assert codes(fixed) == ["fixed-size"]

    def test_requests_really_are_lost(self) -> None:
        busy = replace(BUSY, metric="requests", statistic="Sum", threshold=30_001)
        result = simulate(with_alarms(busy, REQUESTS), SERVICE, constant(500, 1800), step_s=5)
        assert result.lost > result.requests / 2


class TestAlarms:
    def test_without_an_action(self) -> None:
        silent = replace(BUSY, name="silent", actions=())
        assert codes(with_alarms(BUSY, QUIET, silent)) == ["alarm-without-action"]
        heard = replace(silent, ok_actions=("topic",))
        assert codes(with_alarms(BUSY, QUIET, heard)) == []

    def test_too_few_samples_for_a_percentile(self) -> None:
        p99 = Alarm("slow", "response_time", 1, statistic="p99", actions=("topic",))
        scaling = with_alarms(BUSY, QUIET, p99)
        assert codes(scaling, trace=constant(16, 600)) == ["too-few-samples"]
        assert codes(scaling, trace=constant(17, 600)) == []
        assert codes(scaling, replace(SERVICE, capacity_rps=8)) == ["too-few-samples"]
        assert codes(scaling, None) == []

    def test_a_period_shorter_than_the_minute_of_the_metric(self) -> None:
        short = Alarm("short", "requests", 9, statistic="Sum", period_s=10, actions=("topic",))
        assert codes(with_alarms(BUSY, QUIET, short)) == ["period-too-short"]
        own = replace(short, metric=Metric("Likes", "Queue"))
        assert codes(with_alarms(BUSY, QUIET, own)) == ["not-simulated"]

    def test_what_a_simulation_has_no_data_of_is_a_note(self) -> None:
        own = Alarm("own", Metric("Likes", "Queue"), 9, actions=("topic",))
        [finding] = lint(with_alarms(BUSY, QUIET, own), SERVICE)
        assert (finding.code, finding.severity) == ("not-simulated", "note")
        known = replace(own, metric=Metric("AWS/ApplicationELB", "RequestCount"))
        assert codes(with_alarms(BUSY, QUIET, known)) == []


def test_errors_come_first() -> None:
    scaling = with_alarms(BUSY, replace(REQUESTS, missing_data="ignore"))
    findings = lint(replace(scaling, group=replace(SOUND.group, cooldown_s=1)), SERVICE)
    assert [finding.severity for finding in findings] == ["error", "warning"]


def test_each_code_is_explained() -> None:
    """And nothing is explained that is not there."""
    text = (ROOT / "docs" / "autoscaling.md").read_text()
    section = text[text.index("## What the lint finds") :]
    assert set(re.findall(r"^### ([a-z-]+)$", section, re.MULTILINE)) == set(get_args(Code))


def test_a_finding_says_where_it_is_explained() -> None:
    finding = Finding("flapping", "error", "alarm[2].threshold", "is 3; choose 2")
    assert str(finding) == "error: alarm[2].threshold is 3; choose 2 [flapping]"
    assert finding.why == "docs/autoscaling.md#flapping"
