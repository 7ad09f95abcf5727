"""What holds of every histogram, whatever was recorded or received."""

import base64
import io
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loadcore as lc
from loadcore._histogram import Interval, from_base64, read_hlog, to_base64, write_hlog

HIGHEST = 3_600_000_000_000

# Every magnitude alike, both ends of the range and a little beyond them.
VALUES = st.one_of(
    st.integers(-10, 5_000),
    st.integers(0, 42).flatmap(lambda bits: st.integers(0, 2**bits)),
    st.integers(HIGHEST - 10, 2**63 - 1),
)
COUNTS = st.one_of(st.integers(0, 1_000), st.integers(0, 2**64 - 1))
RECORDS = st.lists(st.tuples(VALUES, COUNTS), max_size=60)
HISTOGRAMS = RECORDS.map(lambda records: histogram_of(records))


def histogram_of(records: list[tuple[int, int]]) -> lc.Histogram:
    histogram = lc.Histogram()
    for value, count in records:
        histogram.record(value, count)
    return histogram


def merged(*histograms: lc.Histogram) -> lc.Histogram:
    whole = lc.Histogram()
    for histogram in histograms:
        whole.merge(histogram)
    return whole


@given(RECORDS, RECORDS, RECORDS)
def test_merging_in_any_order_is_recording_all(
    first: list[tuple[int, int]], second: list[tuple[int, int]], third: list[tuple[int, int]]
) -> None:
    a, b, c = histogram_of(first), histogram_of(second), histogram_of(third)
    everything = histogram_of(first + second + third)
    assert merged(a, b, c) == everything
    assert merged(c, a, b) == everything
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@given(st.lists(VALUES, min_size=1, max_size=300), st.integers(0, 100_000))
def test_a_percentile_is_the_bucket_of_the_value_that_sorting_puts_there(
    values: list[int], thousandths: int
) -> None:
    histogram = histogram_of([(value, 1) for value in values])
    rank = max(1, math.ceil(Fraction(thousandths, 100_000) * len(values)))
    truth = min(max(sorted(values)[rank - 1], 0), HIGHEST)
    ((low, high, _),) = histogram_of([(truth, 1)]).buckets()
    assert low <= truth <= high
    assert high - low <= truth / 1_000
    shown = histogram.value_at_percentile(thousandths / 1_000)
    assert shown == (high if thousandths else histogram.min)


@given(HISTOGRAMS, st.lists(st.floats(0, 100), max_size=20))
def test_percentiles_together_are_those_alone_and_ascend(
    histogram: lc.Histogram, percentiles: list[float]
) -> None:
    together = histogram.values_at_percentiles(percentiles)
    assert together == [histogram.value_at_percentile(each) for each in percentiles]
    assert histogram.values_at_percentiles(sorted(percentiles)) == sorted(together)
    assert all(histogram.min <= value <= histogram.max for value in together)


@given(HISTOGRAMS, VALUES, VALUES)
def test_counts_between_are_those_of_the_buckets(
    histogram: lc.Histogram, first: int, second: int
) -> None:
    low, high = sorted((first, second))
    kept_low, kept_high = (min(max(value, 0), HIGHEST) for value in (low, high))
    overlapping = sum(
        count
        for lowest, highest, count in histogram.buckets()
        if highest >= kept_low and lowest <= kept_high
    )
    assert histogram.count_between(low, high) == min(overlapping, 2**63 - 1)


@given(HISTOGRAMS)
def test_mean_and_deviation_lie_where_the_values_do(histogram: lc.Histogram) -> None:
    assert histogram.min <= histogram.mean() * (1 + 1e-9)
    assert histogram.mean() <= histogram.max * (1 + 1e-9)
    assert 0 <= histogram.stddev() <= histogram.max - histogram.min + 1e-3


@given(HISTOGRAMS)
def test_decoding_gives_back_what_was_encoded(histogram: lc.Histogram) -> None:
    assert lc.Histogram.decode(histogram.encode()) == histogram
    assert from_base64(to_base64(histogram)) == histogram


@given(st.lists(st.tuples(HISTOGRAMS, st.sampled_from([None, "a", "b"])), max_size=5))
@settings(max_examples=50)
def test_a_log_gives_back_its_intervals(parts: list[tuple[lc.Histogram, str | None]]) -> None:
    file = io.StringIO()
    written = [Interval(1e9 + at, 1.0, each, tag) for at, (each, tag) in enumerate(parts)]
    write_hlog(file, written)
    file.seek(0)
    assert list(read_hlog(file)) == written


def decodes_or_refuses(data: bytes) -> None:
    refusal = None
    try:
        histogram = lc.Histogram.decode(data)
    except ValueError as error:
        refusal = str(error)
    if refusal is None:
        assert lc.Histogram.decode(histogram.encode()) == histogram
    else:
        assert refusal.startswith("not a histogram: ")


@given(st.binary(max_size=200))
def test_noise_is_decoded_or_refused(noise: bytes) -> None:
    decodes_or_refuses(noise)
    # With a sound header, so that the counts are reached.
    header = lc.Histogram().encode()
    decodes_or_refuses(header[:4] + len(noise).to_bytes(4, "big") + header[8:] + noise)


@given(HISTOGRAMS, st.data())
@settings(max_examples=300)
def test_damaged_bytes_are_decoded_or_refused(histogram: lc.Histogram, data: st.DataObject) -> None:
    damaged = bytearray(histogram.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["change", "remove", "insert"])):
            case "change":
                damaged[at] = data.draw(st.integers(0, 255))
            case "remove":
                del damaged[at:]
                damaged += b"\x02"
            case "insert":
                damaged[at:at] = data.draw(st.binary(max_size=12))
    decodes_or_refuses(bytes(damaged))
    if len(damaged) >= 40 and data.draw(st.booleans()):
        damaged[4:8] = (len(damaged) - 40).to_bytes(4, "big")
        decodes_or_refuses(bytes(damaged))


@given(st.one_of(st.text(max_size=100), st.binary(max_size=100).map(base64.b64encode)))
def test_text_is_read_or_refused(text: str | bytes) -> None:
    # Anything but a sentence of ours fails; 100 characters hold no histogram but by design.
    with pytest.raises(ValueError, match=r"^not a histogram: "):
        from_base64(text if isinstance(text, str) else text.decode())
