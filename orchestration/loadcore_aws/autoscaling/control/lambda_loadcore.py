"""In the Lambda function's zip file this is the package `loadcore`: the exceptions that the
controller raises. The real one is compiled for one kind of machine and one Python."""

from __future__ import annotations


class LoadcoreError(Exception):
    """Whatever loadcore raises on purpose; `str()` is one sentence saying what to do."""


class PlanError(LoadcoreError, ValueError):
    """An argument that cannot be carried out."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(field, sentence)
        self.field = field
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}"


class RunError(LoadcoreError, RuntimeError):
    """What was asked for is sound but could not be carried out."""
