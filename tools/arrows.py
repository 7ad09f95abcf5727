#!/usr/bin/env python3
"""Holds the tree to its arrows: who may use whom. docs/architecture.md has the table in words.

tools/arrows.py [ROOT] prints one line for each violation and exits 1 if there are any;
tests/unit/test_arrows.py runs it over this tree, and over made-up trees that break each rule.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# A module may include its own headers and the public headers of these, and link to no other.
CPP = {
    "base": set[str](),
    "histogram": {"base"},
    "net": {"base"},
    "http": {"net", "base"},
    "load": {"http", "histogram", "base"},
    "counter": {"http", "base"},
    "bindings": {"load", "counter", "histogram", "base"},
}
SOCKETS = {"net", "http"}  # the modules whose sources may use Asio and Beast
CLIENT_MAKERS = {"client", "resource", "Session", "session", "setup_default_session"}
SESSION = "orchestration/loadcore_aws/session.py"

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
MODULE_CALL = re.compile(r"loadcore_module\(\s*(\w+)([^)]*)\)")
LINK_CALL = re.compile(r"target_link_libraries\(\s*(\w+)([^)]*)\)")
CMAKE_COMMENT = re.compile(r"#[^\n]*")


class Violation(NamedTuple):
    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}"


class Place(NamedTuple):
    """Where a C++ file stands: its module, and whether others may include it."""

    module: str
    public: bool
    test: bool = False


def place_of(path: Path) -> Place | None:
    """`path` is relative to the root; None for what belongs to no module."""
    match path.parts:
        case ("cpp", "include", "loadcore", module, _, *_):
            return Place(module, public=True)
        case ("cpp", "src", module, _, *_):
            return Place(module, public=False)
        case ("cpp", "bindings", *_):
            return Place("bindings", public=False)
        case ("tests", "cpp", module, _, *_):
            return Place(module, public=False, test=True)
    return None


def files(root: Path, *suffixes: str, under: tuple[str, ...]) -> list[Path]:
    """Relative to `root`."""
    return sorted(
        path.relative_to(root)
        for folder in under
        for path in (root / folder).rglob("*")
        if path.suffix in suffixes and path.is_file()
    )


def cpp_violations(root: Path) -> Iterator[Violation]:
    for path in files(root, ".hpp", ".cpp", under=("cpp", "tests/cpp")):
        place = place_of(path)
        if place is None:
            continue
        if place.module not in CPP:
            yield Violation(str(path), 1, f"{place.module} is no module of the table")
            continue
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                sentence = wrong_include(root, path, place, match[1] or "", match[2] or "")
                if sentence:
                    yield Violation(str(path), number, sentence)


def wrong_include(root: Path, path: Path, place: Place, system: str, own: str) -> str:
    """What is wrong with one #include, or nothing."""
    name = system or own
    first, _, rest = name.partition("/")
    if first == "loadcore":
        used = rest.partition("/")[0]
        if used != place.module and used not in CPP.get(place.module, set()):
            return f"{place.module} may not include {used}"
    elif name == "Python.h" or first == "pybind11":
        if place.module != "bindings":
            return "only cpp/bindings knows Python"
    elif first == "boost":
        if place.public:
            return "a public header shows no Boost"
        if rest.startswith(("asio", "beast")) and place.module not in SOCKETS:
            return "Asio and Beast stay in the sources of net and http"
    elif own:
        return wrong_private_include(root, path, place, own)
    return ""


def wrong_private_include(root: Path, path: Path, place: Place, own: str) -> str:
    if place.public:
        return f'a public header includes "{own}", which is not public'
    for base in (root / path.parent, root / "cpp/src", root / "tests/cpp"):
        target = (base / own).resolve()
        if target.is_file() and target.is_relative_to(root.resolve()):
            found = place_of(target.relative_to(root.resolve()))
            if found and found.module != place.module:
                return f'"{own}" is private to {found.module}'
            if found and found.test and not place.test:
                return f'"{own}" belongs to the tests'
            break
    return ""


