"""The engine of a stack on a make-believe AWS: whatever goes wrong at whichever call, one more
command reaches the goal, nothing is made twice and nothing is left."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_aws import FAULTS, PretendAws, PretendKind

import loadcore as lc
from loadcore_aws.stack import converge, find, removal
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.plan import Plan, planned
from loadcore_aws.stack.progress import Event, Outcome
from loadcore_aws.stack.resource import Found, Ref, Resource
from loadcore_aws.stack.spec import Package, Stack

OWNER = Owner("demo", "eu-central-1", "123456789012")
STACK = Stack("demo", "eu-central-1", Package("a.whl"))
KIND = PretendKind()


@pytest.fixture(autouse=True)
def only_the_pretend_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_NAME, KIND.name, KIND)
    monkeypatch.setattr(removal, "RANKS", ((KIND.name,),))
    monkeypatch.setattr(find.everything, "__defaults__", ((KIND,),))


def thing(name: str, *uses: str, size: int = 1, shape: str = "round") -> Resource:
    refs = [Ref(f"thing.{each}") for each in uses]
    return Resource("thing", name, {"size": size, "shape": shape, "uses": refs})


def plan_of(aws: Any, resources: list[Resource], stack: Stack = STACK) -> Plan:
    return planned(stack, OWNER, resources, find.everything(aws, OWNER))


def apply(aws: Any, resources: list[Resource], **more: Any) -> Outcome:
    return converge.apply(plan_of(aws, resources), aws, **more)


def standing(aws: PretendAws) -> dict[str, tuple[Any, Any]]:
    """Name → (size, shape); a double would be missing from the count that tests compare."""
    return {
        each.found.name: (each.found.settings["size"], each.found.settings["shape"])
        for each in aws.things.values()
    }


def test_what_is_needed_comes_first() -> None:
    aws = PretendAws(show_after_s=7, ready_after_s=30)
    outcome = apply(aws, [thing("c", "b"), thing("b", "a"), thing("a")])
    assert outcome.complete
    made = [call for call in aws.calls if call.startswith("create")]
    assert made == ["create thing.a", "create thing.b", "create thing.c"]
    ids = {each.found.name: number for number, each in aws.things.items()}
    assert aws.things[ids["c"]].found.settings["uses"] == [ids["b"]]


def test_a_second_apply_has_nothing_to_do() -> None:
    aws = PretendAws()
    resources = [thing("a"), thing("b", "a")]
    apply(aws, resources)
    plan = plan_of(aws, resources)
    assert plan.empty
    calls = len(aws.calls)
    assert converge.apply(plan, aws).done == ()  # type: ignore[arg-type]
    assert all(call == "find" for call in aws.calls[calls:])


def test_drift_is_seen_and_mended() -> None:
    aws = PretendAws()
    resources = [thing("a", size=3)]
    apply(aws, resources)
    (only,) = aws.things.values()
    only.found.settings["size"] = 4  # type: ignore[index]
    (change,) = plan_of(aws, resources).changes
    assert (change.action, [r.setting for r in change.reasons]) == ("update", ["size"])
    apply(aws, resources)
    assert standing(aws) == {"a": (3, "round")}


def test_a_replacement_stands_before_the_old_one_goes() -> None:
    aws = PretendAws()
    apply(aws, [thing("a"), thing("b", "a")])
    begin = len(aws.calls)
    plan = plan_of(aws, [thing("a", shape="square"), thing("b", "a")])
    assert {change.address: change.action for change in plan.changes} == {
        "thing.a": "replace",
        "thing.b": "update",
    }
    assert converge.apply(plan, aws).complete  # type: ignore[arg-type]
    told = [call for call in aws.calls[begin:] if call != "find"]
    assert told == ["create thing.a", "update thing.a", "update thing.b", "delete thing.a"]
    assert standing(aws) == {"a": (1, "square"), "b": (1, "round")}
    assert len(aws.things) == 2


def test_what_the_file_no_longer_names_is_removed_last() -> None:
    aws = PretendAws()
    apply(aws, [thing("a"), thing("b", "a")])
    plan = plan_of(aws, [thing("b")])
    assert {change.address: change.action for change in plan.changes} == {
        "thing.b": "update",
        "thing.a": "delete",
    }
    assert converge.apply(plan, aws).complete  # type: ignore[arg-type]
    assert standing(aws) == {"b": (1, "round")}


def test_data_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = PretendAws()
    apply(aws, [thing("a")])
    monkeypatch.setattr(PretendKind, "holds_data", True)
    with pytest.raises(
        lc.PlanError, match=r"thing\.a: cannot change shape without losing its data"
    ):
        plan_of(aws, [thing("a", shape="square")])


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    aws = PretendAws()
    resources = [thing("a"), thing("b", "a"), thing("z")]
    aws.faults = dict.fromkeys(range(200), "denied")
    plan = plan_of(PretendAws(), resources)
    for number in range(200):
        if number > 1:
            aws.faults.pop(number)
    events: list[Event] = []
    outcome = converge.apply(plan, aws, on_event=events.append)  # type: ignore[arg-type]
    failed = {address for address, _ in outcome.failed}
    assert failed == {"thing.a", "thing.z"}
    assert outcome.skipped == ("thing.b",)
    assert Event("thing.b", "skipped", "needs thing.a", 0.0) in events
    assert all("not allowed" in str(error) for _, error in outcome.failed)


def test_stopped_it_begins_nothing_new_and_is_gone_on_with() -> None:
    aws = PretendAws(ready_after_s=1000)
    stop = threading.Event()
    resources = [thing("a"), thing("b", "a")]

    def on_event(event: Event) -> None:
        if event.phase == "waiting":
            stop.set()

    outcome = apply(aws, resources, on_event=on_event, stop=stop)
    assert outcome.done == ()
    assert set(outcome.skipped) == {"thing.a", "thing.b"}
    aws.ready_after_s = 0
    assert apply(aws, resources).complete
    assert len(aws.things) == 2


def test_what_is_never_ready_is_told_after_its_bound() -> None:
    aws = PretendAws(ready_after_s=1e9)
    outcome = apply(aws, [thing("a")])
    ((address, error),) = outcome.failed
    assert address == "thing.a"
    assert "thing.a is not ready: settling, and 60 s have passed" in str(error)


@pytest.mark.parametrize("fault", ["throttled", "lost_before"])
def test_a_passing_error_long_after_another_begins_its_own_time(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(PretendKind, "ready_within_s", 3600.0)
    monkeypatch.setattr(PretendKind, "gone_within_s", 3600.0)
    aws: Any = PretendAws(faults={5: fault, 60: fault}, ready_after_s=1500)
    assert apply(aws, [thing("a")]).complete
    assert len(aws.calls) > 60

    def delete(self: PretendKind, account: PretendAws, found: Found) -> None:
        monkeypatch.setattr(PretendKind, "going", lambda self, found: True)

    made, aws.calls = aws.clock, []
    monkeypatch.setattr(PretendKind, "delete", delete)
    found = PretendKind.find

    def until_gone(self: PretendKind, account: PretendAws, owner: Owner) -> list[Found]:
        return [each for each in found(self, account, owner) if account.clock < made + 1500]

    monkeypatch.setattr(PretendKind, "find", until_gone)
    assert converge.destroy(OWNER, aws).complete
    assert len(aws.calls) > 60


def test_what_moves_is_given_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def pending(self: PretendKind, account: PretendAws, found: Found) -> str:
        return "" if account.clock > 240 else f"{account.clock // 50:.0f} of 5"

    monkeypatch.setattr(PretendKind, "pending", pending)
    assert apply(PretendAws(), [thing("a")]).complete


@pytest.mark.parametrize(
    "said", ["{0:.0f} of 5", "0 of 5; the last to fail was i-{1:.0f}"], ids=["to and fro", "why"]
)
def test_what_gets_nowhere_is_given_no_more_time(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def pending(self: PretendKind, account: PretendAws, found: Found) -> str:
        return said.format(account.clock // 20 % 2, account.clock)

    monkeypatch.setattr(PretendKind, "pending", pending)
    aws = PretendAws()
    ((_, error),) = apply(aws, [thing("a")]).failed
    assert "60 s have passed" in str(error)
    assert aws.clock < 120


def test_what_does_not_keep_a_change_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = PretendAws()
    monkeypatch.setattr(PretendKind, "update", lambda self, account, found, want, changed: None)
    ((_, error),) = apply(aws, [thing("a")]).failed
    assert "AWS keeps size other than wanted" in str(error)


def test_an_answer_that_is_lost_makes_nothing_twice() -> None:
    for lost in range(12):
        aws = PretendAws(faults={lost: "lost_after"}, show_after_s=4)
        assert apply(aws, [thing("a"), thing("b", "a")]).complete
        assert len(aws.things) == 2, lost


def test_a_double_is_seen_and_removed() -> None:
    """As comes of a command that is repeated before what the first one made has shown."""
    aws = PretendAws(show_after_s=100)
    aws.faults = {3: "denied"}
    assert apply(aws, [thing("a")]).failed
    aws.show_after_s = 0
    assert apply(aws, [thing("a")]).complete
    assert len(aws.things) == 2
    aws.clock += 200
    (change,) = plan_of(aws, [thing("a")]).changes
    assert len(change.surplus) == 1
    assert apply(aws, [thing("a")]).complete
    assert len(aws.things) == 1


RESOURCES = [thing("a"), thing("b", "a"), thing("c", "a", size=2), thing("d", "b", "c"), thing("e")]


@settings(max_examples=150, deadline=None)
@given(
    faults=st.dictionaries(st.integers(0, 60), st.sampled_from(FAULTS), max_size=12),
    show_after_s=st.sampled_from([0.0, 3.0]),
)
def test_one_more_command_always_reaches_the_goal(
    faults: dict[int, str], show_after_s: float
) -> None:
    aws = PretendAws(faults, show_after_s)
    try:
        apply(aws, RESOURCES)
    except lc.LoadcoreError:
        assert "denied" in faults.values()
    aws.faults = {}
    aws.clock += 60  # what was made has shown by the time somebody types the command again
    assert apply(aws, RESOURCES).complete
    assert standing(aws) == {r.name: (r.settings["size"], r.settings["shape"]) for r in RESOURCES}
    assert len(aws.things) == len(RESOURCES)
    begin = len(aws.calls)
    aws.faults = {begin + number: fault for number, fault in faults.items()}
    try:
        converge.destroy(OWNER, aws)  # type: ignore[arg-type]
    except lc.LoadcoreError:
        assert "denied" in faults.values()
    aws.faults = {}
    outcome = converge.destroy(OWNER, aws)  # type: ignore[arg-type]
    assert outcome.complete
    assert not aws.things
