"""loadcore autoscale: scaling setups simulated, checked and carried out."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import loadcore as lc
from loadcore_aws.autoscaling import policy_file, show, trace
from loadcore_aws.autoscaling.lint import lint as findings_of
from loadcore_aws.autoscaling.simulate import simulate as simulation_of
from loadcore_aws.autoscaling.trace import TIME_S_MAX
from loadcore_aws.cli._control import control
from loadcore_aws.cli._options import THRESHOLD_MISSED, seconds_of
from loadcore_aws.cli._output import emit, stderr, stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadcore_aws.autoscaling.lint import Finding
    from loadcore_aws.autoscaling.policy_file import PolicyFile
    from loadcore_aws.autoscaling.trace import Trace

PLOTS = ("svg", "png")
STEP_S_MIN = 1e-6
PRICE_MAX = 1e9


class _FiniteRange(click.FloatRange):
    """click lets NaN into any range: it is neither below nor above."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail("nan is no number; give one", param, ctx)
        return float(number)


class _Time(_FiniteRange):
    """In seconds, given as a number of them or as a duration."""

    name = "time; write it like 90, 90s or 10m"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = seconds_of(value) if isinstance(value, str) else None
        return super().convert(value if seconds is None else seconds, param, ctx)


_service = click.option(
    "--service", "service_path", metavar="POLICY.toml",
    help="Take [service] and [load] from here; needed to simulate a STACK.toml.",
)  # fmt: skip
_load = click.option(
    "--load", "load_path", metavar="TRACE.csv|A.run",
    help="Columns time_s and rate_rps, or a saved run; [load] of the file unless given.",
)  # fmt: skip
_strict = click.option(
    "--strict", is_flag=True, help="Exit code 3 where the lint finds an error or a warning."
)


@click.group(name="autoscale")
def autoscale() -> None:
    """Say how many instances there will be, and make it so."""


autoscale.add_command(control)


@autoscale.command()
@click.argument("path", metavar="POLICY.toml")
@_load
@_service
@click.option(
    "--idle",
    "idle_s",
    metavar="TIME",
    type=_Time(0, TIME_S_MAX),
    help="Without load after the trace's end, such as 600 (seconds) or 10m: what happens then is "
    "half of the story.",
)
@click.option(
    "--step",
    "step_s",
    metavar="TIME",
    type=_Time(STEP_S_MIN, 60),
    default=1.0,
    show_default=True,
    help="Of the simulation, and between the rows of --csv, in seconds.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Decides at which second of the minute each alarm is evaluated.",
)
@click.option(
    "--start",
    metavar="TIME",
    help="When the load begins, such as 2026-01-05T08:00:00+00:00; for [[schedule]].",
)
@click.option(
    "--price",
    "price_per_hour",
    metavar="PRICE",
    type=_FiniteRange(0, PRICE_MAX),
    help="Of an instance for an hour; out of the price table unless given.",
)
@click.option("--json", "json_path", metavar="FILE", help="Write it all; - is stdout, alone.")
@click.option("--csv", "csv_path", metavar="FILE", help="Write a row a step; - is stdout, alone.")
@click.option("--plot", "plot_path", metavar="FILE.svg|png", help="Draw it; needs matplotlib.")
@_strict
@click.pass_context
def simulate(
    ctx: click.Context,
    path: str,
    load_path: str | None,
    service_path: str | None,
    idle_s: float | None,
    step_s: float,
    seed: int,
    start: str | None,
    price_per_hour: float | None,
    json_path: str | None,
    csv_path: str | None,
    plot_path: str | None,
    strict: bool,
) -> None:  # fmt: skip
    """Show what a scaling setup makes of a load: POLICY.toml, or a STACK.toml.

    Nothing is asked of AWS. [service] of the file says what one instance can do. Findings of the
    lint go to stderr.
    """
    _check_outputs(json_path, csv_path, plot_path)
    policy = policy_file.read(path, service_from=service_path)
    load = _load_of(policy, load_path, idle_s)
    if load is None:
        raise click.UsageError("--load: is missing, and the file has no [load]; give one of them")
    service = policy.service
    if service is None:
        sentence = (
            "is missing; name a file that has one by --service, or, in a POLICY.toml, give "
            "capacity_rps and base_ms"
        )
        raise lc.PlanError(f"{path}: [service]", sentence)
    if price_per_hour is not None:
        service = replace(service, price_per_hour=price_per_hour)
    findings = findings_of(policy.scaling, service, load)
    _tell(findings, err=True)
    simulation = simulation_of(
        policy.scaling, service, load, step_s=step_s, seed=seed, start=_start(start)
    )
    if plot_path is not None:
        from loadcore_aws.autoscaling.plot import save

        save(simulation.plot(), plot_path, Path(plot_path).suffix[1:])
    _write(json_path, simulation.to_json)
    _write(csv_path, simulation.to_csv)
    if "-" not in (json_path, csv_path):
        emit(show.text(simulation, whole=not stdout().is_terminal))
    _finish(ctx, findings, strict=strict)


