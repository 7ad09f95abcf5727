"""The command line around its commands: help, version, plug-ins, report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import recorded
from command import loadcore

import loadcore as lc


def test_the_version_is_the_packages() -> None:
    done = loadcore("--version")
    assert done.stdout == f"loadcore {lc.__version__}\n"
    from importlib.metadata import version

    assert version("loadcore") == lc.__version__


def test_the_script_is_the_module() -> None:
    script = Path(sys.executable).parent / "loadcore"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == loadcore("--version").stdout


def test_help_says_every_command_and_every_flag() -> None:
    top = loadcore("--help").stdout
    assert top == loadcore().stdout == loadcore("-h").stdout
    for name in ("run", "serve", "demo", "report"):
        assert name in top
        done = loadcore(name, "--help")
        assert done.returncode == 0
        assert f"loadcore {name}" in done.stdout
    text = loadcore("run", "--help").stdout
    for flag in ("-X", "-H", "-b", "-c", "-t", "-d", "-n", "-r", "--json", "--save", "--warmup"):
        assert flag in text


@pytest.mark.parametrize("name", ["stack", "autoscale"])
def test_a_command_of_an_extra_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    """As it is without boto3, which only the extra brings."""
    (tmp_path / "boto3.py").write_text("raise ModuleNotFoundError('there is no boto3')")
    done = loadcore(name, "plan", "a.toml", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run pip install '.[aws]' in loadcore's folder" in done.stderr


@pytest.mark.parametrize("name", ["stack", "autoscale", "likes"])
def test_a_group_without_a_command_shows_its_help_as_it_is(name: str) -> None:
    done = loadcore(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == loadcore(name, "--help").stdout


def test_debug_is_understood_after_the_commands_of_a_plug_in(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    for arguments in (("lint", missing, "--debug"), ("--debug", "lint", missing)):
        done = loadcore("autoscale", *arguments)
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1].startswith(f"loadcore: {missing}: cannot be read")


def test_an_unknown_command_names_those_that_there_are() -> None:
    done = loadcore("rnu")
    assert done.returncode == 2
    assert "'rnu'" in done.stderr
    assert "there are run, serve, likes, demo, report" in done.stderr


@pytest.fixture
def plug_in(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has a distribution with two commands."""
    package = tmp_path / "greeter-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[loadcore.commands]\nhello = greeter:hello\nbye = greeter_of_none:bye\n"
    )
    (tmp_path / "greeter.py").write_text(
        "import click\n\n@click.command()\ndef hello():\n    '''Greets.'''\n    print('hello')\n"
    )
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def test_another_distribution_adds_its_commands(plug_in: dict[str, str]) -> None:
    assert loadcore("hello", env=plug_in).stdout == "hello\n"
    text = loadcore("--help", env=plug_in).stdout
    assert "Greets." in text
    assert "not available" in text


def test_a_plug_in_that_cannot_be_imported_says_how_to_get_it(plug_in: dict[str, str]) -> None:
    done = loadcore("bye", env=plug_in)
    assert done.returncode == 2
    assert "greeter_of_none" in done.stderr
    assert "reinstall the distribution that brings it" in done.stderr


def test_report_makes_a_page_of_a_saved_run(tmp_path: Path) -> None:
    recorded.run().save(tmp_path / "a.run")
    assert loadcore("report", "a.run", cwd=tmp_path).returncode == 0
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("content", [None, b"", b"no run"])
def test_report_refuses_what_is_no_saved_run(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.run").write_bytes(content)
    done = loadcore("report", "a.run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "a.run" in done.stderr
    assert not (tmp_path / "report.html").exists()
