"""TOML files into frozen dataclasses, with every fault of a file told at once, and its line.

The dataclasses say what is allowed: a key that is no field, a value of another type or outside a
Literal is a fault, and so is whatever their `faults()` and `combined_faults()`
yield, of which the second, about what does not fit together, waits until every part can be read.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import loadcore as lc
from loadcore_aws._faults import Fault, SpecError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

Where = tuple[str | int, ...]
T = TypeVar("T")

BAD: Any = object()  # in place of a value that could not be read; its fault is noted

INTEGER_BITS = 64
"""TOML v1.0.0, "Integer": what does not fit must be refused."""
LEAST, MOST = 2.0**-360, 2.0**360
"""Beside 0, the size of the numbers that CloudWatch takes ("MetricDatum", Amazon CloudWatch API
Reference). It holds for all of ours: thresholds are compared to such, and what is made of two or
three does not overflow."""
SHOWN_MAX = 80

HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_.-]+))\s*=""")


def read(cls: type[T], path: str | Path, *, part: bool = False) -> T:
    """The file at `path` as a `cls`; with `part` it may hold more, which is passed over.

    Raises SpecError with all that is wrong in it, lc.PlanError where it cannot be read at all.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise lc.PlanError(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise lc.PlanError(str(path), "is not UTF-8 text; TOML must be") from None
    return parse(cls, text, source=str(path), part=part)


def parse(cls: type[T], text: str, *, source: str = "file", part: bool = False) -> T:
    """As read(), of a text; `source` is what faults are said of."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise lc.PlanError(source, f"is not valid TOML: {error}") from None
    except ValueError:  # of int(), for thousands of digits
        sentence = f"holds a whole number of more than {INTEGER_BITS} bits; give a smaller one"
        raise lc.PlanError(source, sentence) from None
    except RecursionError:
        sentence = "holds lists or tables hundreds deep; no setting is deeper than a few"
        raise lc.PlanError(source, sentence) from None
    reading = Reading()
    if part:
        names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        table = {key: raw for key, raw in table.items() if key in names}
    value = reading.table(cls, table, ())
    if reading.faults:
        lines = line_numbers(text)
        raise SpecError(source, [_with_line(fault, lines) for fault in reading.faults])
    assert isinstance(value, cls)
    return value


def check(value: Any, source: str) -> None:
    """Raises SpecError with all faults of a value made in Python, to any depth.

    Numbers come first, and alone where one is none: the rest would calculate with it.
    """
    faults = list(_number_faults(value)) or list(_faults_of(value))
    if faults:
        raise SpecError(source, faults)


def no_number(number: Any) -> str:
    """What is wrong with an int or a float, as a sentence; empty for one to calculate with."""
    if isinstance(number, int):
        fits = -(1 << INTEGER_BITS - 1) <= number < 1 << INTEGER_BITS - 1
        return "" if fits else f"does not fit into {INTEGER_BITS} bits; give a smaller number"
    if not math.isfinite(number):
        return f"is {number}; give a finite number"
    if number and not LEAST <= abs(number) <= MOST:
        return f"is {number:g}; give 0, or a size from {LEAST:.1g} to {MOST:.1g}"
    return ""


def _number_faults(value: Any) -> Iterator[Fault]:
    if isinstance(value, numbers.Real) and (sentence := no_number(value)):
        yield Fault((), sentence)
    for name, part in _parts(value):
        for fault in _number_faults(part):
            yield fault.under(name)


def _faults_of(value: Any) -> Iterator[Fault]:
    for name, part in _parts(value):
        for fault in _faults_of(part):
            yield fault.under(name)
    if dataclasses.is_dataclass(value):
        if hasattr(value, "faults"):
            yield from value.faults()
        if hasattr(value, "combined_faults"):
            yield from value.combined_faults()


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)
    elif isinstance(value, tuple):
        yield from enumerate(value)


