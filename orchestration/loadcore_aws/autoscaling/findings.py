"""What the lint finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from loadcore_aws._faults import Fault

Severity: TypeAlias = Literal["error", "warning", "note"]
Code: TypeAlias = Literal[
    "stuck-when-idle",
    "grows-when-idle",
    "steps-out-of-reach",
    "fighting-thresholds",
    "flapping",
    "cooldown-shorter-than-boot",
    "warmup-shorter-than-boot",
    "grace-shorter-than-boot",
    "scale-in-without-drain",
    "fixed-size",
    "one-way",
    "target-above-capacity",
    "alarm-without-action",
    "period-too-short",
    "count-not-summed",
    "too-few-samples",
    "not-simulated",
]

DOCS = "docs/autoscaling.md"


@dataclass(frozen=True)
class Finding:
    """`setting` names what to change, such as alarm[2].missing_data; `sentence` goes on from it and
    says what to do. An error costs money or requests; a warning may be meant; a note is about what
    a simulation cannot show."""

    code: Code
    severity: Severity
    setting: str
    sentence: str

    @property
    def why(self) -> str:
        """Where it is explained."""
        return f"{DOCS}#{self.code}"

    def __str__(self) -> str:
        return f"{self.severity}: {self.setting} {self.sentence} [{self.code}]"


def found(code: Code, severity: Severity, where: tuple[str | int, ...], sentence: str) -> Finding:
    """`where` is the way to the setting, as in ("alarm", 1, "missing_data")."""
    return Finding(code, severity, Fault(where, "").setting, sentence)
