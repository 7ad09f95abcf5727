"""A Prometheus text page, and quantiles of its histograms; with the standard library alone, as the
Lambda function has no other.

Sources: "Exposition formats" and "Query functions: histogram_quantile()", Prometheus documentation.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\}\s*|\s)(\S+)(?:\s+-?\d+)?")
LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
ESCAPE = re.compile(r"\\(.)")


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


def parse(page: str) -> list[Sample]:
    """All samples of a page. Raises ValueError, which names the line, for what is none."""
    return [
        _sample(line, number)
        for number, line in enumerate(page.split("\n"), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _sample(line: str, number: int) -> Sample:
    match = SAMPLE.fullmatch(line.strip())
    try:
        if match is None:
            raise ValueError
        return Sample(match[1], _labels(match[2] or ""), float(match[3]))
    except ValueError:
        raise ValueError(f"line {number} is no Prometheus sample: {line[:80]!r}") from None


def _labels(text: str) -> dict[str, str]:
    labels, at = {}, 0
    while text[at:].strip():
        match = LABEL.match(text, at)
        if match is None:
            raise ValueError
        labels[match[1]] = ESCAPE.sub(lambda escape: _unescaped(escape[1]), match[2])
        at = match.end()
    return labels


def _unescaped(character: str) -> str:
    return "\n" if character == "n" else character


def histogram_quantile(quantile: float, buckets: Mapping[float, float]) -> float:
    """The value that the share `quantile`, above 0 and below 1, of the observations does not
    exceed, taking them as spread evenly within their bucket.

    `buckets` maps each upper bound to the count of observations up to it. As documented: NaN
    without observations, without a bucket up to +Inf or with fewer than two; the second highest
    bound where the quantile lies in the highest bucket; the lowest bucket begins at 0 where its
    bound is above 0, and is taken as that bound where it is not.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts, most = [], 0.0
    for bound in bounds:
        most = max(most, buckets[bound])  # scraped one after the other, they may not quite ascend
        counts.append(most)
    if not most:
        return math.nan
    rank = quantile * most
    index = next(i for i, count in enumerate(counts) if count >= rank)
    if index == len(bounds) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    start, before = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    return start + (bounds[index] - start) * (rank - before) / (counts[index] - before)
