"""Time, a group and a systemctl that are made up, for what runs on an instance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from client_errors import client_error
from imds_server import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Time that passes only in sleep(), and what is to happen at its moments."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.events: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds
        for event in [event for event in self.events if event[0] <= self.now_s]:
            self.events.remove(event)
            event[1]()

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        self.events.append((1000.0 + seconds, event))


IDLE = client_error(
    "ValidationError", f"No active Lifecycle Action found with instance ID {INSTANCE}"
)


@dataclass
class Group:
    """An Auto Scaling client that notes the calls; `refusals` are raised one after the other. Its
    hook waits from `hook_from_s` after the beginning on."""

    clock: Clock
    refusals: list[Exception] = field(default_factory=list)
    heartbeats_s: list[float] = field(default_factory=list)
    completed: list[dict[str, str]] = field(default_factory=list)
    heartbeat_refusal: Exception | None = None
    hook_from_s: float = 0.0

    def record_lifecycle_action_heartbeat(self, **action: str) -> None:
        assert action["InstanceId"] == INSTANCE
        self.heartbeats_s.append(self.clock.now_s)
        if self.heartbeat_refusal:
            raise self.heartbeat_refusal
        self._wait()

    def complete_lifecycle_action(self, **action: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self._wait()
        self.completed.append(action)

    def _wait(self) -> None:
        if self.clock.now_s < 1000.0 + self.hook_from_s:
            raise IDLE


class Systemctl:
    """Stopping a unit takes as long as `stop_s` says; without an entry no time at all."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stop_s: dict[str, float] = {}
        self.calls: list[tuple[str, ...]] = []
        self.called_s: list[float] = []
        self.killed: set[str] = set()

    def start(self, command: list[str]) -> Any:
        assert command[0] == "systemctl"
        self.calls.append(tuple(command[1:]))
        self.called_s.append(self.clock.now_s - 1000.0)
        if command[1] == "kill":
            self.killed.add(command[-1])
        return Job(self, command[-1], self.clock.now_s)


class Job:
    returncode = 0

    def __init__(self, systemctl: Systemctl, unit: str, since_s: float) -> None:
        self._systemctl, self._unit, self._since_s = systemctl, unit, since_s

    def poll(self) -> int | None:
        took_s = self._systemctl.clock.now_s - self._since_s
        done = took_s >= self._systemctl.stop_s.get(self._unit, 0)
        return 0 if done or self._unit in self._systemctl.killed else None

    def wait(self) -> int:
        assert self.poll() is not None, "this would wait for good"
        return 0
