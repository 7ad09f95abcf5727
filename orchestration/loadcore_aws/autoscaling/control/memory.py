"""Where the controller keeps what it must know from one reading to the next: a file, or a tag of
the group. It is a help and not a treasure: what is damaged is begun anew, and said."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loadcore_aws.autoscaling.control.decide import State

if TYPE_CHECKING:
    from loadcore_aws.autoscaling.control.scaling_group import ScalingGroup

VERSION = 1
TAG = "loadcore:controller"


class Memory(Protocol):
    def load(self) -> tuple[State, str]:
        """What was saved last, or a fresh state; and what was wrong with it, if anything."""

    def save(self, state: State) -> None: ...


def dump(state: State) -> str:
    """Short enough for a tag's value."""
    fields = {
        "v": VERSION,
        "above": state.above,
        "below": state.below,
        "last": state.direction,
        "at": round(state.changed_at_s, 3),
        "settled": state.settled,
    }
    return json.dumps(fields, separators=(",", ":"))


def parse(text: str) -> State:
    """Raises ValueError for anything that dump() does not write."""
    fields = json.loads(text)
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        raise ValueError("another version")
    state = State(
        above=_count(fields.get("above")),
        below=_count(fields.get("below")),
        direction=fields.get("last", ""),
        changed_at_s=_time(fields.get("at")),
        settled=fields.get("settled") is not False,
    )
    if state.direction not in ("out", "in", ""):
        raise ValueError("no direction")
    return state


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("no count")
    return value


def _time(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("no time")
    return float(value)


def _loaded(text: str | None, where: str) -> tuple[State, str]:
    if not text:
        return State(), ""
    try:
        return parse(text), ""
    except (ValueError, OverflowError, RecursionError):
        return State(), f"{where} was unreadable: counts and cooldown begin anew"


class FileMemory:
    """A file that is replaced as a whole, so that a crash leaves the old or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[State, str]:
        """Raises OSError where there is a file that may not be read."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return State(), ""
        return _loaded(text, str(self._path))

    def save(self, state: State) -> None:
        """Raises OSError."""
        new = self._path.with_name(f"{self._path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            file.write(dump(state) + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


class TagMemory:
    """The tag `loadcore:controller` of the group, as last looked at."""

    def __init__(self, group: ScalingGroup) -> None:
        self._group = group

    def load(self) -> tuple[State, str]:
        return _loaded(self._group.tags.get(TAG), f"the tag {TAG}")

    def save(self, state: State) -> None:
        if self._group.tags.get(TAG) != dump(state):
            self._group.tag(TAG, dump(state))


class DryMemory:
    """Begins with what another holds and keeps the rest to itself."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._state: State | None = None

    def load(self) -> tuple[State, str]:
        return self._memory.load() if self._state is None else (self._state, "")

    def save(self, state: State) -> None:
        self._state = state
