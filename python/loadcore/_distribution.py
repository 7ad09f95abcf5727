"""A histogram of the core, in seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadcore._core import Histogram

_NANOSECONDS = 1e9
# The percentiles of the contract's JSON, by the names they have there.
PERCENTILES = {
    "p50": 50.0,
    "p75": 75.0,
    "p90": 90.0,
    "p95": 95.0,
    "p99": 99.0,
    "p99.9": 99.9,
    "p99.99": 99.99,
}


class Distribution:
    """Times that were measured, to three significant figures, in seconds.

    `histogram` holds them (in nanoseconds) and is shared, not copied. Every figure of an empty
    distribution but `count` is NaN.
    """

    __slots__ = ("histogram",)

    def __init__(self, histogram: Histogram) -> None:
        self.histogram = histogram

    def percentile(self, percentile: float) -> float:
        """The time that `percentile` (0 to 100) of the values do not exceed, in seconds."""
        if not 0 <= percentile <= 100:
            raise ValueError(f"percentile must be from 0 to 100, not {percentile}")
        return self._seconds(self.histogram.value_at_percentile(percentile))

    @property
    def p50(self) -> float:
        return self.percentile(50)

    @property
    def p75(self) -> float:
        return self.percentile(75)

    @property
    def p90(self) -> float:
        return self.percentile(90)

    @property
    def p95(self) -> float:
        return self.percentile(95)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    @property
    def p999(self) -> float:
        """The 99.9th percentile."""
        return self.percentile(99.9)

    @property
    def p9999(self) -> float:
        """The 99.99th percentile."""
        return self.percentile(99.99)

    @property
    def mean(self) -> float:
        return self._seconds(self.histogram.mean())

    @property
    def stddev(self) -> float:
        return self._seconds(self.histogram.stddev())

    @property
    def min(self) -> float:
        return self._seconds(self.histogram.min)

    @property
    def max(self) -> float:
        return self._seconds(self.histogram.max)

    @property
    def count(self) -> int:
        return self.histogram.count

    def to_dict_ms(self) -> dict[str, Any]:
        """The contract's figures in milliseconds; None for those of an empty distribution."""
        figures: dict[str, float] = {"min": self.min, "mean": self.mean}
        figures |= {name: self.percentile(value) for name, value in PERCENTILES.items()}
        figures |= {"max": self.max, "stddev": self.stddev}
        return {
            **{name: None if math.isnan(s) else round(s * 1e3, 6) for name, s in figures.items()},
            "count": self.count,
        }

    def __repr__(self) -> str:
        from loadcore._units import duration_text

        shown = {"p50": self.p50, "p99": self.p99, "p99.9": self.p999, "max": self.max}
        text = ", ".join(f"{name} {duration_text(value)}" for name, value in shown.items())
        return f"<{self.count:,} times: {text}>" if self.count else "<no times>"

    def _seconds(self, value_ns: float) -> float:
        return value_ns / _NANOSECONDS if self.histogram.count else math.nan
