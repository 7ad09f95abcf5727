"""kill -9 at random moments of a service under load: nothing acknowledged is ever lost.

`make crash` is the same with thousands of kills. LOADCORE_KILLS says how many, LOADCORE_SEED makes
the same choices again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LANE = Path(__file__).parent / "lane.py"
KILLS = int(os.environ.get("LOADCORE_KILLS", "320"))
SEED = int(os.environ.get("LOADCORE_SEED", random.SystemRandom().randrange(2**32)))
LANES = (
    ("--durability", "fsync", "--snapshot-log-bytes", "1000000"),
    ("--durability", "fsync", "--snapshot-log-bytes", "2000", "--threads", "2"),
    ("--durability", "os", "--snapshot-log-bytes", "2000"),
    ("--durability", "os", "--snapshot-log-bytes", "100000", "--threads", "2", "--clients", "6"),
    ("--durability", "fsync", "--snapshot-log-bytes", "20000", "--crowd", "200", "--clients", "1"),
)
SECONDS_A_KILL = 3  # at worst


def run_lanes(kills: int) -> list[dict[str, Any]]:
    """All of them at once; fails with what a lane says and how to run it again."""
    lanes = [
        subprocess.Popen(
            [sys.executable, str(LANE), "--seed", str(SEED + number), "--kills", str(kills), *how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, how in enumerate(LANES)
    ]
    try:
        done = [lane.communicate(timeout=60 + kills * SECONDS_A_KILL) for lane in lanes]
    finally:
        for lane in lanes:
            lane.kill()
            lane.wait()
    for lane, (_, said) in zip(lanes, done, strict=True):
        assert lane.returncode == 0, said
    return [json.loads(summary) for summary, _ in done]


@pytest.mark.timeout(60 + KILLS * SECONDS_A_KILL)
def test_what_was_acknowledged_survives_kills() -> None:
    summaries = run_lanes(-(-KILLS // len(LANES)))
    print(*summaries, sep="\n")
    total = {name: sum(each[name] for each in summaries) for name in ("kills", "acknowledged")}
    assert total["kills"] >= KILLS
    # They were kills under load, and the cases that are hard did come up.
    assert total["acknowledged"] > 10 * KILLS
    if KILLS >= 300:
        for name in (
            "unknown", "replayed_by_retry", "counted_by_retry", "replays", "reads",
            "kills_in_a_snapshot", "kills_while_starting",
        ):  # fmt: skip
            assert sum(each.get(name, 0) for each in summaries) > 0, name
