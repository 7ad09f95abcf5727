"""The histogram against the hdrhistogram package, which is another project's implementation."""

import base64
import copy
import math
import pickle
import random
import zlib

import pytest
from hdrh.histogram import HdrHistogram

import loadcore as lc
from loadcore._histogram import from_base64, to_base64

HIGHEST = 3_600_000_000_000
# Of 20,000 values each of these is a whole number of them: hdrhistogram rounds the rank to the
# nearest, we round up, so elsewhere the two may differ by one observation.
PERCENTILES = (0.005, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100)


def values(size: int = 20_000, seed: int = 20261121) -> list[int]:
    chance = random.Random(seed)
    return [min(HIGHEST, int(chance.lognormvariate(12, 3)) + 1) for _ in range(size)]


def ours_of(recorded: list[int]) -> lc.Histogram:
    histogram = lc.Histogram()
    for value in recorded:
        histogram.record(value)
    return histogram


def theirs_of(recorded: list[int], highest: int = HIGHEST, digits: int = 3) -> HdrHistogram:
    histogram = HdrHistogram(1, highest, digits)
    for value in recorded:
        assert histogram.record_value(value)
    return histogram


def counts_of(theirs: HdrHistogram) -> list[tuple[int, int]]:
    return [
        (theirs.get_value_from_index(index), count)
        for index in range(theirs.counts_len)
        if (count := theirs.get_count_at_index(index))
    ]


def assert_same(ours: lc.Histogram, theirs: HdrHistogram) -> None:
    assert ours.count == theirs.get_total_count()
    assert [(low, count) for low, _, count in ours.buckets()] == counts_of(theirs)
    assert ours.min == theirs.get_min_value()
    assert ours.max == theirs.get_max_value()
    for percentile in PERCENTILES:
        assert ours.value_at_percentile(percentile) == theirs.get_value_at_percentile(percentile)
    assert ours.mean() == pytest.approx(theirs.get_mean_value(), rel=1e-9)
    assert ours.stddev() == pytest.approx(theirs.get_stddev(), rel=1e-9)


def test_figures_are_those_of_hdrhistogram() -> None:
    recorded = values()
    ours, theirs = ours_of(recorded), theirs_of(recorded)
    assert_same(ours, theirs)
    assert ours.value_at_percentile(0) == theirs.get_value_at_percentile(0)


@pytest.mark.parametrize("recorded", [values(), [0], [1, 1, 1, HIGHEST], [0, 2, 5, 2**20]])
def test_they_read_what_we_encode(recorded: list[int]) -> None:
    theirs = HdrHistogram.decode(to_base64(ours_of(recorded)))
    assert counts_of(theirs) == counts_of(theirs_of(recorded))
    assert theirs.get_total_count() == len(recorded)
    assert theirs.get_max_value() == theirs_of(recorded).get_max_value()


@pytest.mark.parametrize("recorded", [values(), [0], [1, 1, 1, HIGHEST], [0, 2, 5, 2**20]])
def test_we_read_what_they_encode(recorded: list[int]) -> None:
    theirs = theirs_of(recorded)
    ours = from_base64(theirs.encode().decode("ascii"))
    assert ours == ours_of(recorded)
    if len(recorded) == 20_000:
        assert_same(ours, theirs)


def test_encoded_bytes_are_theirs_before_compression() -> None:
    # No gap of one bucket: they write such a zero as a run of one, we and others as itself.
    recorded = [0, 1, 1, 2, 5, *[8] * 300, 9, 1_000, *range(5_000, 9_000), HIGHEST]
    outer = base64.b64decode(theirs_of(recorded).encode())
    assert ours_of(recorded).encode() == zlib.decompress(outer[8:])


def test_nothing_recorded_encodes_too() -> None:
    assert HdrHistogram.decode(to_base64(lc.Histogram())).get_total_count() == 0
    assert from_base64(HdrHistogram(1, HIGHEST, 3).encode().decode()) == lc.Histogram()


@pytest.mark.parametrize("digits", [1, 2, 4, 5])
def test_other_precisions_are_recorded_anew_by_value(digits: int) -> None:
    recorded = values(2_000, seed=digits)
    theirs = theirs_of(recorded, digits=digits)
    ours = from_base64(theirs.encode().decode())
    assert ours.count == len(recorded)
    if digits > 3:
        assert ours == ours_of(recorded)
    for percentile in (1, 50, 99, 100):
        truth = theirs.get_value_at_percentile(percentile)
        precision = 10.0 ** -min(digits, 3)
        assert ours.value_at_percentile(percentile) == pytest.approx(truth, rel=precision)


