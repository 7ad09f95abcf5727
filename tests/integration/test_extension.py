"""What the extension asks of the system it runs on, as its ELF headers tell."""

from __future__ import annotations

import platform
import re
import subprocess

import pytest

from loadcore import _core


def told(option: str) -> str:
    return subprocess.run(
        ["readelf", option, "--wide", str(_core.__file__)],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip


def test_it_brings_its_cpp_library() -> None:
    assert "[libc.so" in told("--dynamic")
    assert "libstdc++" not in told("--dynamic")


@pytest.mark.skipif(platform.libc_ver()[1] != "2.36", reason="tells of what Debian 12 builds")
def test_what_debian_12_builds_runs_on_amazon_linux_2023() -> None:
    """Whose C library is 2.34 (Amazon Linux 2023 release notes, glibc-2.34-...amzn2023)."""
    wanted = set(re.findall(r"\bGLIBC_(\d+)\.(\d+)", told("--version-info")))
    assert ("2", "34") in wanted
    assert max((int(major), int(minor)) for major, minor in wanted) <= (2, 34)
