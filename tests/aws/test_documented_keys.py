"""Every key that a file may have is in a table of the docs, with the default that the code has, and
every key in a table is one that a file may have."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from dataclasses import replace
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pytest

from loadcore_aws.autoscaling.control.config import Control
from loadcore_aws.autoscaling.metrics import NAMED
from loadcore_aws.autoscaling.policy_file import PolicyFile
from loadcore_aws.autoscaling.spec import Group
from loadcore_aws.stack.design import instances
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.spec import GROUP, Database, Package, Stack, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REGION = "eu-central-1"
FACTS = Facts(
    "123456789012", "aws", REGION, (f"{REGION}a", f"{REGION}b"), "vpc-1", ("subnet-1", "subnet-2"),
    "ami-1", "/dev/xvda", (File("a.whl", "a.whl", "0" * 64, 10),), "",
)  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs"
FILES: dict[str, tuple[type, tuple[str, ...]]] = {
    "STACK.toml": (Stack, ("stack.md", "autoscaling.md")),
    "POLICY.toml": (PolicyFile, ("autoscaling.md",)),
    "CONTROL.toml": (Control, ("controller.md",)),
}
"""what each is read into, and where its tables are"""
REQUIRED, NONE = "required", "none"
ALL = "all"


class Key(NamedTuple):
    """A setting of a file. `section` is as TOML writes it, and empty at the top of the file; `of`
    is the `kind` of the table that it belongs to, where there are several."""

    section: str
    of: str
    name: str


class Setting(NamedTuple):
    """What code or docs say of a key: its default as TOML writes it, or one of two words; and the
    words that it may be."""

    default: str
    choices: tuple[str, ...] = ()


# --- what the code says


def settings_of(cls: type, section: str = "", of: str = "") -> Iterator[tuple[Key, Setting]]:
    """Of a dataclass and of whatever it holds, as loadcore_aws._toml reads it: `kind`, which tells
    one from another, must be there."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        inner = list(_tables(hint))
        if inner:
            within = _within(section, field.name, hint)
            for each in inner:
                yield from settings_of(each, within, _kind(each) if len(inner) > 1 else "")
        default = REQUIRED if of and field.name == "kind" else _default(field)
        if not inner or default == REQUIRED or not _only_tables(hint):
            yield Key(section, of, field.name), Setting(default, _choices(hint))


def _parts(hint: Any) -> tuple[Any, ...]:
    """What a value may be, lists and tables of it too."""
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(part for each in get_args(hint) for part in _parts(each))
    if get_origin(hint) in (tuple, dict):
        return tuple(part for each in get_args(hint) for part in _parts(each))
    return (hint,)


def _tables(hint: Any) -> Iterator[type]:
    return (part for part in _parts(hint) if dataclasses.is_dataclass(part))  # type: ignore[misc]


def _only_tables(hint: Any) -> bool:
    """Then its section in the docs is enough, unless it must be there."""
    plain = [part for part in _parts(hint) if not dataclasses.is_dataclass(part)]
    return all(part in (type(None), Ellipsis) for part in plain)


def _within(section: str, name: str, hint: Any) -> str:
    path = ".".join(filter(None, [section.strip("[]"), name]))
    if get_origin(hint) is tuple:
        return f"[[{path}]]"
    return f"[{path}.NAME]" if get_origin(hint) is dict else f"[{path}]"


def _kind(cls: type) -> str:
    return str(get_args(get_type_hints(cls)["kind"])[0])


def _choices(hint: Any) -> tuple[str, ...]:
    literals = [part for part in _parts(hint) if get_origin(part) is Literal]
    return tuple(str(choice) for each in literals for choice in get_args(each))


def _default(field: dataclasses.Field[Any]) -> str:
    value = _default_value(field)
    if value is dataclasses.MISSING:
        return REQUIRED
    empty = value in (None, "", (), {}) or dataclasses.is_dataclass(value)
    return NONE if empty else _shown(value)


