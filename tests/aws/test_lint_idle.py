"""What the lint finds of an hour without traffic, and that the simulator agrees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scaling_setups import (
    BUSY,
    IN,
    OUT,
    QUIET,
    REQUESTS,
    SERVICE,
    SOUND,
    codes,
    stays,
    with_alarms,
)

from loadcore_aws.autoscaling import (
    Group,
    Metric,
    Scaling,
    Step,
    StepPolicy,
    TargetTracking,
    constant,
    lint,
    simulate,
)


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
