"""Scale-out and scale-in that undo each other: found by the lint, and seen in the simulator."""

from __future__ import annotations

import re
from dataclasses import replace

from scaling_setups import BUSY, IN, OUT, QUIET, SERVICE, SOUND, codes, with_alarms

from loadcore_aws.autoscaling import (
    Group,
    Scaling,
    Step,
    StepPolicy,
    TargetTracking,
    constant,
    lint,
    simulate,
)


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

    def test_giving_back_all_one_by_one_is(self) -> None:
        """75 % on one instance is 26 % on three and 38 % on two."""
        two = replace(SOUND, policy=(replace(OUT, adjust=2), IN), group=Group(1, 10, cooldown_s=90))
        flapping = replace(two, alarm=(BUSY, replace(QUIET, threshold=45)))
        [finding] = lint(flapping, SERVICE)
        assert finding.code == "flapping"
        assert "make 3 instances of 1, and those 1 again: on 2 cpu is" in finding.sentence
        assert simulate(flapping, SERVICE, constant(75, 7200), step_s=5).reversals > 5
        assert codes(replace(two, alarm=(BUSY, replace(QUIET, threshold=35)))) == []

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
