"""Files that are either written whole or not at all."""

from __future__ import annotations

import os

PathText = str | os.PathLike[str]


def write_atomically(path: PathText, data: bytes) -> None:
    """Replaces `path` by `data`: a reader sees the old file or the new one, never a part.

    Follows a symbolic link; writes into a device or pipe as it is. Raises OSError.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(target)
    draft = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        with open(draft, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
