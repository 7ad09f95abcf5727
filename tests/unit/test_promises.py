"""Every test that docs/promises.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/promises.md").read_text()


def test_every_promise_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", TEXT)
    assert len(named) > 20
    for path, name in named:
        kind = "def {}(" if path.endswith(".py") else "BOOST_AUTO_TEST_CASE({})"
        assert kind.format(name) in (ROOT / path).read_text(), f"{path}::{name}"


def test_every_promise_has_a_mode_and_a_test() -> None:
    rows = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if len(row) == 3 and row[0] not in ("| promise", "| ---")]
    assert len(promises) > 15
    for promise, modes, tests in promises:
        assert re.match(r"(all|os|fsync)", modes), promise
        assert "`tests/" in tests, promise
