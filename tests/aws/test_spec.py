"""STACK.toml: what is read, and that all that is wrong with it is told at once, with its lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

import loadcore as lc
from loadcore_aws._faults import SpecError
from loadcore_aws._toml import line_numbers
from loadcore_aws.autoscaling.spec import Alarm, Group, Metric, Schedule, Simple, Step, StepPolicy
from loadcore_aws.stack import spec

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """\
name = "likes"
region = "eu-central-1"

[package]
file = "dist/loadcore.whl"
"""

WHOLE = (
    SMALL
    + """
[tags]
team = "platform"
"cost centre" = "17"

[group]
min = 2
max = 10
cooldown_s = 300

[[policy]]
name = "out"
kind = "simple"
adjust = 1

[[policy]]
name = "far-out"
kind = "step"
by = "percent"
min_magnitude = 2
steps = [{ adjust = 10, lower = 0, upper = 20 }, { adjust = 30, lower = 20 }]

[[alarm]]
name = "busy"
metric = "requests"
statistic = "Sum"
threshold = 200
missing_data = "notBreaching"
actions = ["out", "far-out"]

[[alarm]]
name = "queue"
metric = { namespace = "AWS/SQS", name = "Depth", dimensions = { QueueName = "q" } }
threshold = 1.5
"""
)


def written(folder: Path, text: str) -> Path:
    path = folder / "STACK.toml"
    path.write_text(text)
    return path


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        spec.read(written(folder, text))
    return [str(fault) for fault in caught.value.faults]


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    stack = spec.read(written(tmp_path, SMALL))
    assert stack.package == spec.Package(str(tmp_path / "dist/loadcore.whl"))


def test_every_table_becomes_its_value(tmp_path: Path) -> None:
    stack = spec.read(written(tmp_path, WHOLE))
    assert stack.tags == {"team": "platform", "cost centre": "17"}
    assert stack.group == Group(min=2, max=10, cooldown_s=300)
    steps = (Step(10, 0.0, 20.0), Step(30, 20.0))
    assert stack.policy == (
        Simple("out", 1),
        StepPolicy("far-out", steps, by="percent", min_magnitude=2),
    )
    busy, queue = stack.alarm
    assert busy == Alarm(
        "busy", "requests", 200.0, statistic="Sum", missing_data="notBreaching",
        actions=("out", "far-out"),
    )  # fmt: skip
    assert queue.metric == Metric("AWS/SQS", "Depth", {"QueueName": "q"})


def test_all_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
name = "Likes"
region = "Frankfurt"
colour = "red"
[package]
file = "loadcore.zip"
[network]
nat = true
[group]
min = 3
max = 2
mim = 1
[balancer.health]
timeout_s = 10
interval_s = 10
[[alarm]]
name = "a"
metric = "cpu"
threshold = "high"
[[alarm]]
name = "b"
metric = "cpus"
threshold = 1
"""
    assert sorted(faults(tmp_path, text), key=lambda fault: int(fault.split(":")[0][5:])) == [
        "line 1: name is 'Likes'; take 2 to 16 of a-z, 0-9 and -, a letter first",
        "line 2: region is 'Frankfurt'; give one such as eu-central-1",
        "line 3: colour is not known here; known: " + ", ".join(spec.Stack.__dataclass_fields__),
        "line 5: package.file is 'loadcore.zip'; give a .whl or an .rpm",
        'line 7: network.nat needs kind = "own": the default VPC has no private subnets',
        "line 10: group.max is 2, below min, 3",
        "line 11: group.mim is not known here; did you mean min?",
        "line 13: balancer.health.timeout_s must be below interval_s",
        "line 18: alarm[1].threshold is 'high'; give a number",
        "line 21: alarm[2].metric is 'cpus'; take one of cpu, requests, requests_per_target, "
        "response_time, healthy_hosts, 5xx, or give a table with namespace, name and dimensions",
    ]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("[containers]", "line 4: package is for instances; [containers] run an image instead"),
        (
            '[[alarm]]\nname = "a"\nmetric = "cpu"\nthreshold = 1\nactions = ["topic"]',
            "line 10: alarm[1].actions names topic, and there is no [topic]",
        ),
        (
            '[[policy]]\nname = "p"\nkind = "simple"\nadjust = 1',
            "line 7: policy[1].name 'p' is no alarm's action: name it in one, or leave the policy "
            "out",
        ),
        (
            '[[alarm]]\nname = "a"\nmetric = "cpu"\nthreshold = 1\nactions = ["up"]',
            "line 10: alarm[1].actions names 'up', which is no simple or step policy of this file, "
            "not topic and no ARN",
        ),
        (
            '[[policy]]\nname = "p"\nkind = "often"',
            "line 8: policy[1].kind is 'often'; take one of simple, step, target",
        ),
        (
            "[group]\nhealth_check_grace_s = 5",
            "line 7: group.health_check_grace_s is shorter than the balancer takes to call",
        ),
        (
            "[group]\nhealth_check_grace_s = 139",
            "line 7: group.health_check_grace_s is shorter than an instance may take that is set "
            "up at its first boot: once all is installed 120 s for the service to become healthy, "
            "and 20 s for the balancer to see it; set 300, or bake = true in [instances]",
        ),
        ("[logs]\nretention_days = 10", "line 7: logs.retention_days is 10; the nearest that"),
        ('[access]\nssh = ["0.0.0.0/0"]', "line 7: access.ssh is open to the whole Internet"),
        ("[group]\nmin = true", "line 7: group.min is True; give a whole number"),
        ("[instances]\nmixed = {}", "line 7: instances.mixed.types is missing"),
        (
            '[[policy]]\nname = "p"\nkind = ["target"]\ntarget = 60',
            "line 8: policy[1].kind is ['target']; take one of simple, step, target",
        ),
        (
            '[[policy]]\nname = "p"\nkind = "target"\ntarget = 1e-320',
            "line 9: policy[1].target is 9.99989e-321; give 0, or a size from 4e-109 to 2e+108",
        ),
        (
            '[[alarm]]\nname = "a"\nmetric = "cpu"\nthreshold = nan',
            "line 9: alarm[1].threshold is nan; give a finite number",
        ),
        (f"[group]\nmax = {1 << 63}", "line 7: group.max does not fit into 64 bits"),
        (f"[group]\nmax = 0x{'f' * 6000}", "line 7: group.max does not fit into 64 bits"),
        (f"[tags]\na = [0x{'f' * 6000}]", "line 7: tags.a is a number without end; give a text"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, more: str, fault: str) -> None:
    told = faults(tmp_path, SMALL + more)
    assert len(told) == 1
    assert told[0].startswith(fault)


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ((), "steps is empty; give at least one"),
        ((Step(1, 0, 10), Step(2, 5)), "steps overlap between 10 and 5"),
        ((Step(1, 0, 10), Step(2, 20)), "steps leave a gap between 10 and 20"),
        ((Step(1, 5, 5),), "steps have one from 5 to 5, which is empty"),
    ],
)
def test_steps_as_auto_scaling_takes_them(steps: tuple[Step, ...], fault: str) -> None:
    assert [str(each) for each in StepPolicy("p", steps).faults()] == [fault]