class Reading:
    """One reading of a file: what was wrong so far."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def table(self, cls: type, table: dict[str, Any], where: Where) -> Any:
        """An instance of `cls` from what is sound in the table; BAD where that does not do."""
        before = len(self.faults)
        hints = get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        given = {}
        for key, raw in table.items():
            if key in fields:
                given[key] = self.value(hints[key], raw, (*where, key))
            else:
                near = difflib.get_close_matches(key, fields, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(fields)}"
                self._fault((*where, key), f"is not known here{hint}")
        required = {name for name, field in fields.items() if _has_no_default(field)}
        for name in sorted(required - given.keys()):
            self._fault((*where, name), "is missing")
        sound = {key: value for key, value in given.items() if value is not BAD}
        if required - sound.keys():
            return BAD
        clean = len(self.faults) == before
        value = cls(**sound)
        self._own_faults(value, where, given.keys() - sound.keys(), combined=clean)
        return value

    def _own_faults(self, value: Any, where: Where, unread: set[str], *, combined: bool) -> None:
        """What fits together is asked only where every part could be read, and nothing of a default
        that stands in for what could not."""
        if hasattr(value, "faults"):
            own = (fault for fault in value.faults() if not unread.intersection(fault.where[:1]))
            self.faults += [fault.under(*where) for fault in own]
        if combined and hasattr(value, "combined_faults"):
            self.faults += [fault.under(*where) for fault in value.combined_faults()]

    def value(self, hint: Any, raw: Any, where: Where) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return self._union(arguments, raw, where)
        if origin is Literal:
            if raw not in arguments:
                known = ", ".join(repr(choice) for choice in arguments)
                return self._fault(where, f"is {_shown(raw)}; take one of {known}")
            return raw
        if origin is tuple:
            if not isinstance(raw, list):
                return self._fault(where, f"is {_shown(raw)}; give a list")
            values = [self.value(arguments[0], each, (*where, i)) for i, each in enumerate(raw)]
            return tuple(value for value in values if value is not BAD)
        if origin is dict:
            if not isinstance(raw, dict):
                return self._fault(where, f"is {_shown(raw)}; give a table")
            pairs = {
                key: self.value(arguments[1], each, (*where, key)) for key, each in raw.items()
            }
            return {key: value for key, value in pairs.items() if value is not BAD}
        if dataclasses.is_dataclass(hint):
            if not isinstance(raw, dict):
                return self._fault(where, f"is {_shown(raw)}; give a table")
            return self.table(hint, raw, where)  # type: ignore[arg-type]
        return self._scalar(hint, raw, where)

    def _scalar(self, hint: type, raw: Any, where: Where) -> Any:
        fits = isinstance(raw, (int, float) if hint is float else hint)
        if not fits or (isinstance(raw, bool) and hint is not bool):
            words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
            return self._fault(where, f"is {_shown(raw)}; give {words.get(hint, hint.__name__)}")
        if isinstance(raw, (int, float)) and (sentence := no_number(raw)):
            return self._fault(where, sentence)
        return float(raw) if isinstance(raw, int) and hint is float else raw

    def _union(self, choices: tuple[Any, ...], raw: Any, where: Where) -> Any:
        """A table is told by its `kind`, else the first choice that fits is taken."""
        tables = [choice for choice in choices if dataclasses.is_dataclass(choice)]
        if isinstance(raw, dict) and tables:
            if len(tables) == 1:
                return self.value(tables[0], raw, where)
            kinds = {get_args(get_type_hints(each)["kind"])[0]: each for each in tables}
            kind = raw.get("kind")
            if not isinstance(kind, str) or kind not in kinds:
                known = ", ".join(kinds)
                said = "is missing; take" if kind in (None, "") else f"is {_shown(kind)}; take"
                return self._fault((*where, "kind"), f"{said} one of {known}")
            return self.value(kinds[kind], raw, where)
        plain = [choice for choice in choices if choice not in (*tables, type(None))]
        attempts = []
        for choice in plain:
            attempt = Reading()
            value = attempt.value(choice, raw, where)
            if not attempt.faults:
                return value
            attempts.append(attempt.faults)
        if not attempts:
            return self._fault(where, f"is {_shown(raw)}; give a table")
        # Where a choice takes this kind of value, it is the parts that are at fault.
        inside = (faults for faults in attempts if all(fault.where != where for fault in faults))
        self.faults += next(inside, attempts[0][:1])
        return BAD

    def _fault(self, where: Where, sentence: str) -> Any:
        self.faults.append(Fault(where, sentence))
        return BAD


def _shown(raw: Any) -> str:
    """As Python writes it, within bounds."""
    try:
        text = repr(raw)
    except ValueError:  # thousands of digits
        return "a number without end"
    except RecursionError:  # of dotted keys, which are read without any
        return "a table without end"
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def line_numbers(text: str) -> dict[Where, int]:
    """The line of each table header and each key that begins a line; keys of inline tables have
    none of their own. Lines inside multi-line texts that look like keys may add harmless entries.
    """
    lines: dict[Where, int] = {}
    counts: dict[Where, int] = {}
    table: Where = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := HEADER.match(line):
            table = _header(match, counts)
            lines.setdefault(table, number)
        elif match := KEY.match(line):
            quoted = match[1] or match[2]
            names = (quoted,) if quoted else tuple(match[3].split("."))
            lines.setdefault((*table, *names), number)
    return lines


def _header(match: re.Match[str], counts: dict[Where, int]) -> Where:
    """The way to a table: [[policy]] counts on, and [policy.x] lies in the last one."""
    where: Where = ()
    names = [name.strip().strip("\"'") for name in match[2].split(".")]
    for index, name in enumerate(names):
        where = (*where, name)
        if match[1] == "[[" and index == len(names) - 1:
            counts[where] = counts.get(where, -1) + 1
        if where in counts:
            where = (*where, counts[where])
    return where


def _with_line(fault: Fault, lines: dict[Where, int]) -> Fault:
    """The line of the setting, or of the nearest table around it."""
    for end in range(len(fault.where), 0, -1):
        if line := lines.get(fault.where[:end]):
            return dataclasses.replace(fault, line=line)
    return fault
