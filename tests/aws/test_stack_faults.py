"""A fault at every call that a stack's life makes, from apply over a change of its file to its
destroy: of each kind of fault in turn, every distinct call fails once. Whatever stands then, one
more command reaches the goal, and a destroy leaves nothing, which is counted past the code under
test.

`make faults` is the longer campaign: one fault alone, each kind at each call.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from aws_front.faults import KINDS, READS, Kind
from changed_stack import CALLS, between, changed
from stack_world import account, publish, sample

import loadcore as lc
from loadcore_aws import stack

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

SAMPLES = ("small", "full", "postgres", "containers")
PASSING = ("throttle", "timeout_after_success", "dependency", "not_yet", "server_error")
COMMANDS_MAX = 60
# Every kind where a life is short; on the long ones, every call fails all the same.
TRIED = [(name, kind) for name in ("small", "containers") for kind in PASSING]
TRIED += [("full", "timeout_after_success"), ("full", "not_yet")]
TRIED += [("postgres", "throttle"), ("postgres", "dependency")]


def apply(wanted: stack.Stack, front: Front) -> bool:
    """One `loadcore stack apply`: whether all is as wanted."""
    here = account(front, wanted.region)
    try:
        if stack.apply(stack.make_plan(wanted, here), here).complete:
            return True
    except lc.LoadcoreError:
        pass
    publish(wanted, front)
    return False


def destroy(wanted: stack.Stack, front: Front) -> bool:
    try:
        return stack.destroy(wanted, account(front, wanted.region)).complete
    except lc.LoadcoreError:
        return False


def reach(wanted: stack.Stack, front: Front, command: Callable[[stack.Stack, Front], bool]) -> None:
    """The same command again until it has done all: each call is refused only once."""
    for _ in range(COMMANDS_MAX):
        if command(wanted, front):
            return
    raise AssertionError(f"not done after {COMMANDS_MAX} commands")


def assert_reached(wanted: stack.Stack, front: Front) -> None:
    front.clear_faults()
    assert apply(wanted, front) or (wanted.containers and apply(wanted, front))
    again = stack.make_plan(wanted, account(front, wanted.region))
    assert again.empty, [change for change in again.changes if change.action != "keep"]


def assert_gone(wanted: stack.Stack, front: Front) -> None:
    front.clear_faults()
    assert destroy(wanted, front)
    assert front.inventory(wanted.region) == {}


def begin_refresh(wanted: stack.Stack, front: Front) -> None:
    """An apply that is stopped once its instance refresh is under way, which then stands still
    until somebody cancels it; those after it go on."""
    moments = itertools.count(1)

    def cancelled() -> bool:
        cancels = [call for call in front.calls if call.action == "CancelInstanceRefresh"]
        return any(call.status < 400 for call in cancels)

    front.switches.refresh_batch_s = 1.0
    front.switches.clock = lambda: float(next(moments)) if cancelled() else 0.0
    stop = threading.Event()

    def watch(event: stack.Event) -> None:
        if event.phase == "waiting" and event.detail.startswith("instance refresh"):
            stop.set()

    here = account(front, wanted.region)
    with suppress(lc.LoadcoreError):
        stack.apply(stack.make_plan(wanted, here), here, on_event=watch, stop=stop)


def live(name: str, kind: Kind, front: Front, folder: Path, *, writes: bool = False) -> None:
    """Each distinct call fails once while the stack is applied, again while it is changed in the
    midst of another change, and again while it is destroyed."""
    wanted = sample(name, folder)
    front.inject_each(kind, writes=writes)
    reach(wanted, front, apply)
    assert front.hits > 20
    assert_reached(wanted, front)
    if wanted.containers is None:
        begin_refresh(between(wanted), front)
    wanted = changed(name, wanted, folder)
    front.forget_calls()
    front.inject_each(kind, writes=writes)
    reach(wanted, front, apply)
    assert CALLS[name] - {call.name for call in front.calls if call.fault} == set()
    assert_reached(wanted, front)
    front.inject_each(kind, writes=writes)
    reach(wanted, front, destroy)
    assert_gone(wanted, front)


@pytest.mark.parametrize(("name", "kind"), TRIED)
def test_faults_that_pass_are_sat_out(name: str, kind: Kind, aws: Front, tmp_path: Path) -> None:
    live(name, kind, aws, tmp_path)


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_denied_is_gone_on_with(name: str, aws: Front, tmp_path: Path) -> None:
    """Each distinct call that changes something is refused once, and the command given again until
    none is left."""
    live(name, "denied", aws, tmp_path, writes=True)


def calls_of(wanted: stack.Stack, after: stack.Stack, front: Front) -> list[tuple[str, str, int]]:
    """(service, action, which of these) of every call of a life without faults."""
    front.forget_calls()
    assert_reached(wanted, front)
    if wanted.containers is None:
        begin_refresh(between(wanted), front)
    assert_reached(after, front)
    assert_gone(after, front)
    counts: dict[tuple[str, str], int] = {}
    for call in front.calls:
        counts[call.service, call.action] = counts.get((call.service, call.action), 0) + 1
    return [(*name, nth + 1) for name, count in sorted(counts.items()) for nth in range(count)]


CAMPAIGN = os.environ.get("LOADCORE_FAULTS", "")


@pytest.mark.skipif(not CAMPAIGN, reason="the longer campaign: make faults")
@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("name", SAMPLES)
def test_one_fault_alone(name: str, aws: Front, tmp_path: Path) -> None:
    """LOADCORE_FAULTS=all tries every kind at every call: those that change something first, in an
    order shuffled by LOADCORE_SEED, so that what LOADCORE_MINUTES leave time for is a fair share. A
    line that it printed tries that alone.
    """
    wanted = sample(name, tmp_path)
    after = changed(name, wanted, tmp_path)
    seed = int(os.environ.get("LOADCORE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    ends = time.monotonic() + 60 * float(os.environ.get("LOADCORE_MINUTES", "inf"))
    tried = [(kind, *call) for call in calls_of(wanted, after, aws) for kind in KINDS]
    random.Random(seed).shuffle(tried)
    tried.sort(key=lambda fault: fault[2].startswith(READS))
    failed, done = [], 0
    for kind, service, action, nth in tried:
        line = f"{name}: {kind} at {service}.{action} {nth}"
        if CAMPAIGN not in ("all", line) or time.monotonic() > ends:
            continue
        done += 1
        try:
            aws.reset()
            aws.inject(kind, service, action, nth=nth, times=1)
            alone(wanted, after, aws)
        except Exception as error:
            failed.append(line)
            print(f"{line}\n{''.join(traceback.format_exception(error))}", flush=True)
        if done % 100 == 0:
            print(f"{name}: {done} of {len(tried)}", flush=True)
    print(f"{name}: {done} of {len(tried)} tried, {len(failed)} failed, seed {seed}", flush=True)
    assert failed == []


def alone(wanted: stack.Stack, after: stack.Stack, front: Front) -> None:
    """With a fault somewhere in it, before the change or behind: what has been reached in spite of
    it is as good as ever, and is not changed any more."""
    reach(wanted, front, apply)
    if front.hits:
        assert_reached(wanted, front)
    else:
        if wanted.containers is None:
            begin_refresh(between(wanted), front)
        reach(after, front, apply)
        if front.hits:
            assert_reached(after, front)
    reach(wanted, front, destroy)
    assert_gone(wanted, front)
