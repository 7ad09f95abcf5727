"""What the repository promises about itself: documents, pins, the service's unit file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loadcore.cli._serve import command as serve

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS += [ROOT / "service/README.md"]
UNIT = ROOT / "service/loadcore-likes.service"
PINS = ("tools/requirements.txt", "tools/requirements-demo.txt")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_of_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    for link in links:
        assert (document.parent / link).exists(), link
    for path in re.findall(
        r"`((?:cpp|python|tests|tools|docs|service|orchestration)/[\w./-]*)`", text
    ):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_of_documents_exist(document: Path) -> None:
    named = set(re.findall(r"`?\bmake ([a-z][a-z-]*)`", document.read_text()))
    assert named <= make_targets()


def test_the_readme_opens_with_the_two_commands() -> None:
    first = re.search(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert first
    commands = [line.split("#")[0].strip() for line in first[1].splitlines()]
    assert commands == ["make demo", "make test"]


def test_ci_runs_the_command_of_the_readme() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"


def test_every_pin_is_exact_and_names_no_address() -> None:
    for name in PINS:
        for line in (ROOT / name).read_text().splitlines():
            assert re.match(r"^[A-Za-z0-9._-]+(\[[\w,]+\])?==[\w.!+-]+( ; .+)?$", line), line


def test_the_demo_needs_a_part_of_what_the_tests_need() -> None:
    all_of_it, needed = (
        {line.partition(" ; ")[0] for line in (ROOT / name).read_text().splitlines()}
        for name in PINS
    )
    assert needed <= all_of_it
    assert "pytest" not in " ".join(needed)


def test_the_unit_file_is_sound_and_gives_few_rights(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    text = UNIT.read_text()
    start = re.search(
        r"^ExecStart=/opt/loadcore/bin/loadcore serve ((?:.*\\\n)*.*)$", text, re.MULTILINE
    )
    assert start
    flags = {flag for option in serve.params for flag in option.opts}
    assert set(re.findall(r"--[a-z-]+", start[1])) <= flags
    assert re.search(r"--data \$\{STATE_DIRECTORY\}", start[1])
    unit = tmp_path / UNIT.name
    shutil.copy(UNIT.with_suffix(".socket"), tmp_path)
    # The program is not installed there on this machine, which systemd would complain about.
    unit.write_text(text.replace("/opt/loadcore/bin/loadcore serve", f"{sys.executable} serve"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit), str(unit.with_suffix(".socket"))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    about_it = [line for line in done.stderr.splitlines() if UNIT.stem in line]
    assert about_it == []
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


def test_the_cores_stub_agrees_with_the_extension(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(
        "loadcore._core.(Counts|IntervalRow|Progress|Result|ThreadRow)\n"  # types of dicts only
        # pybind11's metaclass; not their members
        "loadcore._core.(Engine|Histogram|Likes(Ex|Im)port|Service)\n"
    )
    command = [sys.executable, "-m", "mypy.stubtest", "loadcore._core", "--allowlist", str(allowed)]
    done = subprocess.run(
        [*command, "--mypy-config-file", "pyproject.toml", "--ignore-unused-allowlist"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": "python"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
