"""A run as a table in a terminal, as HTML in a notebook and as a page."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
import recorded

import loadcore as lc
from loadcore import _chart, _html, _text

VOID = {"meta", "br", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers text and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def test_the_table_fits_80_columns_and_has_the_figures() -> None:
    run = recorded.run(verdict="suspect", reasons=["the loop was late " * 10, "x" * 200])
    text = _text.render(run, color=False)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "291 completed of 294" in text
    assert "2 timeout, 1 reset, 5 status" in text
    assert "97/s of 100/s asked for" in text
    assert "200: 286, 503: 5" in text
    assert re.search(r"verdict +suspect", text)
    for row in ("min", "mean", "p50", "p99.9", "p99.99", "max"):
        assert re.search(rf"^{re.escape(row)} +\d", text, re.MULTILINE)


def test_a_closed_loop_shows_service_time_and_says_so() -> None:
    text = _text.render(recorded.closed_run(), color=False)
    assert "closed loop" in text
    assert "latency = service time" in text
    assert "send lag" not in text


def test_color_changes_nothing_but_color() -> None:
    run = recorded.run()
    colored = _text.render(run, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[\d*m", "", colored) == _text.render(run, color=False)


def test_repr_is_plain_where_there_is_no_terminal() -> None:
    run = recorded.run()
    assert repr(run) == _text.render(run, color=False)


def test_control_characters_of_a_url_do_not_reach_the_terminal() -> None:
    text = _text.render(recorded.run(url="http://a/\x1b[2J\x07"), color=False)
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_long_url_is_cut() -> None:
    text = _text.render(recorded.run(url="http://127.0.0.1/" + "a" * 300), color=False)
    assert max(map(len, text.splitlines())) == 80


@pytest.mark.parametrize("run", [recorded.run(), recorded.closed_run()], ids=["open", "closed"])
def test_html_nests_and_holds_table_and_charts(run: lc.Run) -> None:
    page = Page(run._repr_html_())
    assert page.tags.count("svg") == 2
    assert "p99.9" in page.text
    assert "verdict" in page.text
    assert "script" not in page.tags


def test_what_users_write_is_escaped_everywhere() -> None:
    nasty = "http://127.0.0.1/<script>alert('1')</script>&\"x"
    plan = lc.Plan.of(nasty, rate=10, headers={"X-<b>": "<i>"}, name="<u>")
    reasons = ["<img src=x onerror=alert(1)>"]
    run = lc.Run(plan, recorded.result(verdict="suspect", reasons=reasons), {"cpu": "<marquee>"})
    for html in (run._repr_html_(), _html.page([run])):
        page = Page(html)
        assert not set(page.tags) & {"script", "img", "b>", "i", "u", "marquee"}
        assert nasty in page.text
        assert not any(name.startswith("on") for name, _ in page.attributes)


def test_the_page_is_one_file_that_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    recorded.run().report(path)
    text = path.read_text(encoding="utf-8")
    page = Page(text.replace("<!doctype html>", ""))
    assert not {name for name, _ in page.attributes} & {"src", "href", "srcset"}
    assert "url(" not in text
    assert "color-scheme: light dark" in text
    assert page.tags.count("svg") == 3
    for word in ("by percentile", "Plan", "Environment", "valid", "open loop at 100/s"):
        assert word in page.text


def test_credentials_stay_out_of_the_page() -> None:
    plan = lc.Plan.of("http://a/", rate=1, headers={"Authorization": "Bearer hush"})
    text = _html.page([lc.Run(plan, recorded.result(), {})])
    assert "hush" not in text
    assert "Authorization" in text


def test_a_page_may_hold_several_runs() -> None:
    page = Page(_html.page([recorded.run(), recorded.closed_run()]))
    assert page.tags.count("article") == 2


class TestChart:
    X = _chart.Axis(0.0, 10.0, [0.0, 5.0, 10.0], str)

    def test_is_well_formed_and_keeps_inside_its_frame(self) -> None:
        ys = [0.001 * (1 + number % 7) for number in range(11)]
        y = _chart.log_axis(ys, str)
        svg = _chart.chart("A & B", list(range(11)), self.X, y, [_chart.Series("s", ys)])
        root = ElementTree.fromstring(svg)
        assert root.get("aria-label") == "A & B"
        for points in re.findall(r'points="([^"]+)"', svg):
            for point in points.split():
                left, top = map(float, point.split(","))
                assert 0 <= left <= _chart.WIDTH
                assert 0 <= top <= _chart.HEIGHT

    def test_leaves_a_gap_where_there_is_no_value(self) -> None:
        ys = [1.0, 2.0, math.nan, 3.0, math.nan, 4.0, 5.0]
        y = _chart.linear_axis(ys, str)
        svg = _chart.chart("t", list(range(7)), self.X, y, [_chart.Series("s", ys)])
        assert svg.count("<polyline") == 2
        assert svg.count("<circle") == 1
        assert "nan" not in svg

    def test_keeps_the_peak_of_a_long_run(self) -> None:
        ys = [1.0] * 86_400
        ys[12_345] = 100.0
        x = _chart.Axis(0.0, 86_400.0, [0.0], str)
        y = _chart.linear_axis(ys, str)
        svg = _chart.chart("t", list(range(86_400)), x, y, [_chart.Series("s", ys)])
        assert len(svg) < 20_000
        tops = [float(point) for point in re.findall(r",(\d+\.\d)", svg)]
        flat = max(tops)
        assert flat - min(tops) > _chart.HEIGHT / 2

    @pytest.mark.parametrize("highest", [0.003, 0.7, 1, 9, 10, 61, 123_456, math.nan, 0.0])
    def test_linear_axes_start_at_0_and_hold_all_values(self, highest: float) -> None:
        axis = _chart.linear_axis([0.0, highest], str)
        assert axis.low == axis.ticks[0] == 0.0
        assert axis.high == pytest.approx(axis.ticks[-1])
        assert math.isnan(highest) or axis.high >= highest * (1 - 1e-9)
        assert 2 <= len(axis.ticks) <= 7

    @pytest.mark.parametrize(
        ("low", "high"), [(1e-6, 10.0), (0.2e-3, 0.3e-3), (1e-3, 1e-3), (5e-3, 5e-3), (3, 900)]
    )
    def test_log_axes_hold_all_values(self, low: float, high: float) -> None:
        axis = _chart.log_axis([low, high, math.nan, 0.0], str)
        assert axis.low <= low * (1 + 1e-9)
        assert axis.high >= high * (1 - 1e-9)
        assert axis.low < axis.high
        assert 0 <= axis.place(low) <= axis.place(high) <= 1 + 1e-9
        assert len(axis.ticks) >= 2
