"""python -m loadcore_aws.instance: 0 done, 2 settings that cannot be used, 4 not carried out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import loadcore as lc
from loadcore_aws._signals import handled
from loadcore_aws.instance import drain, journal, ready, ship_logs
from loadcore_aws.instance import settings as settings_file
from loadcore_aws.instance import units as unit_files
from loadcore_aws.instance.imds import Imds
from loadcore_aws.session import Session

if TYPE_CHECKING:
    from loadcore_aws.instance.settings import Settings

# cloud-init's have what the user data printed. Its last stage is a process of its own up to 24.2;
# from 24.3 on one process runs all stages. journalctl does not mind a unit that is not there.
SHIPPED = (
    settings_file.SERVICE_UNIT,
    settings_file.DRAIN_UNIT,
    "cloud-final.service",
    "cloud-init-main.service",
)


def say(line: str) -> None:
    print(line, flush=True)


def client(settings: Settings, service: str) -> Any:
    session = Session(region=settings.region, endpoint_url=settings.endpoint_url or None)
    return session.client(service)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    default=settings_file.PATH,
    show_default=True,
    help="What the user data wrote.",
)
@click.pass_context
def instance(context: click.Context, settings: Path) -> None:
    """What runs on an instance of a stack, beside the service."""
    context.obj = settings


@instance.command("drain")
@click.pass_obj
def drain_command(path: Path) -> None:
    """Wait until this instance is to end; then drain the service and let the group go on."""
    settings = settings_file.load(path)
    around = drain.Surroundings(Imds(), client(settings, "autoscaling"), say)
    drain.watch(settings, around)


@instance.command("ship-logs")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="The folder that keeps how far it got.",
)
@click.pass_obj
def ship_logs_command(path: Path, state: Path) -> None:
    """Send the journal of service, drain and user data to CloudWatch Logs, until SIGTERM."""
    settings = settings_file.load(path)
    if not settings.log_group:
        raise lc.PlanError("log_group", f"is empty in {path}; disable {settings_file.LOGS_UNIT}")
    stream = ship_logs.Stream(
        client(settings, "logs"), settings.log_group, Imds().instance_id(), say
    )
    cursor = ship_logs.Cursor(state / "cursor")
    shipper = ship_logs.Shipper(stream, cursor)
    with (
        handled(lambda *_: shipper.stop()),
        journal.following(SHIPPED, cursor.load()) as lines,
    ):
        shipper.run(lines)


@instance.command("ready")
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    default=ready.READY_S,
    show_default=True,
    help="Seconds.",
)
@click.pass_obj
def ready_command(path: Path, timeout_s: float) -> None:
    """Wait until the service is healthy."""
    ready.wait(settings_file.load(path).port, timeout_s)


@instance.command("units")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def units_command(folder: Path) -> None:
    """Put this package's unit files into FOLDER; print the names of those that were changed."""
    for name in unit_files.install(folder):
        say(name)


def main() -> int:
    try:
        instance.main(prog_name="python -m loadcore_aws.instance", standalone_mode=False)
    except click.ClickException as error:
        return _failed(error.format_message(), 2)
    except lc.PlanError as error:
        return _failed(str(error), 2)
    except lc.LoadcoreError as error:
        return _failed(str(error), 4)
    except OSError as error:
        return _failed(f"{error.filename or 'loadcore'}: {error.strerror or error}", 4)
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", 130)
    return 0


def _failed(sentence: str, code: int) -> int:
    print(f"loadcore: {' '.join(sentence.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