def cmake_violations(root: Path) -> Iterator[Violation]:
    lists = root / "cpp/CMakeLists.txt"
    declared = set()
    text = CMAKE_COMMENT.sub("", lists.read_text()) if lists.is_file() else ""
    for match in MODULE_CALL.finditer(text):
        module, words = match[1], match[2].split()
        line = text.count("\n", 0, match.start()) + 1
        declared.add(module)
        for word in words:
            if word == "BOOST":
                if module not in SOCKETS:
                    yield Violation("cpp/CMakeLists.txt", line, f"{module} does without Boost")
            elif word != "DEPENDS" and word not in CPP.get(module, set()):
                yield Violation("cpp/CMakeLists.txt", line, f"{module} may not link to {word}")
    for folder in sorted((root / "cpp/src").glob("*/")):
        if folder.name not in declared and any(folder.glob("*.cpp")):
            sentence = f"{folder.name} has no loadcore_module line"
            yield Violation("cpp/CMakeLists.txt", 1, sentence)
    bindings = root / "cpp/bindings/CMakeLists.txt"
    text = CMAKE_COMMENT.sub("", bindings.read_text()) if bindings.is_file() else ""
    for match in LINK_CALL.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        for used in re.findall(r"loadcore(?:::|_)(\w+)", match[2]):
            if used not in CPP["bindings"] | {"options"}:
                sentence = f"bindings may not link to {used}"
                yield Violation("cpp/bindings/CMakeLists.txt", line, sentence)


class Import(NamedTuple):
    line: int
    module: str
    names: tuple[str, ...]  # of `from module import names`


def imports(tree: ast.AST) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, ())
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield Import(node.lineno, node.module, tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and node.args:
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            what = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(what, ast.Constant):
                yield Import(node.lineno, str(what.value), ())


def attributes(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """(line, name) of every `package.name`, under whatever name the package was imported."""
    bound = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == package or (not alias.asname and alias.name.startswith(package + "."))
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in bound
        ):
            yield node.lineno, node.attr


def private(name: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def private_uses(path: str, tree: ast.AST, package: str) -> Iterator[Violation]:
    for line, module, names in imports(tree):
        if module.partition(".")[0] == package:
            for name in (module, *names):
                if private(name):
                    yield Violation(path, line, f"{name} is private to {package}")
    for line, name in attributes(tree, package):
        if private(name):
            yield Violation(path, line, f"{package}.{name} is private to {package}")


def client_makers(path: str, tree: ast.AST) -> Iterator[Violation]:
    sentence = f"AWS clients are made in {SESSION} alone"
    for line, module, names in imports(tree):
        made = module in {"boto3.session", "botocore.session"}
        made = made or (module == "boto3" and not CLIENT_MAKERS.isdisjoint(names))
        if made or (module == "botocore" and "session" in names):
            yield Violation(path, line, sentence)
    for line, name in attributes(tree, "boto3"):
        if name in CLIENT_MAKERS:
            yield Violation(path, line, sentence)


def notebook_source(text: str) -> str:
    """The code of a notebook's cells, line magics left out."""
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    return "\n".join("pass" if line.lstrip()[:1] in {"%", "!"} else line for line in lines)


def python_violations(root: Path) -> Iterator[Violation]:
    folders = ("python", "orchestration", "service", "notebooks")
    for path in files(root, ".py", ".pyi", ".ipynb", under=folders):
        name, text = path.as_posix(), (root / path).read_text()
        tree = ast.parse(notebook_source(text) if path.suffix == ".ipynb" else text, name)
        if path.parts[0] == "python":
            for line, module, _ in imports(tree):
                if module.partition(".")[0] in {"loadcore_aws", "boto3", "botocore"}:
                    yield Violation(name, line, f"loadcore does without {module}")
        else:
            yield from private_uses(name, tree, "loadcore")
        if path.parts[0] == "notebooks":
            yield from private_uses(name, tree, "loadcore_aws")
        if name != SESSION:
            yield from client_makers(name, tree)


def violations(root: Path) -> list[Violation]:
    return [*cpp_violations(root), *cmake_violations(root), *python_violations(root)]


def main() -> int:
    found = violations(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]))
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
