"""A controller's figure, read as its loop would."""

from __future__ import annotations

from typing import Any

from loadcore_aws.autoscaling.control.decide import Group
from loadcore_aws.autoscaling.control.local_sources import source_of
from loadcore_aws.autoscaling.control.sources import reading

GROUP = Group("workers", min=1, max=6, desired=2, in_service=2)


def no_clients(service: str) -> Any:
    raise AssertionError(f"asks for {service}")


def value(figure: Any, clients: Any = no_clients, group: Group = GROUP) -> float | None:
    source = source_of(figure, clients)
    return reading(source, group, per_instance=figure.per_instance).value
