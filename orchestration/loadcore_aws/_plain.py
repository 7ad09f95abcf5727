"""Text of others as a terminal may have it."""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# C0, DEL and C1 (ISO/IEC 6429): one of them begins whatever a terminal is told to do.
CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_REPLACED = {code: REPLACEMENT for code in CONTROLS if chr(code) not in "\t\n"}


def plain(text: str) -> str:
    """Without what could clear a screen, write to the clipboard or go back to the begin of a line;
    as long as it was. Tabs and newlines stay."""
    return text.translate(_REPLACED)