def _default_value(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _shown(value: Any) -> str:
    """As both sides are compared: 10 is 10.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_shown, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


# --- what the docs say


HEADING = re.compile(r"#+ .*")
CODE = re.compile(r"`([^`]*)`")
SECTION = re.compile(r"\[+[\w.]+\]+")


class Row(NamedTuple):
    """Of a table: its cells by the words of its first line, below the headings `sections`."""

    document: str
    sections: tuple[str, ...]
    cells: Mapping[str, str]


def rows(document: str) -> Iterator[Row]:
    heading = ""
    columns: list[str] = []
    for line in (DOCS / document).read_text().splitlines():
        if HEADING.fullmatch(line):
            heading = line
        if not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        cells = [cell.strip("| ") for cell in cells]
        if not columns:
            columns = cells
        elif set(line) - set("|- "):
            sections = tuple(code for code in CODE.findall(heading) if SECTION.fullmatch(code))
            yield Row(document, sections or ("",), dict(zip(columns, cells, strict=True)))


def documented(file: str) -> list[tuple[Key, Setting]]:
    """What the tables of its documents with a column `key` say; a section of the same name in the
    document of another file is not its."""
    cls, documents = FILES[file]
    own = {key.section for key, _ in settings_of(cls)}
    found = []
    for row in (row for document in documents for row in rows(document)):
        if "key" not in row.cells or (file, row.document, *row.sections) in ELSEWHERE:
            continue
        (name,) = CODE.findall(row.cells["key"])
        of = CODE.findall(row.cells.get("of", "")) or [row.cells.get("of", "")]
        said = Setting(_said_default(row.cells["default"]), tuple(CODE.findall(row.cells[""])))
        found += [(Key(s, kind, name), said) for s in row.sections if s in own for kind in of]
    return found


ELSEWHERE = {("STACK.toml", "autoscaling.md", "[service]")}
"""POLICY.toml's, which is something else"""


def _said_default(cell: str) -> str:
    if cell in (REQUIRED, NONE):
        return cell
    (code,) = CODE.findall(cell)
    return _shown(json.loads(code))  # TOML writes these as JSON does


def _for(key: Key, said: list[tuple[Key, Setting]]) -> list[Setting]:
    wanted = {key, key._replace(of=ALL)} if key.of else {key}
    return [setting for each, setting in said if each in wanted]


# --- that they say the same


@pytest.mark.parametrize("file", FILES)
def test_every_key_is_documented_with_its_default_and_its_words(file: str) -> None:
    said = documented(file)
    wrong = []
    for key, setting in dict(settings_of(FILES[file][0])).items():
        told = _for(key, said)
        if len(told) != 1:
            wrong.append(f"{key} is in {len(told)} rows")
            continue
        if told[0].default != setting.default:
            wrong.append(f"{key}: default {setting.default}, documented as {told[0].default}")
        if missing := set(setting.choices) - {*told[0].choices, setting.default.strip('"')}:
            wrong.append(f"{key}: {missing} are not named")
    assert wrong == []


@pytest.mark.parametrize("file", FILES)
def test_every_documented_key_is_one(file: str) -> None:
    known = [key for key, _ in settings_of(FILES[file][0])]
    for key, _ in documented(file):
        assert any(key.of in ("", ALL, each.of) and each._replace(of=key.of) == key
                   for each in known), key  # fmt: skip


def test_every_section_of_the_documents_belongs_to_a_file() -> None:
    known = {key.section for cls, _ in FILES.values() for key, _ in settings_of(cls)}
    documents = {document for _, several in FILES.values() for document in several}
    told = {s for document in documents for row in rows(document) for s in row.sections
            if "key" in row.cells}  # fmt: skip
    assert told == known


def test_a_section_left_out_is_one_with_its_defaults() -> None:
    """But for [group] of a stack, of which the docs say so."""
    for cls, _ in FILES.values():
        for field in dataclasses.fields(cls):
            default: Any = _default_value(field)
            if dataclasses.is_dataclass(default) and (cls, field.name) != (Stack, "group"):
                assert default == type(default)(), field.name  # type: ignore[misc]
    said = f"A STACK.toml without this table has {GROUP.min} to {GROUP.max} instances."
    assert said in (DOCS / "autoscaling.md").read_text()
    assert replace(GROUP, min=1, max=1) == Group()


def test_the_variables_of_service_and_migration_are_documented() -> None:
    told = {
        name
        for row in rows("instances.md")
        if "variable" in row.cells
        for name in CODE.findall(row.cells["variable"])
    }
    full = Stack("demo", REGION, Package("a.whl"), table=Table(), database=Database())
    assert told == instances.instance_plan(full, FACTS)["environment"].keys()


def test_the_words_for_metrics_are_documented_as_they_are_deployed() -> None:
    told = {
        CODE.findall(row.cells["word"])[0]: (
            *CODE.findall(row.cells["metric of CloudWatch"]),
            row.cells["unit"],
            row.cells["statistic"],
            row.cells["without traffic"],
        )
        for row in rows("autoscaling.md")
        if "word" in row.cells
    }
    assert told == {
        word: (each.namespace, each.name, each.unit, each.statistic, each.idle)
        for word, each in NAMED.items()
    }
