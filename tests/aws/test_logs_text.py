"""How log events look on a terminal."""

from __future__ import annotations

from loadcore_aws.cli._logs_text import COLORS, LogLines
from loadcore_aws.stack.logs_follow import LogEvent


def color_of(line: str) -> str:
    (color,) = (color for color in COLORS if f"[{color}]" in line)
    return color


def test_as_many_instances_as_there_are_colors_are_told_apart() -> None:
    lines = LogLines()

    def colors(*instances: int) -> list[str]:
        return [color_of(lines.line(LogEvent("1", 0, f"i-{at}", "m"))) for at in instances]

    first = colors(*range(10))
    assert sorted(first) == sorted(COLORS)
    assert colors(*reversed(range(10))) == first[::-1]
    # 9 has been silent for longest, then 8: two that take their places.
    assert colors(10, 11, 0, 10) == [first[9], first[8], first[0], first[9]]


def test_a_line_is_as_it_is_said() -> None:
    line = LogLines().line(LogEvent("1", 0, "i-0abc", "says [this]"))
    assert line.endswith("]i-0abc[/] says \\[this]")