@autoscale.command()
@click.argument("path", metavar="POLICY.toml")
@_load
@_service
@_strict
@click.pass_context
def lint(
    ctx: click.Context, path: str, load_path: str | None, service_path: str | None, strict: bool
) -> None:
    """Find the classic mistakes in a POLICY.toml or STACK.toml.

    What depends on how fast the service is, and on how long it boots, is looked at only with a
    [service]. docs/autoscaling.md explains each finding by the code behind it.
    """
    policy = policy_file.read(path, service_from=service_path)
    findings = findings_of(policy.scaling, policy.service, _load_of(policy, load_path, None))
    _tell(findings, err=False)
    if not findings:
        emit(f"{path}: nothing found")
    _finish(ctx, findings, strict=strict)


def _load_of(policy: PolicyFile, path: str | None, idle_s: float | None) -> Trace | None:
    if path is not None:
        load = trace.read(path)
    elif policy.load is not None:
        load = trace.generated(policy.load)
    else:
        return None
    return load.then_idle(idle_s) if idle_s else load


def _start(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        start = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        sentence = f"--start: {text!r} is no time; write it like 2026-01-05T08:00:00+00:00"
        raise click.UsageError(sentence) from None
    return start


def _check_outputs(json_path: str | None, csv_path: str | None, plot_path: str | None) -> None:
    """Before the work rather than after it."""
    if json_path == csv_path == "-":
        raise click.UsageError("--csv: stdout is taken by --json; name a file for one of them")
    if plot_path is not None and Path(plot_path).suffix[1:] not in PLOTS:
        raise click.UsageError(f"--plot: {plot_path} ends in neither .svg nor .png; name one")
    for flag, path in (("--json", json_path), ("--csv", csv_path), ("--plot", plot_path)):
        if path not in (None, "-"):
            _check_output(flag, Path(path))


def _check_output(flag: str, path: Path) -> None:
    folder = path.absolute().parent
    if path.is_dir():
        raise click.UsageError(f"{flag}: {path} is a folder; name a file")
    if not folder.is_dir():
        raise click.UsageError(f"{flag}: there is no folder {folder}; make it first")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise click.UsageError(f"{flag}: {path} cannot be written; name another place")


def _write(path: str | None, text: Callable[[], str]) -> None:
    if path is None:
        return
    whole = text().rstrip("\n")
    if path == "-":
        emit(whole)
    else:
        Path(path).write_text(f"{whole}\n", encoding="utf-8")


def _tell(findings: Sequence[Finding], *, err: bool) -> None:
    for finding in findings:
        if err:
            stderr().print(str(finding), markup=False)
        else:
            emit(str(finding))


def _finish(ctx: click.Context, findings: Sequence[Finding], *, strict: bool) -> None:
    if strict and any(finding.severity != "note" for finding in findings):
        ctx.exit(THRESHOLD_MISSED)
