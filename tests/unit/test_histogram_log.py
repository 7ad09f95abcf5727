"""Interval logs, both ways between loadcore and the hdrhistogram package."""

import io
import math
import random
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter

import loadcore as lc
from loadcore._histogram import Interval, read_hlog, to_base64, write_hlog

HIGHEST = 3_600_000_000_000
START = 1_763_712_000.25  # seconds since the epoch
LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def histogram_of(seed: int, size: int = 500) -> lc.Histogram:
    chance = random.Random(seed)
    histogram = lc.Histogram()
    for _ in range(size):
        histogram.record(int(chance.lognormvariate(13, 1)))
    return histogram


def intervals(tags: tuple[str | None, ...] = (None,)) -> list[Interval]:
    return [
        Interval(START + second, 1.0, histogram_of(second * 10 + at), tag)
        for second in range(4)
        for at, tag in enumerate(tags)
    ]


def counts_of(theirs: HdrHistogram) -> list[tuple[int, int]]:
    return [
        (theirs.get_value_from_index(index), count)
        for index in range(theirs.counts_len)
        if (count := theirs.get_count_at_index(index))
    ]


def assert_same_intervals(read: list[Interval], written: list[Interval]) -> None:
    assert len(read) == len(written)
    for ours, truth in zip(read, written, strict=True):
        assert ours.start == pytest.approx(truth.start, abs=1e-6)
        assert ours.length == pytest.approx(truth.length, abs=1e-6)
        assert ours.histogram == truth.histogram
        assert ours.tag == truth.tag


@pytest.mark.parametrize("tags", [(None,), ("GET", "POST"), (None, "slow")])
def test_a_log_is_read_back(tmp_path: Path, tags: tuple[str | None, ...]) -> None:
    written = intervals(tags)
    write_hlog(tmp_path / "a.hlog", written)
    assert_same_intervals(list(read_hlog(str(tmp_path / "a.hlog"))), written)


def test_the_lines_of_a_log() -> None:
    file = io.StringIO()
    histogram = lc.Histogram()
    histogram.record(2_000_000)
    write_hlog(file, [Interval(START + 0.5, 1.25, histogram, "A")], start_time=START)
    assert file.getvalue().splitlines() == [
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1763712000.250000 (seconds since epoch), 2025-11-21 08:00:00.250000+00:00]",
        "#[BaseTime: 1763712000.250000 (seconds since epoch)]",
        LEGEND,
        f"Tag=A,0.500000,1.250000,2.000895,{to_base64(histogram)}",
    ]


@pytest.mark.parametrize("tags", [(None,), ("GET", "POST")])
def test_they_read_what_we_write(tmp_path: Path, tags: tuple[str | None, ...]) -> None:
    written = intervals(tags)
    path = tmp_path / "ours.hlog"
    write_hlog(path, written)
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST, 3))
    try:
        for truth in written:
            theirs = reader.get_next_interval_histogram()
            assert [(low, count) for low, _, count in truth.histogram.buckets()] == counts_of(
                theirs
            )
            assert theirs.get_tag() == truth.tag
            assert theirs.get_start_time_stamp() == pytest.approx(truth.start * 1e3, abs=1e-2)
            assert theirs.get_end_time_stamp() == pytest.approx((truth.start + 1) * 1e3, abs=1e-2)
        assert reader.get_next_interval_histogram() is None
        assert reader.get_start_time_sec() == START
    finally:
        reader.close()


@pytest.mark.parametrize("relative", [False, True])
def test_we_read_what_they_write(tmp_path: Path, relative: bool) -> None:
    path = tmp_path / "theirs.hlog"
    truths = []
    with open(path, "w", encoding="utf-8") as file:
        writer = HistogramLogWriter(file)
        writer.output_log_format_version()
        writer.output_comment("a comment of nobody's concern")
        # Their output_start_time calls what no longer exists (iso_format), so its line is ours.
        file.write(f"#[StartTime: {START:f} (seconds since epoch), whenever]\n")
        if relative:
            writer.output_base_time(START * 1000)
            writer.base_time = START * 1000
        writer.output_legend()
        for second in range(1, 4):
            chance = random.Random(second)
            theirs, truth = HdrHistogram(1, HIGHEST, 3), lc.Histogram()
            for _ in range(300):
                value = int(chance.lognormvariate(13, 1))
                theirs.record_value(value)
                truth.record(value)
            theirs.set_start_time_stamp((START + second) * 1000)
            theirs.set_end_time_stamp((START + second + 1) * 1000)
            writer.output_interval_histogram(theirs)
            truths.append(Interval(START + second, 1.0, truth))
    assert_same_intervals(list(read_hlog(path)), truths)


