"""An account whose RDS takes every change and notes what it was told."""

from __future__ import annotations

from typing import Any


class ToldRds:
    """Stands for an Account and its client; `calls` are ModifyDBInstance's parameters."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def client(self, service: str) -> ToldRds:
        return self

    def modify_db_instance(self, **parameters: Any) -> None:
        self.calls.append(parameters)
