"""What README.md tells a reader to type works as it stands, against a service of this test's own
and for less time."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from open_loop import assert_all_due

import loadcore as lc

README = (Path(__file__).parents[2] / "README.md").read_text()
TARGET = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def here(text: str, url: str) -> str:
    """The same, aimed at `url` and half a second long."""
    return re.sub(r"\b(10s|30s|10m)\b", "500ms", text.replace(TARGET, url))


def commands() -> list[str]:
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("loadcore run")]


def test_the_readme_has_something_to_try() -> None:
    assert len(commands()) == 3
    assert len(blocks("python")) == 2


@pytest.mark.parametrize("command", commands())
def test_its_commands_run(command: str, tmp_path: Path) -> None:
    with lc.serve(port=0) as service:
        words = shlex.split(here(command, service.url))[1:]
        done = subprocess.run(
            [sys.executable, "-m", "loadcore", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    if "--json" in words:
        result = json.loads((tmp_path / "result.json").read_text())
        assert result["requests"]["completed"] > 0
        assert lc.load(tmp_path / "monday.run").to_dict() == result


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = blocks("python")
    names: dict[str, Any] = {}
    exec(here(first, ""), names)
    assert_all_due(names["run"].requests, 1000)
    assert lc.load("monday.run").to_dict() == names["run"].to_dict()
    with lc.serve(port=0) as service:
        exec(here(second, service.url), names)
    assert names["run"].interrupted
