"""Files that are either written whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PathText = str | os.PathLike[str]


def write_atomically(path: PathText, data: bytes) -> None:
    """Replaces `path` by `data`: a reader sees the old file or the new one, never a part.

    Follows a symbolic link; writes into a device or pipe as it is. Raises OSError.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: PathText) -> Iterator[BinaryIO]:
    """The same, piece by piece: takes the place of `path` at the end of the block, if that is
    reached."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    draft = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        with open(draft, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