def test_other_ranges_are_read_as_long_as_the_values_fit() -> None:
    day = 24 * HIGHEST
    assert from_base64(theirs_of([5, 10**9], highest=day).encode().decode()) == ours_of([5, 10**9])
    assert from_base64(theirs_of([5, 700], highest=1_000).encode().decode()) == ours_of([5, 700])
    with pytest.raises(ValueError, match="highest that can be kept"):
        from_base64(theirs_of([2 * HIGHEST], highest=day).encode().decode())


def test_bad_text_is_refused_with_what_is_wrong() -> None:
    good = to_base64(ours_of([1, 2, 3]))
    raw = base64.b64decode(good)

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    def outer(payload: bytes) -> str:
        return text(b"\x1c\x84\x93\x14" + len(payload).to_bytes(4, "big") + payload)

    for bad, said in [
        ("", "too short"),
        ("no base64!", "base64"),
        ("é", "base64"),
        (text(raw[:7]), "too short"),
        (text(b"\0" + raw[1:]), "compressed V2"),
        (text(raw[:-1]), "there are"),
        (text(raw + b"x"), "there are"),
        (outer(b"not zlib"), "decompress"),
        (outer(raw[8:-1]), "end where they should"),
        (outer(raw[8:] + b"more"), "end where they should"),
        (outer(zlib.compress(b"")), "header is cut short"),
        (outer(zlib.compress(bytes(50_000_000))), "larger than"),
        (text(ours_of([1]).encode()), "compressed V2"),
    ]:
        with pytest.raises(ValueError, match=said):
            from_base64(bad)


def test_decode_refuses_what_is_no_encoding() -> None:
    encoded = ours_of([5, 2_000_000]).encode()
    for size in range(len(encoded)):
        with pytest.raises(ValueError, match="not a histogram"):
            lc.Histogram.decode(encoded[:size])
    with pytest.raises(TypeError):
        lc.Histogram.decode("text")  # type: ignore[arg-type]


def test_copies_pickles_and_compares_by_its_counts() -> None:
    histogram = ours_of(values(1_000))
    for other in (
        copy.copy(histogram),
        copy.deepcopy(histogram),
        pickle.loads(pickle.dumps(histogram)),
        lc.Histogram.decode(histogram.encode()),
    ):
        assert other == histogram
        other.record(1)
        assert other != histogram
    assert histogram.count == 1_000
    assert histogram != "a histogram"
    with pytest.raises(TypeError, match="unhashable"):
        hash(histogram)


def test_merge_and_reset() -> None:
    recorded = values(1_000)
    left, right = ours_of(recorded[:300]), ours_of(recorded[300:])
    left.merge(right)
    assert left == ours_of(recorded)
    left.reset()
    assert left == lc.Histogram()


def test_percentiles_are_checked() -> None:
    histogram = ours_of([1, 2, 3])
    for bad in (-0.1, 100.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="from 0 to 100"):
            histogram.value_at_percentile(bad)
        with pytest.raises(ValueError, match="from 0 to 100"):
            histogram.values_at_percentiles([50, bad])
    assert histogram.values_at_percentiles([100, 0, 50]) == [3, 1, 2]
    assert histogram.values_at_percentiles([]) == []


def test_counts_between_two_values() -> None:
    histogram = ours_of([10, 20, 20, 30])
    assert histogram.count_between(11, 20) == 2
    assert histogram.count_between(0, HIGHEST) == 4
    assert histogram.count_between(30, 10) == 0


def test_counts_stop_where_the_encoding_does() -> None:
    histogram = lc.Histogram()
    histogram.record(7, 2**64 - 1)
    histogram.record(7)
    assert histogram.count == 2**63 - 1
    assert from_base64(to_base64(histogram)) == histogram
    with pytest.raises(TypeError):
        histogram.record(7, -1)


def test_repr_tells_what_it_holds() -> None:
    assert repr(ours_of([5, 9])) == "<loadcore.Histogram count=2 min=5 max=9 (ns)>"
