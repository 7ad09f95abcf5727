"""A log event as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from loadcore_aws.stack.logs_follow import LogEvent

COLORS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green",
          "bright_yellow", "bright_magenta", "bright_blue")  # fmt: skip


class LogLines:
    """Gives each instance a colour that it keeps: a new one's is the one not seen for longest, so
    as many instances as there are colours are told apart, also where others have replaced them."""

    def __init__(self) -> None:
        self._colors: dict[str, str] = {}
        self._by_use = list(COLORS)

    def line(self, event: LogEvent) -> str:
        """In rich's markup."""
        color = self._colors.setdefault(event.instance, self._by_use[0])
        self._by_use.remove(color)
        self._by_use.append(color)
        instance, message = escape(event.instance), escape(event.message)
        return f"[dim]{event.time_text}[/] [{color}]{instance}[/] {message}"
