"""The histogram against the hdrhistogram package, which is another project's implementation."""

import random

from hdrh.histogram import HdrHistogram

import loadcore as lc


def test_percentiles_are_those_of_hdrhistogram() -> None:
    ours, theirs = lc.Histogram(), HdrHistogram(1, 3_600_000_000_000, 3)
    chance = random.Random(20261121)
    for _ in range(20_000):
        value = int(chance.lognormvariate(12, 3)) + 1
        ours.record(value)
        theirs.record_value(value)
    assert ours.count == theirs.get_total_count()
    for percentile in (1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100):
        assert ours.value_at_percentile(percentile) == theirs.get_value_at_percentile(percentile)
    assert ours.max == theirs.get_max_value()