def test_their_tagged_lines_are_read() -> None:
    blob = to_base64(histogram_of(1))
    text = f"#[StartTime: {START:f} (seconds since epoch), x]\nTag=A,1.5,0.5,2.769,{blob}\n"
    (interval,) = read_hlog(io.StringIO(text))
    assert interval.tag == "A"
    assert interval.histogram == histogram_of(1)


@pytest.mark.parametrize(
    ("head", "timestamp", "start"),
    [
        ("", "5.0", 5.0),  # nothing said: the first time is the start
        (f"#[StartTime: {START} (s)]\n", "5.0", START + 5.0),  # decades before it: relative
        (f"#[StartTime: {START} (s)]\n", f"{START + 5}", START + 5.0),  # close to it: absolute
        (f"#[StartTime: {START} (s)]\n#[BaseTime: 100.0 (s)]\n", "5.0", 105.0),
    ],
)
def test_times_mean_what_the_head_says(head: str, timestamp: str, start: float) -> None:
    text = f"{head}{LEGEND}\n{timestamp},1.0,0.0,{to_base64(lc.Histogram())}\r\n"
    (interval,) = read_hlog(io.StringIO(text))
    assert interval.start == pytest.approx(start, abs=1e-6)


def test_intervals_add_up_to_the_whole(tmp_path: Path) -> None:
    written = intervals()
    write_hlog(tmp_path / "a.hlog", written)
    whole, again = lc.Histogram(), lc.Histogram()
    for interval in written:
        whole.merge(interval.histogram)
    for interval in read_hlog(tmp_path / "a.hlog"):
        again.merge(interval.histogram)
    assert again == whole


@pytest.mark.parametrize("start_time", [None, START])
def test_a_log_without_intervals(start_time: float | None) -> None:
    file = io.StringIO()
    write_hlog(file, [], start_time)
    assert LEGEND in file.getvalue()
    assert ("StartTime:" in file.getvalue()) == (start_time is not None)
    assert list(read_hlog(io.StringIO(file.getvalue()))) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1.0,1.0,HISTFAAA", "4 fields"),
        ("1.0,1.0,1.0,HISTFAAA,more", "4 fields"),
        ("x,1.0,1.0,HISTFAAA", "StartTimestamp is not a number"),
        ("1.0,nan,1.0,HISTFAAA", "Interval_Length is not a number"),
        ("1.0,1.0,1.0,HISTFAAA", "not a histogram"),
        ("Tag=A", "4 fields"),
        ("#[StartTime: soon (seconds since epoch)]", "StartTime is not a number"),
        ("#[BaseTime: inf (seconds since epoch)]", "BaseTime is not a number"),
        ("what is this", "4 fields"),
    ],
)
def test_a_bad_line_is_named(line: str, said: str) -> None:
    text = f"#[Histogram log format version 1.3]\n{LEGEND}\n\n{line}\n"
    with pytest.raises(ValueError, match=f"line 4 of the interval log: .*{said}"):
        list(read_hlog(io.StringIO(text)))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="line 1 "):
        list(read_hlog(tmp_path / "noise"))


@pytest.mark.parametrize(
    ("interval", "start_time", "said"),
    [
        (Interval(START, 1.0, lc.Histogram(), "a,b"), None, "no comma"),
        (Interval(START, 1.0, lc.Histogram(), "a b"), None, "no comma"),
        (Interval(START, 1.0, lc.Histogram(), "a\n"), None, "no comma"),
        (Interval(START, 1.0, lc.Histogram(), ""), None, "no comma"),
        (Interval(START, 1.0, lc.Histogram()), START + 1, "at or after the log's start"),
        (Interval(math.nan, 1.0, lc.Histogram()), START, "at or after the log's start"),
        (Interval(START, -1.0, lc.Histogram()), None, "length"),
        (Interval(START, math.inf, lc.Histogram()), None, "length"),
        (Interval(START, 1.0, lc.Histogram()), math.nan, "start_time"),
        (Interval(-1.0, 1.0, lc.Histogram()), None, "start_time"),
        (Interval(1e300, 1.0, lc.Histogram()), None, "start_time"),
    ],
)
def test_nothing_is_written_that_cannot_be_read(
    tmp_path: Path, interval: Interval, start_time: float | None, said: str
) -> None:
    path = tmp_path / "a.hlog"
    with pytest.raises(ValueError, match=said):
        write_hlog(path, [interval], start_time)
    assert not path.exists()
