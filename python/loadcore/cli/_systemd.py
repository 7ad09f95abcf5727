"""What a service and systemd say to each other.

The protocols are those of sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3). Without
systemd there is nobody to talk to and nothing happens.
"""

from __future__ import annotations

import http.client
import os
import socket
from urllib.parse import urlsplit

import click

from loadcore._errors import PlanError

_FIRST_DESCRIPTOR = 3


def notify(state: str) -> None:
    """Tells systemd: lines such as "READY=1". What hinders that is said on stderr, no more."""
    name = os.environ.get("NOTIFY_SOCKET")
    if not name:
        return
    # A name that begins with @ is one of Linux' abstract sockets.
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(1)
            sender.sendto(state.encode(), address)
    except OSError as error:
        click.echo(f"loadcore: cannot reach NOTIFY_SOCKET {name!r} ({error.strerror})", err=True)


def inherited_listener() -> int | None:
    """The descriptor of the socket that this process was started with, if it was; asked once.

    Raises PlanError for more than one.
    """
    count = _number("LISTEN_FDS", "LISTEN_PID")
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # they are not for children of this process
    if not count:
        return None
    if count > 1:
        raise PlanError("listener", f"systemd passes {count} sockets: leave one ListenStream=")
    try:
        os.set_inheritable(_FIRST_DESCRIPTOR, False)
    except OSError as error:
        raise PlanError("listener", "descriptor 3 is not open, though it should be") from error
    return _FIRST_DESCRIPTOR


def watchdog_period_s() -> float | None:
    """How often the watchdog is to be told that all is well: twice as often as it must be."""
    microseconds = _number("WATCHDOG_USEC", "WATCHDOG_PID")
    return microseconds / 2e6 if microseconds else None


def answers(url: str, timeout_s: float) -> bool:
    """Whether the service answers at all; that it can no longer keep likes is no reason for the
    watchdog to end it, which would lose what is in memory."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        connection.request("GET", "/v1/healthcheck")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _number(name: str, process: str) -> int:
    """The variable `name`, or 0 where it is missing or meant for another process."""
    meant_for = os.environ.get(process, "")
    if meant_for not in ("", str(os.getpid())) or (process == "LISTEN_PID" and not meant_for):
        return 0
    value = os.environ.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else 0
