"""Line charts as inline SVG: no script, no style sheet, readable on light and dark grounds.

Text and axes take the colour of the text around them; lines differ in dashes as well as in hue.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 640, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 26, 30, 34
_POINTS_MAX = 400
# Each at least 3:1 against white and against near-black.
_COLORS = ("#2f7fd6", "#d1711b", "#a34fc4", "#2b9348")
_DASHES = ("", "7 3", "2 3", "10 3 2 3")


class Series(NamedTuple):
    """`ys` may hold NaN, which leaves a gap. `merge` makes one value of many neighbours."""

    name: str
    ys: Sequence[float]
    merge: Callable[[Sequence[float]], float] = max


class Axis(NamedTuple):
    """Values from `low` to `high`; `ticks` are labelled with `text`."""

    low: float
    high: float
    ticks: Sequence[float]
    text: Callable[[float], str]
    log: bool = False

    def place(self, value: float) -> float:
        """0 at `low` to 1 at `high`."""
        if self.log:
            span = math.log(self.high) - math.log(self.low)
            return (math.log(max(value, self.low)) - math.log(self.low)) / span
        return (value - self.low) / (self.high - self.low)


def linear_axis(values: Sequence[float], text: Callable[[float], str]) -> Axis:
    """From 0 to a round number that holds every value."""
    highest = max((value for value in values if not math.isnan(value)), default=0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(step for step in (power / 5, power / 2, power, power * 2) if highest <= 6 * step)
    count = math.ceil(highest / step - 1e-9)
    return Axis(0.0, count * step, [number * step for number in range(count + 1)], text)


def log_axis(values: Sequence[float], text: Callable[[float], str]) -> Axis:
    """Between round numbers around all values above 0, ticks at 1, 2 and 5 where there is room."""
    present = [value for value in values if value > 0]  # NaN is not
    low, high = (min(present), max(present)) if present else (1e-3, 1.0)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last += first == last
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    below = max((tick for tick in ticks if tick <= low), default=ticks[0])
    above = min((tick for tick in ticks if tick >= high), default=ticks[-1])
    if below == above:
        above = ticks[min(ticks.index(above) + 1, len(ticks) - 1)]
        below = ticks[max(ticks.index(above) - 1, 0)]
    return Axis(below, above, [tick for tick in ticks if below <= tick <= above], text, log=True)


def chart(title: str, xs: Sequence[float], x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """One `<svg>`; every series has a value for every one of `xs`, which ascend."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="11" '
        f'fill="currentColor" style="width:100%;max-width:{WIDTH}px;height:auto">',
        f'<text x="0" y="13" font-size="13" font-weight="600">{escape(title)}</text>',
    ]
    parts += _frame(x, y)
    for number, one in enumerate(series):
        color, dash = _COLORS[number % len(_COLORS)], _DASHES[number % len(_DASHES)]
        parts += _line(xs, one, x, y, color, dash)
        if len(series) > 1:
            parts += _legend(one.name, len(series) - number, color, dash)
    return "".join([*parts, "</svg>"])


def _frame(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in y.ticks:
        at = _y(y, tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="currentColor" stroke-opacity=".18"/>'
            f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill-opacity=".8">'
            f"{escape(y.text(tick))}</text>"
        )
    for tick in x.ticks:
        parts.append(
            f'<text x="{_x(x, tick):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle" '
            f'fill-opacity=".8">{escape(x.text(tick))}</text>'
        )
    return parts


def _line(
    xs: Sequence[float], series: Series, x: Axis, y: Axis, color: str, dash: str
) -> list[str]:
    stroke = f'fill="none" stroke="{color}" stroke-width="1.8" stroke-linejoin="round"'
    stroke += f' stroke-dasharray="{dash}"' if dash else ""
    parts: list[str] = []
    for piece in _pieces(*_thinned(xs, series)):
        points = [f"{_x(x, at):.1f},{_y(y, value):.1f}" for at, value in piece]
        if len(points) == 1:
            left, top = points[0].split(",")
            parts.append(f'<circle cx="{left}" cy="{top}" r="2.5" fill="{color}"/>')
        else:
            parts.append(f'<polyline points="{" ".join(points)}" {stroke}/>')
    return parts


def _legend(name: str, from_right: int, color: str, dash: str) -> list[str]:
    left = WIDTH - _RIGHT - 92 * from_right
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return [
        f'<line x1="{left}" x2="{left + 22}" y1="9" y2="9" stroke="{color}" '
        f'stroke-width="2"{dashes}/>',
        f'<text x="{left + 27}" y="13">{escape(name)}</text>',
    ]


def _thinned(xs: Sequence[float], series: Series) -> tuple[list[float], list[float]]:
    """At most as many points as can be seen; neighbours are merged, so that no peak is lost."""
    size = -(-len(xs) // _POINTS_MAX) or 1
    thin_xs, thin_ys = [], []
    for start in range(0, len(xs), size):
        present = [value for value in series.ys[start : start + size] if not math.isnan(value)]
        thin_xs.append(xs[start])
        thin_ys.append(series.merge(present) if present else math.nan)
    return thin_xs, thin_ys


def _pieces(xs: Sequence[float], ys: Sequence[float]) -> list[list[tuple[float, float]]]:
    """The runs of points between the gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(xs, ys, strict=True):
        if math.isnan(value):
            pieces.append([])
        else:
            pieces[-1].append((at, value))
    return [piece for piece in pieces if piece]


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.place(value) * (HEIGHT - _TOP - _BOTTOM)
