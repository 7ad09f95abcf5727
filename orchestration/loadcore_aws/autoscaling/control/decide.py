"""What to do about one reading of the figure, as a pure function.

The rules are those of two pages of AWS's documentation, for a figure that is no CloudWatch metric:
a change is made only while the group is settled ("Simple scaling policies", "Scaling cooldowns for
Amazon EC2 Auto Scaling"), and a scale-out does not wait for the cooldown of a scale-in ("Cooldown
period", Application Auto Scaling User Guide).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.control.config import Control

Direction: TypeAlias = Literal["out", "in", ""]
Action: TypeAlias = Literal["out", "in", "limits", "wait", "keep"]


@dataclass(frozen=True)
class Reading:
    """The figure, already per instance where that is asked for; None where there is none, and then
    `detail` says why. Else it says what was read."""

    value: float | None
    detail: str = ""


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group at one moment. `launching` counts what is desired and not in service
    yet, `terminating` what is leaving; `instance_ids` are of those in service."""

    name: str
    min: int
    max: int
    desired: int
    in_service: int
    launching: int = 0
    terminating: int = 0
    instance_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What is known from one reading to the next.

    `above` and `below` count the latest readings in a row past each threshold, up to for_times.
    `direction` is that of the last change, made at `changed_at_s`; until the group has `settled`
    after it, that time moves on with the clock, so that the cooldown begins when the last instance
    has come or gone.
    """

    above: int = 0
    below: int = 0
    direction: Direction = ""
    changed_at_s: float = 0.0
    settled: bool = True


@dataclass(frozen=True)
class Decision:
    """`capacity` is what the group is to have, its present one where nothing is to be done. `state`
    is to be kept for the next decision, once this one is carried out."""

    capacity: int
    action: Action
    reason: str
    state: State


def decide(
    control: Control, state: State, reading: Reading, group: Group, now_s: float
) -> Decision:
    """The capacity that the reading calls for; `now_s` on the clock of `state.changed_at_s`.

    - It is within both the group's limits and the file's; a group outside the file's is brought
      back at once.
    - It changes when for_times readings in a row are past a threshold, and a reading between the
      thresholds begins both counts anew.
    - Scale-out waits for instances that are being launched, scale-in for those and for those that
      are leaving.
    - Scale-out waits cooldown_s of [scale_out] after the last scale-out; scale-in waits cooldown_s
      of [scale_in] after the last change of either kind.
    """
    state = _counted(control, _aged(state, group, now_s), reading)
    low, high = limits(control, group)
    if not low <= group.desired <= high:
        capacity = min(max(group.desired, low), high)
        return _change("limits", capacity, f"the limits are {low} to {high}", group, now_s)
    if state.above >= control.scale_out.for_times:
        return _scale_out(control, state, reading, group, now_s)
    if state.below >= control.scale_in.for_times:
        return _scale_in(control, state, reading, group, now_s)
    return Decision(group.desired, "keep", _why_not(control, state, reading), state)


def limits(control: Control, group: Group) -> tuple[int, int]:
    """The file's limits as far as the group's own allow them."""
    low = group.min if control.limits.min is None else control.limits.min
    high = group.max if control.limits.max is None else control.limits.max
    return min(max(low, group.min), group.max), min(max(high, group.min), group.max)


def _aged(state: State, group: Group, now_s: float) -> State:
    """A change that lies in the future was noted by a clock that has since been set back: its
    cooldown begins now."""
    if not state.settled:
        moving = group.launching if state.direction == "out" else group.terminating
        if not moving:
            return replace(state, settled=True, changed_at_s=min(state.changed_at_s, now_s))
        return replace(state, changed_at_s=now_s)
    return replace(state, changed_at_s=min(state.changed_at_s, now_s))


def _counted(control: Control, state: State, reading: Reading) -> State:
    if reading.value is None:
        above, below = control.on_missing == "out", control.on_missing == "in"
    else:
        above = reading.value > control.scale_out.above
        below = reading.value < control.scale_in.below
    return replace(
        state,
        above=min(state.above + 1, control.scale_out.for_times) if above else 0,
        below=min(state.below + 1, control.scale_in.for_times) if below else 0,
    )


def _scale_out(
    control: Control, state: State, reading: Reading, group: Group, now_s: float
) -> Decision:
    rule, (_, high) = control.scale_out, limits(control, group)
    why = _past(reading, ">", rule.above, rule.for_times)
    if group.desired == high:
        return Decision(group.desired, "keep", f"{why}, but {high} is the most", state)
    if group.launching:
        return _wait(f"{why}; {group.launching} still launching", state, group)
    if state.direction == "out":
        left_s = rule.cooldown_s - (now_s - state.changed_at_s)
        if left_s > 0:
            return _wait(f"{why}; cooldown for {left_s:.0f} s more", state, group)
    return _change("out", min(group.desired + rule.adjust, high), why, group, now_s)


def _scale_in(
    control: Control, state: State, reading: Reading, group: Group, now_s: float
) -> Decision:
    rule, (low, _) = control.scale_in, limits(control, group)
    why = _past(reading, "<", rule.below, rule.for_times)
    if group.desired == low:
        return Decision(group.desired, "keep", f"{why}, but {low} is the least", state)
    if group.launching or group.terminating:
        busy = f"{group.launching} still launching, {group.terminating} still leaving"
        return _wait(f"{why}; {busy}", state, group)
    if state.direction:
        left_s = rule.cooldown_s - (now_s - state.changed_at_s)
        if left_s > 0:
            return _wait(f"{why}; cooldown for {left_s:.0f} s more", state, group)
    return _change("in", max(group.desired + rule.adjust, low), why, group, now_s)


def _wait(reason: str, state: State, group: Group) -> Decision:
    return Decision(group.desired, "wait", reason, state)


def _change(action: Action, capacity: int, reason: str, group: Group, now_s: float) -> Decision:
    direction: Direction = "out" if capacity > group.desired else "in"
    return Decision(capacity, action, reason, State(0, 0, direction, now_s, settled=False))


def _past(reading: Reading, sign: str, threshold: float, times: int) -> str:
    text = f"{times} times in a row" if times > 1 else ""
    if reading.value is None:
        return f"no figure {text}".rstrip() + f" ({reading.detail})"
    return f"{reading.value:.6g} {sign} {threshold:g} {text}".rstrip()


def _why_not(control: Control, state: State, reading: Reading) -> str:
    if reading.value is None:
        return f"no figure ({reading.detail})"
    for count, sign, threshold, times in (
        (state.above, ">", control.scale_out.above, control.scale_out.for_times),
        (state.below, "<", control.scale_in.below, control.scale_in.for_times),
    ):
        if count:
            return f"{reading.value:.6g} {sign} {threshold:g}, {count} of {times} times"
    low, high = control.scale_in.below, control.scale_out.above
    return f"{reading.value:.6g} is within {low:g} to {high:g}"
