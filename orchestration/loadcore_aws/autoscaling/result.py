"""The result of a simulation: columns over time, what the group did and why, what it costs."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import loadcore as lc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadcore_aws.autoscaling.alarms import State
    from loadcore_aws.autoscaling.group import Activity
    from loadcore_aws.autoscaling.service_model import ServiceModel
    from loadcore_aws.autoscaling.spec import Scaling
    from loadcore_aws.autoscaling.trace import Trace
    from loadcore_aws.autoscaling.traffic import TrafficStep

SCHEMA = "loadcore.simulation/1"
HOUR_S = 3600


class Row(NamedTuple):
    """One step: what was there at its beginning, and what came of the traffic in it."""

    time_s: float
    desired: int
    instances: int
    in_service: int
    step: TrafficStep
    states: tuple[State, ...]


class Transition(NamedTuple):
    at_s: float
    alarm: str
    before: State
    after: State


@dataclass(frozen=True, repr=False)
class Simulation:
    """What a scaling setup made of a load.

    `columns`, lists of equal length with one value for each step, times in seconds:
    time_s, the step's beginning; rate_rps, requests a second that came; requests, served, lost and
    waiting, whole numbers; desired, the group's desired capacity; instances, all that are paid for;
    in_service, those that answer; use, rate over capacity (inf where nobody answers);
    response_mean_s, response_p50_s, response_p99_s of the requests served, NaN where none were.

    `alarms` has each alarm's state in each step; those of target tracking end in -high and -low.
    Always: requests = served + lost, over the whole time.
    """

    scaling: Scaling
    service: ServiceModel
    source: str
    step_s: float
    columns: dict[str, list[Any]]
    alarms: dict[str, list[State]]
    activities: tuple[Activity, ...]
    transitions: tuple[Transition, ...]

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        scaling: Scaling,
        service: ServiceModel,
        trace: Trace,
        *,
        step_s: float,
        alarms: Sequence[str],
        activities: Sequence[Activity],
        transitions: Sequence[Transition],
    ) -> Simulation:
        columns: dict[str, list[Any]] = {
            "time_s": [row.time_s for row in rows],
            "rate_rps": [row.step.requests / step_s for row in rows],
            **{
                name: [getattr(row.step, name) for row in rows]
                for name in ("requests", "served", "lost", "waiting")
            },
            **{
                name: [getattr(row, name) for row in rows]
                for name in ("desired", "instances", "in_service")
            },
            "use": [row.step.use for row in rows],
            **{
                f"response_{name}": [getattr(row.step, name) for row in rows]
                for name in ("mean_s", "p50_s", "p99_s")
            },
        }
        states = {name: [row.states[i] for row in rows] for i, name in enumerate(alarms)}
        return cls(
            scaling,
            service,
            trace.source,
            step_s,
            columns,
            states,
            tuple(activities),
            tuple(transitions),
        )

    @property
    def duration_s(self) -> float:
        return len(self.columns["time_s"]) * self.step_s

    @property
    def requests(self) -> int:
        return sum(self.columns["requests"])

    @property
    def served(self) -> int:
        return sum(self.columns["served"])

    @property
    def lost(self) -> int:
        return sum(self.columns["lost"])

    @property
    def instance_hours(self) -> float:
        """From the launch to the end of each instance, boot and drain included."""
        return float(sum(self.columns["instances"]) * self.step_s / HOUR_S)

    @property
    def cost(self) -> float | None:
        """Instance hours at the service's price_per_hour, in its currency; None where there is no
        price. Nothing else that a stack costs is in it."""
        price = self.service.price_per_hour
        return None if price is None else self.instance_hours * price

    @property
    def response_mean_s(self) -> float:
        """Over all requests served; NaN where there were none."""
        pairs = zip(self.columns["response_mean_s"], self.columns["served"], strict=True)
        total = math.fsum(time_s * count for time_s, count in pairs if count)
        return total / self.served if self.served else math.nan

    @property
    def response_p99_worst_s(self) -> float:
        """Of the worst step; NaN where nothing was served."""
        return max(_present(self.columns["response_p99_s"]), default=math.nan)

    @property
    def reversals(self) -> int:
        """How often a change of the capacity was followed by one the other way. One is a day's rise
        and fall; many are flapping."""
        changes = [one.after - one.before for one in self.activities if one.after != one.before]
        return sum((left > 0) != (right > 0) for left, right in pairwise(changes))

    def to_pandas(self) -> Any:
        """A pandas.DataFrame of the columns and `alarm.NAME` for each alarm, by time_s.

        Raises loadcore.MissingLibraryError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            sentence = "pandas is needed for this: pip install pandas"
            raise lc.MissingLibraryError(sentence) from None
        return pandas.DataFrame(self._all_columns()).set_index("time_s")

    def summary(self) -> dict[str, Any]:
        """The figures of the whole, in JSON's types: None where there is none."""
        desired = self.columns["desired"]
        return {
            "duration_s": self.duration_s,
            "requests": self.requests,
            "served": self.served,
            "lost": self.lost,
            "instances": {
                "min": min(desired),
                "max": max(desired),
                "last": desired[-1],
                "mean": sum(self.columns["instances"]) / len(desired),
            },
            "instance_hours": self.instance_hours,
            "cost": self.cost,
            "response_mean_s": _number(self.response_mean_s),
            "response_p99_worst_s": _number(self.response_p99_worst_s),
            "activities": len(self.activities),
            "reversals": self.reversals,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON's types; keys are only ever added."""
        return {
            "schema": SCHEMA,
            "load": self.source,
            "step_s": self.step_s,
            "summary": self.summary(),
            "activities": [vars(one) for one in self.activities],
            "transitions": [one._asdict() for one in self.transitions],
            "columns": {
                name: [_number(value) for value in values] for name, values in self.columns.items()
            },
            "alarms": self.alarms,
        }

    def to_json(self) -> str:
        """`to_dict` as text, without a newline at its end."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def to_csv(self) -> str:
        """The columns and `alarm.NAME` for each alarm; empty where there is no value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self._all_columns()
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow("" if _number(value) is None else value for value in row)
        return text.getvalue()

    def plot(self, title: str = "") -> Any:
        """A matplotlib.figure.Figure; see loadcore_aws.autoscaling.plot.

        Raises loadcore.MissingLibraryError where matplotlib is not installed.
        """
        from loadcore_aws.autoscaling.plot import figure

        return figure(self, title)

    def _all_columns(self) -> dict[str, list[Any]]:
        return {**self.columns, **{f"alarm.{name}": each for name, each in self.alarms.items()}}

    def __repr__(self) -> str:
        from loadcore_aws.autoscaling.show import text

        return text(self)

    def _repr_html_(self) -> str:
        from loadcore_aws.autoscaling.show import html

        return html(self)


def _present(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _number(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
