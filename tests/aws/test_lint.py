"""The lint: each mistake is found, and is not found once it is mended."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

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
    with_alarms,
    with_group,
)

from loadcore_aws.autoscaling import (
    Alarm,
    Group,
    Metric,
    Scaling,
    Schedule,
    ServiceModel,
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
        known = Metric("AWS/ApplicationELB", "TargetResponseTime")
        assert codes(with_alarms(BUSY, QUIET, replace(own, metric=known))) == []

    @pytest.mark.parametrize("statistic", ["Average", "Minimum", "Maximum", "p99"])
    @pytest.mark.parametrize("metric", ["requests", "requests_per_target", "5xx"])
    def test_a_count_that_is_not_summed(self, metric: str, statistic: str) -> None:
        alarm = Alarm("count", metric, 100, statistic=statistic, actions=("topic",))
        [finding] = [f for f in lint(with_alarms(BUSY, QUIET, alarm)) if f.severity == "error"]
        assert (finding.code, finding.setting) == ("count-not-summed", "alarm[3].statistic")
        for sound in ("", "Sum"):
            mended = with_alarms(BUSY, QUIET, replace(alarm, statistic=sound))
            assert [f for f in lint(mended) if f.severity == "error"] == []

    def test_a_count_by_its_full_name_is_averaged_unless_told(self) -> None:
        count = Metric("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count")
        alarm = Alarm("errors", count, 10, actions=("topic",))
        assert "count-not-summed" in codes(with_alarms(BUSY, QUIET, alarm))
        summed = replace(alarm, statistic="SampleCount")
        assert "count-not-summed" not in codes(with_alarms(BUSY, QUIET, summed))

    def test_the_thresholds_of_counts_are_compared_without_a_statistic(self) -> None:
        busy = replace(BUSY, metric="requests", threshold=12_001)
        quiet = replace(QUIET, metric="requests", threshold=1200)
        assert codes(with_alarms(busy, quiet)) == ["target-above-capacity"]
        fighting = with_alarms(replace(busy, threshold=1000), quiet)
        assert "fighting-thresholds" in codes(fighting, None)
        given = with_alarms(replace(busy, threshold=1000), replace(quiet, statistic="Sum"))
        assert "fighting-thresholds" in codes(given, None)


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
