"""A finished run: its figures, its JSON, its timeline and its file."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import recorded

import loadcore as lc


def test_times_are_in_seconds() -> None:
    histogram = lc.Histogram()
    for milliseconds in range(1, 1001):
        histogram.record(milliseconds * 1_000_000)
    times = lc.Distribution(histogram)
    assert times.count == 1000
    assert times.p50 == pytest.approx(0.5, rel=2e-3)
    assert times.p75 == pytest.approx(0.75, rel=2e-3)
    assert times.p90 == pytest.approx(0.9, rel=2e-3)
    assert times.p95 == pytest.approx(0.95, rel=2e-3)
    assert times.p99 == pytest.approx(0.99, rel=2e-3)
    assert times.p999 == pytest.approx(0.999, rel=2e-3)
    assert times.p9999 == times.percentile(100) == pytest.approx(times.max, rel=2e-3)
    assert times.min == pytest.approx(0.001, rel=2e-3)
    assert times.mean == pytest.approx(0.5005, rel=2e-3)
    assert times.stddev == pytest.approx(0.2887, rel=2e-3)
    assert times.histogram is histogram


def test_an_empty_distribution_has_no_figures() -> None:
    times = lc.Distribution(lc.Histogram())
    assert times.count == 0
    assert all(math.isnan(value) for value in (times.p50, times.mean, times.max, times.min))
    assert times.to_dict_ms()["p99"] is None
    assert "no times" in repr(times)


def test_a_percentile_outside_0_to_100_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        lc.Distribution(lc.Histogram()).percentile(101)


def test_the_figures_of_a_run() -> None:
    run = recorded.run()
    assert run.requests.completed == 291
    assert run.requests.failed == lc.Failures(timeout=2, reset=1, status=5)
    assert run.requests.failed.total == 8
    assert run.requests.sent == run.requests.scheduled == 294
    assert run.warmup_requests.completed == 10
    assert run.rate == lc.Rate(target=100.0, achieved=97.0)
    assert run.status_codes == {200: 286, 503: 5}
    assert run.bytes == lc.Bytes(29_400, 43_650)
    assert run.duration == 3.0
    assert run.verdict == lc.Verdict("valid", ())
    assert not run.interrupted
    assert run.latency.p50 == pytest.approx(0.002, rel=0.2)
    assert run.service_time.p50 == pytest.approx(0.001, rel=0.2)
    assert run.environment["started"] == "2026-11-18T11:06:40.123Z"
    assert run.environment["cpus_usable"] == len(os.sched_getaffinity(0))


def test_in_a_closed_loop_latency_is_service_time() -> None:
    run = recorded.closed_run()
    assert run.latency.histogram == run.service_time.histogram
    assert run.to_dict()["latency_ms"]["corrected"] is False
    assert run.to_dict()["rate_rps"]["target"] is None
    assert run.timeline()["p50"] == run.timeline()["service_p50"]
    assert recorded.run().to_dict()["latency_ms"]["corrected"] is True


def test_a_stopped_run_says_so() -> None:
    assert recorded.run(outcome="stopped").interrupted


@pytest.mark.parametrize("change", [{"sent": 1}, {"scheduled": 295}, {"timeout": 3}, {"unsent": 1}])
def test_counts_that_do_not_add_up_never_become_a_run(change: dict[str, int]) -> None:
    counts: Any = {**recorded.result()["counts"], **change}
    with pytest.raises(AssertionError, match="is not"):
        recorded.run(counts=counts)


def test_the_json_is_the_contracts() -> None:
    document = json.loads(recorded.run().to_json())
    assert document["schema"] == "loadcore.run/1"
    assert set(document) >= {
        "schema", "plan", "environment", "duration_s", "requests", "status_codes", "rate_rps",
        "bytes", "latency_ms", "service_ms", "send_lag_ms", "verdict", "thresholds",
        "requests_by_name",
    }  # fmt: skip
    assert document["requests"] == {
        "scheduled": 294, "sent": 294, "completed": 291, "dropped": 0, "unsent": 0,
        "failed": {"connect": 0, "timeout": 2, "reset": 1, "protocol": 0, "status": 5, "check": 0},
    }  # fmt: skip
    assert document["status_codes"] == {"200": 286, "503": 5}
    assert document["rate_rps"] == {"target": 100.0, "achieved": 97.0}
    percentiles = {"min", "mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"}
    for key in ("latency_ms", "service_ms", "send_lag_ms"):
        assert set(document[key]) >= percentiles
        assert document[key]["min"] <= document[key]["p50"] <= document[key]["max"]
    assert document["latency_ms"]["p50"] == pytest.approx(2.0, rel=0.2)
    assert document["verdict"] == {"state": "valid", "reasons": []}
    assert document["thresholds"] == []
    by_name = document["requests_by_name"]
    assert list(by_name) == ["request"]
    assert by_name["request"]["requests"] == document["requests"]
    assert [row["completed"] for row in document["intervals"]] == [100, 90, 101]
    assert document["intervals"][1]["failed"]["timeout"] == 2


def test_json_of_a_run_without_an_answer_is_still_json() -> None:
    empty = lc.Histogram()
    times: dict[str, Any] = dict.fromkeys(
        ("latency", "service", "send_lag", "generator_late", "blocked"), empty
    )
    run = recorded.run([], **times)
    document = json.loads(run.to_json())
    assert document["latency_ms"]["p99"] is None
    assert document["rate_rps"]["achieved"] == 0.0
    assert repr(run)
    assert run._repr_html_()


class TestTimeline:
    def test_is_a_mapping_of_columns(self) -> None:
        timeline = recorded.run().timeline()
        assert timeline.row_count == 3
        assert all(len(column) == 3 for column in timeline.values())
        assert len(timeline) == len(list(timeline)) == len(dict(timeline))
        assert timeline["start_s"] == [0.0, 1.0, 2.0]
        assert timeline["requests"] == [100, 93, 101]
        assert timeline["rate"] == [100.0, 90.0, 101.0]
        assert timeline["errors"] == [0, 8, 0]
        with pytest.raises(KeyError):
            timeline["p98"]

    def test_its_percentiles_are_of_its_interval(self) -> None:
        rows = [recorded.interval(0, 50), recorded.interval(1, 0)]
        rows[0]["latency"] = recorded.times(50, median_ms=40).encode()
        timeline = recorded.run(rows).timeline()
        assert timeline["p50"][0] == pytest.approx(0.040, rel=0.3)
        assert timeline["p50"][0] <= timeline["p99"][0] <= timeline["max"][0]
        assert math.isnan(timeline["p50"][1])

    def test_histograms_are_decoded_when_they_are_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        timeline = recorded.run().timeline()
        decoded = []

        class Counting:
            @staticmethod
            def decode(data: bytes) -> lc.Histogram:
                decoded.append(data)
                return lc.Histogram.decode(data)

        monkeypatch.setattr("loadcore._timeline.Histogram", Counting)
        assert timeline["rate"]
        assert not decoded
        assert timeline["p50"]
        assert timeline["p99"]
        assert len(decoded) == 3

    @pytest.mark.parametrize(
        "convert",
        [
            lambda timeline: timeline.to_pandas().to_dict("list"),
            lambda timeline: timeline.to_polars().to_dict(as_series=False),
            lambda timeline: timeline.to_arrow().to_pydict(),
        ],
        ids=["pandas", "polars", "arrow"],
    )
    def test_becomes_a_table_of(self, convert: Callable[[lc.Timeline], Any]) -> None:
        timeline = recorded.run().timeline()
        assert convert(timeline) == dict(timeline)

    def test_speaks_the_arrow_interface(self) -> None:
        import polars
        import pyarrow

        timeline = recorded.run().timeline()
        assert pyarrow.table(timeline).to_pydict() == dict(timeline)
        assert polars.DataFrame(timeline)["rate"].to_list() == timeline["rate"]

    @pytest.mark.parametrize(
        ("library", "method"),
        [
            ("pandas", "to_pandas"),
            ("polars", "to_polars"),
            ("pyarrow", "to_arrow"),
            ("pyarrow", "__arrow_c_stream__"),
        ],
    )
    def test_says_what_to_install(
        self, library: str, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(lc.MissingLibraryError, match=f"{library}.*pip install {library}$"):
            getattr(recorded.run().timeline(), method)()


class TestFile:
    def test_brings_everything_back(self, tmp_path: Path) -> None:
        path = tmp_path / "a.run"
        run = recorded.run(verdict="suspect", reasons=["the loop was late"], outcome="stopped")
        run.save(path)
        back = lc.load(path)
        assert back.to_dict() == run.to_dict()
        assert back.plan == run.plan
        assert back.latency.histogram == run.latency.histogram
        assert dict(back.timeline()) == dict(run.timeline())
        assert os.listdir(tmp_path) == ["a.run"]

    def test_is_small(self, tmp_path: Path) -> None:
        path = tmp_path / "a.run"
        recorded.run([recorded.interval(number, 200) for number in range(100)]).save(path)
        assert path.stat().st_size < 100 * 2_500

    def test_replaces_an_older_one_whole_or_not_at_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.run"
        recorded.run().save(path)
        before = path.read_bytes()

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            recorded.closed_run().save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["a.run"]

    def test_follows_a_link_and_leaves_a_device_a_device(self, tmp_path: Path) -> None:
        link = tmp_path / "link.run"
        link.symlink_to(tmp_path / "real.run")
        recorded.run().save(link)
        assert link.is_symlink()
        assert lc.load(tmp_path / "real.run").requests.completed == 291
        recorded.run().save("/dev/null")
        assert not Path("/dev/null").is_file()

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            (lambda data: b"", "damaged"),
            (lambda data: b"hello", "no saved run"),
            (lambda data: data[:-20], "end is missing"),
            (lambda data: data[:60] + bytes([data[60] ^ 0xFF]) + data[61:], "damaged"),
            (lambda data: gzip.compress(b"no json"), "no JSON"),
            (lambda data: gzip.compress(b"[" * 100_000), "no JSON"),
            (lambda data: gzip.compress(b'{"format": "other"}'), "not a saved run"),
        ],
    )
    def test_that_is_something_else_or_damaged_is_refused(
        self, tmp_path: Path, damage: Callable[[bytes], bytes], sentence: str
    ) -> None:
        path = tmp_path / "a.run"
        recorded.run().save(path)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(lc.FileError, match=sentence):
            lc.load(path)

    @pytest.mark.parametrize(
        ("where", "value", "sentence"),
        [
            (("version",), 2, "newer loadcore"),
            (("version",), "1", "version"),
            (("plan",), {}, "url"),
            (("plan", "rate_rps"), -1, "rate"),
            (("environment",), 5, "environment"),
            (("result", "counts", "sent"), 5, "is not"),
            (("result", "counts", "sent"), -5, "sent"),
            (("result", "counts"), {}, "missing"),
            (("result", "latency"), "AAAA", "damaged"),
            (("result", "latency"), "%", "damaged"),
            (("result", "intervals"), [{}], "missing"),
            (("result", "intervals", 0, "latency"), "AAAA", "damaged"),
            (("result", "intervals"), 5, "damaged"),
            (("result", "verdict"), None, "verdict"),
            (("result",), [], "damaged"),
        ],
    )
    def test_that_does_not_fit_is_refused(
        self, tmp_path: Path, where: tuple[Any, ...], value: Any, sentence: str
    ) -> None:
        path = tmp_path / "a.run"
        recorded.run().save(path)
        document = json.loads(gzip.decompress(path.read_bytes()))
        inner = document
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        path.write_bytes(gzip.compress(json.dumps(document).encode()))
        with pytest.raises(lc.FileError, match=sentence) as caught:
            lc.load(path)
        assert str(path) in str(caught.value)

    def test_that_is_not_there_is_the_systems_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            lc.load(tmp_path / "none.run")


HEAVY = (
    "rich", "click", "numpy", "pandas", "polars", "pyarrow", "matplotlib", "boto3", "asyncio",
    "importlib.metadata", "json", "socket", "subprocess", "threading", "logging", "loadcore_aws",
)  # fmt: skip


def test_importing_loadcore_imports_little_and_starts_nothing() -> None:
    code = (
        "import sys, os; before = set(sys.modules); import loadcore; "
        "print(*(set(sys.modules) - before)); "
        "print(len(os.listdir('/proc/self/task')))"
    )
    isolated = [sys.executable, "-c", code]
    modules, threads = subprocess.run(
        isolated, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert not set(modules.split()) & set(HEAVY)
    assert threads == "1"


def test_an_interrupted_run_carries_what_was_measured() -> None:
    run = recorded.run()
    error = lc.Interrupted(run)
    assert isinstance(error, KeyboardInterrupt)
    assert error.run is run
