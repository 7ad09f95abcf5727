"""What the stack tells its instances: /etc/loadcore/instance.json, written by the user data."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import loadcore as lc

PATH = Path("/etc/loadcore/instance.json")
SERVICE_UNIT = "loadcore-likes.service"
DRAIN_UNIT = "loadcore-drain.service"
LOGS_UNIT = "loadcore-ship-logs.service"


@dataclass(frozen=True)
class Settings:
    """`group` is the Auto Scaling group and `hook` its hook on termination; with neither, draining
    is all that happens. `log_group` empty: no log leaves the instance. `endpoint_url` empty: AWS.
    """

    stack: str
    region: str
    port: int = 8080
    group: str = ""
    hook: str = ""
    log_group: str = ""
    drain_s: int = 60
    settle_s: int = 5
    """how long the service goes on once the end is announced: the balancer has to hear of it"""
    deregistration_delay_s: int = 0
    """how long the balancer waits for answers before the hook begins, at the most"""
    endpoint_url: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def load(path: Path = PATH) -> Settings:
    """Raises lc.PlanError where the file is missing or is not what to_json() writes."""
    try:
        told = json.loads(path.read_text())
    except OSError as error:
        sentence = f"{path}: {error.strerror}; the user data of a stack writes this file"
        raise lc.PlanError("settings", sentence) from None
    except ValueError as error:
        raise lc.PlanError("settings", f"{path} is no JSON ({error}); run the user data") from None
    return _checked(told, path)


def _checked(told: Any, path: Path) -> Settings:
    if not isinstance(told, dict):
        raise lc.PlanError("settings", f"{path} holds no object; run the user data again")
    # A newer loadcore may have written more than this one knows.
    known = {field.name: field for field in fields(Settings)}
    values = {name: value for name, value in told.items() if name in known}
    for name, field in known.items():
        if name not in values and field.default is MISSING:
            raise lc.PlanError(name, f"is missing in {path}; run the user data again")
        expected = int if field.type == "int" else str
        if name in values and type(values[name]) is not expected:
            raise lc.PlanError(name, f"is {values[name]!r} in {path}; it is of type {field.type}")
    return Settings(**values)
