"""The benchmark's scripts work, in their smallest amounts; what they measure repeats or is bounded.

Speed is not asserted here: a machine that runs tests is not quiet. Counts are.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
needs_two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="the benchmark gives each side a core"
)


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BENCH / "run"), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "PYTHON": sys.executable},
    )


def _figures(part: str, folder: Path) -> dict[str, float]:
    file = folder / "figures.json"
    done = _bench(part, "--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert f"## {part}" in done.stdout
    figures: dict[str, float] = json.loads(file.read_text())[part]
    return figures


@needs_two_cores
def test_closed_loop_compares_with_who_is_there(tmp_path: Path) -> None:
    figures = _figures("closed", tmp_path)
    assert figures["ratio_to_loadcore"] == 1.0
    assert ("ratio_to_wrk" in figures) == bool(shutil.which("wrk"))


@needs_two_cores
@pytest.mark.skipif(
    not (shutil.which("strace") and shutil.which("valgrind")), reason="needs strace and valgrind"
)
def test_a_request_costs_two_system_calls_and_few_instructions(tmp_path: Path) -> None:
    figures = _figures("cost", tmp_path)
    assert 2.0 <= figures["system_calls"] <= 2.15
    assert 100 <= figures["instructions"] <= 2_700


@needs_two_cores
def test_memory_above_the_interpreter_is_bounded(tmp_path: Path) -> None:
    figures = _figures("memory", tmp_path)
    assert 0 < figures["small_mb"] <= 12
    assert figures["growth_mb"] <= 2


@needs_two_cores
def test_a_stall_is_seen_by_every_request(tmp_path: Path) -> None:
    figures = _figures("stall", tmp_path)
    assert figures["answered"] == figures["scheduled"]
    assert figures["send_lag_us"] > 0


@needs_two_cores
def test_the_server_part_says_what_it_lacks(tmp_path: Path) -> None:
    if NGINX and shutil.which("wrk"):
        assert _figures("server", tmp_path).keys() == {"ratio_post", "ratio_get"}
        return
    done = _bench("server", "--quick")
    assert done.returncode == 4
    assert "tests/bench/peers installs it" in done.stderr


@needs_two_cores
def test_the_likes_part_says_what_it_lacks(tmp_path: Path) -> None:
    if NGINX and all(shutil.which(program) for program in ("wrk", "redis-server")):
        figures = _figures("likes", tmp_path)
        assert len(figures) == 12
        assert all(ratio > 0 for ratio in figures.values())
        return
    done = _bench("likes", "--quick")
    assert done.returncode == 4
    assert "tests/bench/peers installs it" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["speed"], "there is no speed"),
        (["--rounds", "0"], "must be at least 1"),
        (["--quick", "--write"], "mean nothing"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], sentence: str) -> None:
    done = _bench(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_the_document_has_a_place_for_every_table() -> None:
    document = (BENCH.parents[1] / "docs" / "benchmarks.md").read_text()
    for part in ("machine", "closed", "cost", "memory", "stall", "server", "likes"):
        assert document.count(f"<!-- bench:{part} -->\n") == 1
        assert document.count(f"<!-- /bench:{part} -->") == 1
