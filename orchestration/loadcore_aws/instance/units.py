"""The unit files that belong to this version of the package."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path) -> list[str]:
    """Writes what differs; the names of those, in order. Raises OSError."""
    changed = []
    for unit in sorted(files(__package__).joinpath("units").iterdir(), key=lambda file: file.name):
        path = folder / unit.name
        text = unit.read_text()
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            changed.append(unit.name)
    return changed