@pytest.mark.parametrize(
    ("time", "fault"),
    [
        ('cron = "bogus"', "line 8: schedule[1].cron is 'bogus', which has not 5 fields; give"),
        ('cron = "0 0 8 * * *"', "line 8: schedule[1].cron is '0 0 8 * * *', which has not 5"),
        ('cron = "61 * * * *"', "line 8: schedule[1].cron is '61 * * * *', which is no cron"),
        ('cron = "0 0 30 2 *"', "line 8: schedule[1].cron is '0 0 30 2 *', which is no cron"),
        (
            'cron = "0 8 * * 1-5"\ntime_zone = "Mars/X"',
            "line 9: schedule[1].time_zone is 'Mars/X', which is no zone; name one such as",
        ),
        ('cron = "0 8 * * 1-5"\ntime_zone = "Europe"', "line 9: schedule[1].time_zone is"),
        ('cron = "0 8 * * 1-5"\ntime_zone = "../UTC"', "line 9: schedule[1].time_zone is"),
    ],
)
def test_times_that_auto_scaling_does_not_take(tmp_path: Path, time: str, fault: str) -> None:
    [told] = faults(tmp_path, f'{SMALL}[[schedule]]\nname = "day"\n{time}\nmin = 1\n')
    assert told.startswith(fault)


def test_times_that_auto_scaling_takes(tmp_path: Path) -> None:
    time = 'cron = " 0 8-18/2 * JAN,jun MON-FRI"\ntime_zone = "Europe/Berlin"'
    text = f'{SMALL}[[schedule]]\nname = "day"\n{time}\nmin = 1\n'
    [schedule] = spec.read(written(tmp_path, text)).schedule
    assert schedule.time_zone == "Europe/Berlin"


@pytest.mark.parametrize(
    "more",
    [
        "",
        "[group]\nhealth_check_grace_s = 140",
        "[group]\nhealth_check_grace_s = 60\n[instances]\nbake = true",
    ],
    ids=["default", "as long as a boot may take", "baked"],
)
def test_a_grace_that_covers_the_boot_is_taken(tmp_path: Path, more: str) -> None:
    spec.read(written(tmp_path, SMALL + more))


def test_a_value_made_in_python_is_checked_too() -> None:
    stack = spec.Stack("likes", "eu-central-1", spec.Package("a.whl"), group=Group(min=5, max=1))
    with pytest.raises(lc.PlanError, match=r"stack likes: group.max is 1, below min, 5"):
        spec.check(stack)


@pytest.mark.parametrize("number", [math.nan, -math.inf, 1e300, 1 << 80])
def test_a_number_made_in_python_is_checked_too(number: float) -> None:
    """Before anything else, which would calculate with it."""
    steps = StepPolicy("Two Words", (Step(1, 0.0, number), Step(2, number)))
    stack = spec.Stack("likes", "eu-central-1", spec.Package("a.whl"), policy=(steps,))
    with pytest.raises(SpecError) as caught:
        spec.check(stack)
    settings = [fault.setting for fault in caught.value.faults]
    assert settings == ["policy[1].steps[1].upper", "policy[1].steps[2].lower"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = [", "is not valid TOML"),
        (f"a = {'9' * 6000}", "holds a whole number of more than 64 bits"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "missing" if text is None else written(tmp_path, text)
    with pytest.raises(lc.PlanError, match=sentence):
        spec.read(path)


def test_lines_of_tables_in_lists() -> None:
    lines = line_numbers('a.b = 1\n[[x]]\n[[x]]\n"k k" = 2\n[x.y]\nz = 3\n')
    assert lines == {
        ("a", "b"): 1,
        ("x", 0): 2,
        ("x", 1): 3,
        ("x", 1, "k k"): 4,
        ("x", 1, "y"): 5,
        ("x", 1, "y", "z"): 6,
    }


def test_a_group_has_a_size_that_can_be_meant() -> None:
    (fault,) = Group(max=10_001).faults()
    assert (fault.where, fault.sentence) == (("max",), "is 10001; give 10000 at most")
    assert not list(Group(max=10_000).faults())
    night = Schedule("night", cron="0 20 * * *", max=10**12)
    assert [fault.where for fault in night.faults()] == [("max",)]
