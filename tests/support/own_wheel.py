"""The wheel of this tree, and those it needs: made once for each state of the sources."""

from __future__ import annotations

import fcntl
import hashlib
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import fetching

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "cpp", "python", "orchestration", "service")
BUILD_S = 900.0


def wheel() -> Path:
    """With what is built already a matter of seconds, else of minutes."""
    folder = ROOT / "build/wheels" / digest()
    with locked(ROOT / "build/wheels"):
        if not (made := list(folder.glob("loadcore-*.whl"))):
            pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
            made = list(folder.glob("loadcore-*.whl"))
    return made[0]


def dependencies(package: Path) -> list[Path]:
    """The wheels that `package` with its extra aws needs, from the index that pip is set up for."""
    with zipfile.ZipFile(package) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    needs = "\n".join(sorted(line for line in lines if line.startswith("Requires-Dist:")))

    def download(partial: Path) -> None:
        pip("download", "--only-binary=:all:", "--dest", str(partial), f"{package}[aws]")
        (partial / package.name).unlink()

    folder = ROOT / ".cache" / f"wheels-{hashlib.sha256(needs.encode()).hexdigest()[:16]}"
    with locked(ROOT / ".cache"):
        if not folder.is_dir():
            fetching.fetch(download, folder)
    return sorted(folder.glob("*.whl"))


def digest() -> str:
    """Of all the sources: their paths and contents."""
    found = hashlib.sha256()
    for path in sorted(each for name in SOURCES for each in files(ROOT / name)):
        found.update(f"{path.relative_to(ROOT)}\n".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (
            each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", *arguments[1:]]
    fetching.run([*command, "--disable-pip-version-check"], BUILD_S)
