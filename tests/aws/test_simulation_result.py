"""A simulation's result as a table, JSON, CSV, a data frame and pictures."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import get_args

import pytest

import loadcore as lc
from loadcore_aws.autoscaling import (
    Alarm,
    Group,
    Scaling,
    ServiceModel,
    Simple,
    constant,
    simulate,
)
from loadcore_aws.autoscaling.alarms import State

SERVICE = ServiceModel(capacity_rps=100, base_ms=10)
OUT = Alarm("busy", "cpu", 70, missing_data="notBreaching", actions=("out",))
IN = Alarm("quiet", "cpu", 20, "<=", missing_data="breaching", actions=("in",))
ONE_EACH = Scaling(Group(min=1, max=5), (Simple("out", 1), Simple("in", -1)), (OUT, IN))


class TestResult:
    def test_the_table_holds_what_matters_in_80_columns(self) -> None:
        shown = repr(simulate(ONE_EACH, SERVICE, constant(400, 3600)))
        assert all(len(line) <= 80 for line in shown.splitlines())
        assert "from 1 up to 5, at the end 5" in shown
        assert "1 → 2  alarm busy in state ALARM triggered policy out" in shown
        assert "busy              ?!!!" in shown

    def test_json_has_numbers_only(self) -> None:
        result = simulate(Scaling(Group(min=0, max=1)), SERVICE, constant(1, 60))
        read = json.loads(result.to_json())
        assert read["schema"] == "loadcore.simulation/1"
        assert read["summary"]["lost"] == 60
        assert read["columns"]["use"][0] is None
        assert len(read["columns"]["time_s"]) == 60

    def test_csv_has_a_row_for_each_step_and_the_alarms(self) -> None:
        result = simulate(ONE_EACH, SERVICE, constant(1, 60), step_s=5)
        rows = list(csv.DictReader(io.StringIO(result.to_csv())))
        assert len(rows) == 12
        assert rows[0]["alarm.busy"] in get_args(State)
        assert float(rows[-1]["time_s"]) == 55

    def test_pandas(self) -> None:
        frame = simulate(ONE_EACH, SERVICE, constant(10, 60)).to_pandas()
        assert frame["requests"].sum() == 600
        assert "alarm.quiet" in frame

    def test_pictures_repeat_and_keep_their_text(self, tmp_path: Path) -> None:
        from loadcore_aws.autoscaling.plot import save

        result = simulate(ONE_EACH, SERVICE, constant(500, 600))
        for kind in ("svg", "png"):
            for name in ("a", "b"):
                save(result.plot("title"), tmp_path / f"{name}.{kind}", kind)
            assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
        assert ">lost/s<" in (tmp_path / "a.svg").read_text()

    def test_html_has_facts_and_picture(self) -> None:
        page = simulate(ONE_EACH, SERVICE, constant(10, 120))._repr_html_()
        assert "<svg" in page
        assert "of which lost 0" in page

    def test_without_matplotlib_the_page_has_the_chart_as_text(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = simulate(ONE_EACH, SERVICE, constant(10, 120))
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        assert "requests/s  " in result._repr_html_()
        with pytest.raises(lc.MissingLibraryError, match="matplotlib is needed"):
            result.plot()

    def test_without_pandas_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(lc.MissingLibraryError, match=r"pip install pandas$"):
            simulate(ONE_EACH, SERVICE, constant(10, 60)).to_pandas()

    @pytest.mark.parametrize("step_s", [0.1, 60 / 7, 60 / 11])
    def test_no_step_is_left_over(self, step_s: float) -> None:
        result = simulate(ONE_EACH, SERVICE, constant(1, 120), step_s=step_s)
        assert len(result.columns["time_s"]) == round(120 / step_s)
        assert result.columns["time_s"][:3] == pytest.approx([0, step_s, 2 * step_s], abs=1e-6)
        assert result.duration_s == pytest.approx(120)

    @pytest.mark.parametrize("step_s", [0, 7, 61, 5e-324, math.nan])
    def test_steps_fill_a_minute(self, step_s: float) -> None:
        with pytest.raises(lc.PlanError, match="step_s"):
            simulate(Scaling(), SERVICE, constant(1, 60), step_s=step_s)

    def test_steps_are_bounded(self) -> None:
        with pytest.raises(lc.PlanError, match="step_s"):
            simulate(Scaling(), SERVICE, constant(1, 1e9))
