"""loadcore serve: the likes service, until a signal ends it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from loadcore import _service
from loadcore._errors import DataError, PlanError, RunError
from loadcore._limits import ServiceLimits
from loadcore.cli import _systemd
from loadcore.cli._interrupts import interruptible
from loadcore.cli._output import debug_option, emit
from loadcore.cli._serve_limits import limit_options

if TYPE_CHECKING:
    from loadcore._service import Durability, LogDetail, Service

# Where what is at fault was said, for what is not one flag.
_PLACES = {"listener": "LISTEN_FDS", "admin_listener": "--admin-host/--admin-port"}


@click.command(name="serve")
@click.option("--host", metavar="HOST", default="127.0.0.1", show_default=True)
@click.option("--port", metavar="PORT", type=int, default=8080, help="8080; 0 picks a free one.")
@click.option("--threads", metavar="N", help="Half of the usable CPUs unless given.")
@click.option("--data", metavar="DIR", help="Keep likes in this directory; else in memory.")
@click.option(
    "--durability",
    type=click.Choice(["memory", "os", "fsync"]),
    help="What the answer to a like promises: fsync survives a loss of power (unless told"
    " otherwise with --data), os survives the process, memory nothing (without --data).",
)
@click.option("--users-max", metavar="N", default="10000000", show_default=True)
@click.option(
    "--keys-max",
    metavar="N",
    default="1048576",
    show_default=True,
    help="Idempotency-Keys remembered at most.",
)
@click.option(
    "--key-age", metavar="TIME", default="24h", show_default=True, help="And for how long."
)
@click.option(
    "--snapshot-log-bytes",
    metavar="N",
    default="67108864",
    show_default=True,
    help="A snapshot is taken once the log is so long: shorter starts faster and writes more.",
)
@click.option(
    "--admin-host", metavar="HOST", default="127.0.0.1", show_default=True, help="See --admin-port."
)
@click.option(
    "--admin-port",
    metavar="PORT",
    type=int,
    help="Answer GET /metrics (Prometheus) and GET /v1/healthcheck there too; 0 picks a free one.",
)
@click.option(
    "--log",
    type=click.Choice(["off", "events", "requests"]),
    default="events",
    show_default=True,
    help="JSON lines on stderr: events are start, end and what goes wrong; requests adds each"
    " request, up to 1,000 a second and thread.",
)
@limit_options
@debug_option
def command(
    host: str,
    port: int,
    threads: str | None,
    data: str | None,
    durability: Durability | None,
    users_max: str,
    keys_max: str,
    key_age: str,
    snapshot_log_bytes: str,
    admin_host: str,
    admin_port: int | None,
    log: LogDetail,
    **limits: str,
) -> None:
    """Run the likes service.

    The first line on stdout, written once it accepts connections, is a JSON object with its url,
    pid and durability, and admin with --admin-port. SIGTERM and Ctrl-C drain it; a second one ends
    it at once. Under systemd it takes the socket it is handed, and says when it is ready.
    """
    with interruptible():
        try:
            service = _service.serve(
                host=host,
                port=port,
                threads=threads,
                data=data,
                durability=durability,
                users_max=users_max,
                keys_max=keys_max,
                key_age=key_age,
                snapshot_log_bytes=snapshot_log_bytes,
                admin_host=admin_host,
                admin_port=admin_port,
                log=log,
                listener=_systemd.inherited_listener(),
                limits=ServiceLimits(**limits),
            )
        except PlanError as error:
            flag = _PLACES.get(error.field, f"--{error.field.replace('_', '-')}")
            raise click.UsageError(f"{flag}: {error.sentence}") from error
        except DataError:
            raise
        except RunError as error:
            raise click.UsageError(f"--host/--port: {error}") from error
        try:
            emit(json.dumps(_first_line(service)))
            _systemd.notify(f"READY=1\nSTATUS=Listening on {service.url}")
            _wait(service)
        except KeyboardInterrupt:
            _systemd.notify("STOPPING=1")
            if not service.stop():
                click.echo("loadcore: some connections had to be cut off", err=True)


def _first_line(service: Service) -> dict[str, object]:
    line: dict[str, object] = {
        "url": service.url,
        "pid": os.getpid(),
        "durability": service.durability,
    }
    if service.admin_url is not None:
        line["admin"] = service.admin_url
    return line


def _wait(service: Service) -> None:
    """Until it has stopped, telling systemd's watchdog that it answers, where there is one."""
    period_s = _systemd.watchdog_period_s()
    while not service.wait(timeout=period_s):
        if period_s is not None and _systemd.answers(service.url, timeout_s=period_s):
            _systemd.notify("WATCHDOG=1")
