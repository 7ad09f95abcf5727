"""Durations, counts and rates as people write them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

import loadcore as lc
from loadcore import _units


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (2.5, 2.5),
        (3, 3.0),
        ("10", 10.0),
        ("2.5", 2.5),
        ("10s", 10.0),
        (" 10 s ", 10.0),
        ("250ms", 0.25),
        ("1m30s", 90.0),
        ("1m 30s", 90.0),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400.0),
        ("40us", 40e-6),
        ("40µs", 40e-6),
        ("5ns", 5e-9),
        ("5min", 300.0),
        ("1e-3", 0.001),
        (timedelta(minutes=1, milliseconds=5), 60.005),
    ],
)
def test_durations_are_read(written: Any, seconds: float) -> None:
    assert _units.seconds(written, "duration") == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "written",
    ["", "s", "10 parsecs", "10S", "30s1m", "1s1s", "1s and", "--3s", "-3s", "1,5s", "٣s",
     -1, 0, "0s", math.nan, math.inf, "inf", "nan", "9e99", 1e30, True, None, [], b"1s"],
)  # fmt: skip
def test_what_is_no_duration_names_the_field(written: Any) -> None:
    with pytest.raises(lc.PlanError) as caught:
        _units.seconds(written, "warmup")
    assert caught.value.field == "warmup"
    assert "\n" not in str(caught.value)


def test_zero_is_a_duration_where_it_makes_sense() -> None:
    assert _units.seconds(0, "warmup", zero=True) == 0.0
    assert _units.seconds("0s", "warmup", zero=True) == 0.0


def test_nanoseconds_never_round_a_duration_away() -> None:
    assert _units.nanoseconds(0.0) == 0
    assert _units.nanoseconds(1e-12) == 1
    assert _units.nanoseconds(1.5) == 1_500_000_000


@pytest.mark.parametrize(
    ("written", "count"),
    [(1, 1), (10.0, 10), ("20000", 20_000), ("20k", 20_000), ("1.5k", 1_500), ("2M", 2_000_000),
     ("20_000", 20_000), ("1e3", 1_000)],
)  # fmt: skip
def test_counts_are_read(written: Any, count: int) -> None:
    assert _units.count(written, "requests") == count
    assert isinstance(_units.count(written, "requests"), int)


@pytest.mark.parametrize(
    "written", [0, -1, 1.5, "1.5", "", "k", "ten", "1kk", 10**16, math.nan, math.inf, None, True]
)
def test_what_is_no_count_names_the_field(written: Any) -> None:
    with pytest.raises(lc.PlanError) as caught:
        _units.count(written, "requests")
    assert caught.value.field == "requests"


@pytest.mark.parametrize(("written", "rate"), [(0.1, 0.1), ("2k", 2_000.0), (5, 5.0), ("0.5", 0.5)])
def test_rates_are_read(written: Any, rate: float) -> None:
    assert _units.rate(written, "rate") == rate


@pytest.mark.parametrize("written", [0, "0", -5, "-5", "fast", 2e9, math.nan, None, False])
def test_what_is_no_rate_names_the_field(written: Any) -> None:
    with pytest.raises(lc.PlanError) as caught:
        _units.rate(written, "rate")
    assert caught.value.field == "rate"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (math.nan, "-"),
        (0.0, "0 s"),
        (5e-9, "5 ns"),
        (1.234e-6, "1.23 µs"),
        (12.34e-6, "12.3 µs"),
        (0.9999e-3, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (0.9996, "1.00 s"),
        (90.0, "90.0 s"),
        (3600.0, "3,600 s"),
    ],
)
def test_durations_are_shown_with_three_figures(seconds: float, text: str) -> None:
    assert _units.duration_text(seconds) == text


def test_sizes_and_numbers_are_shown_for_people() -> None:
    assert _units.bytes_text(0) == "0 B"
    assert _units.bytes_text(999.6) == "1.00 kB"
    assert _units.bytes_text(12_345_678) == "12.3 MB"
    assert _units.number_text(20_000) == "20,000"
    assert _units.number_text(0.5) == "0.5"
    assert _units.number_text(1234.5678) == "1,235"
    assert _units.number_text(math.nan) == "-"
