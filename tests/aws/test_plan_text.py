"""A plan, its cost and its progress as lines."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from loadcore_aws.cli._cost_text import cost_lines
from loadcore_aws.cli._progress import Progress
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.plan import Change, Plan, Reason
from loadcore_aws.stack.plan_text import VALUE_CHARS_MAX, parts, plan_dict, plan_lines, text
from loadcore_aws.stack.prices import ByUse, Cost, Line, Span
from loadcore_aws.stack.progress import Event
from loadcore_aws.stack.resource import Found, Ref, Resource
from loadcore_aws.stack.spec import Package, Stack

OWNER = Owner("likes", "eu-central-1", "123456789012")


def plan_of(*changes: Change) -> Plan:
    return Plan(Stack("likes", "eu-central-1", Package("a.whl")), OWNER, None, changes)


def subnet(name: str = "public-a") -> tuple[Resource, Found]:
    address = f"subnet-{name}"
    return Resource("subnet", name, {}), Found("subnet", name, address, {})


def lines(plan: Plan) -> list[str]:
    out = io.StringIO()
    for line in plan_lines(plan):
        Console(file=out, width=200, highlight=False).print(line)
    return out.getvalue().splitlines()


def test_a_replacement_says_what_forces_it() -> None:
    wanted, found = subnet()
    reasons = (Reason("cidr", "10.0.0.0/24", "10.0.1.0/24"), Reason("public", True, False))
    change = Change(wanted.address, "replace", wanted, found, reasons, surplus=(found,))
    assert lines(plan_of(change))[2:] == [
        "-/+ subnet.public-a",
        "      cidr: 10.0.0.0/24 → 10.0.1.0/24  (cannot be changed in place)",
        "      public: true → false",
        "",
        "1 to replace",
    ]


def test_what_is_there_twice_and_what_goes() -> None:
    wanted, found = subnet()
    _, other = subnet("old")
    keep = Change(wanted.address, "keep", wanted, found, surplus=(other,))
    gone = Change("subnet.old", "delete", None, other, surplus=(other,))
    said = lines(plan_of(keep, gone))
    assert "  - subnet.public-a, which is there twice: subnet-old" in said
    assert said.count("  - subnet.old") == 1
    assert said[-1] == "1 to remove, 1 to keep as they are"


def test_brackets_of_values_are_no_markup() -> None:
    wanted, found = subnet()
    reason = Reason("tags", {"a": "[red]x[/]"}, {"a": "[/]"})
    change = Change(wanted.address, "update", wanted, found, (reason,))
    assert "      tags.a: [red]x[/] → [/]" in lines(plan_of(change))


def test_a_plan_shows_itself_as_text_and_as_a_table() -> None:
    wanted, found = subnet()
    reason = Reason("tags", {"a": "<b>"}, {"a": "[/]"})
    made = plan_of(
        Change(wanted.address, "update", wanted, found, (reason,)),
        Change("subnet.kept", "keep", None, found),
    )
    assert str(made).splitlines() == lines(made)
    table = made._repr_html_()
    assert table.count("<tr>") == 1
    assert ">subnet.public-a<" in table
    assert "tags.a: &lt;b&gt; → [/]" in table
    assert "1 to change, 1 to keep as they are" in table


SECRETS = {"API_KEY": "old-secret", "GONE": "gone-secret", "SAME": "same-secret"}
WANTED = {"API_KEY": "new-secret", "ADDED": "added-secret", "SAME": "same-secret"}


@pytest.mark.parametrize(
    ("reason", "where"),
    [
        (Reason("environment", SECRETS, WANTED), "environment"),
        (
            Reason(
                "plan",
                {"port": 80, "environment": SECRETS},
                {"port": 80, "environment": {**WANTED, "HOST": Ref("database.main", "host")}},
            ),
            "plan.environment",
        ),
    ],
)
def test_values_of_an_environment_are_never_shown(reason: Reason, where: str) -> None:
    wanted, found = subnet()
    made = plan_of(Change(wanted.address, "replace", wanted, found, (reason,), surplus=(found,)))
    said = lines(made)
    assert f"      {where}.ADDED: none → (not shown)" in said
    assert f"      {where}.API_KEY: (not shown) → (changed, not shown)" in said
    assert f"      {where}.GONE: (not shown) → none" in said
    assert f"{where}.SAME" not in str(said), "it is the same"
    told = json.dumps(plan_dict(made))
    assert "API_KEY" in told
    for out in (str(said), str(made), made._repr_html_(), told):
        assert "secret" not in out


@pytest.mark.parametrize("pair", [(None, WANTED), (SECRETS, None), ("edited-secret", WANTED)])
def test_an_environment_that_comes_or_goes_as_a_whole_is_not_shown(pair: tuple[Any, Any]) -> None:
    wanted, found = subnet()
    reasons = (Reason("environment", *pair), Reason("plan", *({"environment": e} for e in pair)))
    made = plan_of(Change(wanted.address, "update", wanted, found, reasons))
    assert "secret" not in str(made) + made._repr_html_() + json.dumps(plan_dict(made))


def test_a_tag_named_environment_is_shown() -> None:
    wanted, found = subnet()
    reason = Reason("tags", {"environment": "test"}, {"environment": "live"})
    made = plan_of(Change(wanted.address, "update", wanted, found, (reason,)))
    assert "      tags.environment: test → live" in lines(made)


def test_only_what_differs_in_a_table_is_shown() -> None:
    had = {"same": 1, "deep": {"a": 1, "b": 2}, "gone": 3}
    wanted = {"same": 1, "deep": {"a": 1, "b": 5}, "new": 4}
    assert list(parts("plan", had, wanted)) == [
        ("plan.deep.b", 2, 5),
        ("plan.gone", 3, None),
        ("plan.new", None, 4),
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "none"),
        ("", "none"),
        (0, "0"),
        (False, "false"),
        (["a", 1], '["a", 1]'),
        (Ref("vpc.main"), "${vpc.main.id}"),
        ([Ref("alarm.x", "arn")], '["${alarm.x.arn}"]'),
        ("two\nlines", "two lines"),
    ],
)
def test_values_are_short_and_on_one_line(value: Any, shown: str) -> None:
    assert text(value) == shown
    assert len(text("x" * 500)) == VALUE_CHARS_MAX


def test_json_has_every_reason() -> None:
    wanted, found = subnet()
    change = Change(wanted.address, "update", wanted, found, (Reason("vpc", "a", Ref("vpc.main")),))
    told = json.loads(json.dumps(plan_dict(plan_of(change))))
    assert told["changes"] == [
        {
            "address": "subnet.public-a",
            "action": "update",
            "id": "subnet-public-a",
            "reasons": [{"setting": "vpc", "had": "a", "wanted": "${vpc.main.id}"}],
            "surplus": [],
        }
    ]


def cost_of(sizes: Span, *more: Line) -> list[str]:
    known = Line("instances", sizes, "instance", 0.1)
    cost = Cost("eu-central-1", "2025-03-02", sizes, (known, *more), (ByUse("logs", "GB", None),))
    return [line.replace("[bold]", "").replace("[dim]", "") for line in cost_lines(cost)]


def test_costs_have_a_column_for_each_size_that_differs() -> None:
    assert cost_of(Span(1, 3, 5))[1].split() == ["1", "(min)", "3", "(desired)", "5", "(max)[/]"]
    assert cost_of(Span(2, 2, 2))[1].split() == ["2", "(min)[/]"]
    assert cost_of(Span(1, 1, 5))[2].split() == ["instances", "0.1000", "0.5000"]


def test_an_unknown_price_makes_the_sum_a_least_one() -> None:
    said = cost_of(Span(1, 1, 1), Line("gold", Span.flat(1), "bar", None))
    assert said[3].split() == ["gold", "unknown"]
    assert said[4].startswith("at least an hour")
    assert "unknown, and in no sum: gold" in said
    assert said[-1] == "and by use: logs unknown per GB"


def test_elsewhere_than_on_a_terminal_each_event_is_a_line_and_waiting_is_told_once() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=40), now=lambda: 0.0) as progress:
        for event in (
            Event("a.b", "begin"),
            Event("a.b", "waiting", "1 of 2 healthy", 1.0),
            Event("a.b", "waiting", "1 of 2 healthy", 2.0),
            Event("a.b", "waiting", "2 of 2 healthy", 3.0),
            Event("a.b", "done", "created", 4.2),
            Event("c.d", "begin"),
            Event("c.d", "failed", "a long story"),
            Event("e.f", "skipped", "needs c.d"),
        ):
            progress(event)
    assert out.getvalue().splitlines() == [
        "  a.b: begins",
        "  a.b: 1 of 2 healthy",
        "  a.b: 2 of 2 healthy",
        "✓ a.b: created (4 s)",
        "  c.d: begins",
        "✗ c.d: failed",
        "· e.f: needs c.d",
    ]


STOPPABLE = """
import os, signal, sys, time
from rich.console import Console
from loadcore_aws.cli._progress import Progress, stoppable

with Progress(Console(), time.monotonic) as progress:
    before = signal.getsignal(signal.SIGINT)
    with stoppable(progress, lambda lines: print(*lines)) as stop:
        for number in sys.argv[1:]:
            os.kill(os.getpid(), int(number))
        print("stopped" if stop.is_set() else "goes on")
    print("as before" if signal.getsignal(signal.SIGINT) is before else "changed")
"""


@pytest.mark.parametrize(
    ("signals", "code", "said"),
    [
        ((), 0, ["goes on", "as before"]),
        ((signal.SIGTERM,), 0, ["stopped", "as before"]),
        ((signal.SIGINT,), 0, ["stopped", "as before"]),
        ((signal.SIGINT, signal.SIGINT), 130, []),
    ],
)
def test_the_first_signal_stops_in_order_and_the_second_at_once(
    signals: tuple[int, ...], code: int, said: list[str]
) -> None:
    command = [sys.executable, "-u", "-c", STOPPABLE, *(str(int(each)) for each in signals)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, "")
    lines = done.stdout.splitlines()
    assert ("Stopping: nothing new begins" in done.stdout) == bool(signals)
    assert lines[len(lines) - len(said) :] == said
