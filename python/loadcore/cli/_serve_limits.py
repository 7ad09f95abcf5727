"""The flags of loadcore serve that bound what its clients may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar

import click

from loadcore._limits import ServiceLimits

_Command = TypeVar("_Command", bound=Callable[..., object])

_HELP = {
    "connections_max": "Open at once; more are answered 503 and closed.",
    "connections_per_address_max": "The same from one IPv4 address or IPv6 /64 network.",
    "head_timeout": "For a request's head to arrive.",
    "body_timeout": "For its body to arrive.",
    "idle_timeout": "For the next request to begin.",
    "send_timeout": "For a client to take an answer.",
}


def limit_options(command: _Command) -> _Command:
    """One flag for each field of ServiceLimits, handed on under its name."""
    for field in reversed(fields(ServiceLimits)):
        flag = f"--{field.name.replace('_', '-')}"
        metavar = "TIME" if field.name.endswith("timeout") else "N"
        option = click.option(
            flag, metavar=metavar, default=str(field.default), show_default=True,
            help=_HELP[field.name],
        )  # fmt: skip
        command = option(command)
    return command
