"""The arrows of docs/architecture.md hold in this tree, and a broken one is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import arrows

ROOT = Path(__file__).parents[2]


def test_this_tree_keeps_to_its_arrows() -> None:
    assert not arrows.violations(ROOT), "\n".join(map(str, arrows.violations(ROOT)))


def test_the_check_sees_every_module_of_this_tree() -> None:
    seen = {arrows.place_of(path) for path in arrows.files(ROOT, ".hpp", ".cpp", under=("cpp",))}
    assert {place.module for place in seen if place} == set(arrows.CPP)
    python = arrows.files(ROOT, ".py", under=("python", "orchestration"))
    assert Path(arrows.SESSION) in python
    assert Path("python/loadcore/__init__.py") in python


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("cpp/src/load/a.cpp", '#include "loadcore/counter/c.hpp"', "load may not include counter"),
        ("cpp/src/counter/a.cpp", '#include "loadcore/load/l.hpp"', "counter may not include load"),
        ("cpp/src/load/a.cpp", '#include "loadcore/net/n.hpp"', "load may not include net"),
        ("cpp/include/loadcore/base/a.hpp", "#include <loadcore/net/n.hpp>", "include net"),
        ("cpp/bindings/a.cpp", '#include "loadcore/http/h.hpp"', "bindings may not include http"),
        ("tests/cpp/histogram/a.cpp", '#include "loadcore/load/l.hpp"', "histogram may not"),
        ("cpp/src/load/a.cpp", "#include <Python.h>", "only cpp/bindings knows Python"),
        ("cpp/include/loadcore/load/a.hpp", "#include <pybind11/pybind11.h>", "knows Python"),
        ("cpp/src/load/a.cpp", "# include <boost/asio/io_context.hpp>", "sources of net and http"),
        ("cpp/src/counter/a.cpp", "#include <boost/beast/http.hpp>", "sources of net and http"),
        ("cpp/include/loadcore/http/a.hpp", "#include <boost/asio.hpp>", "shows no Boost"),
        ("cpp/include/loadcore/net/a.hpp", "#include <boost/json.hpp>", "shows no Boost"),
        ("cpp/src/load/a.cpp", '#include "http/inner.hpp"', "private to http"),
        ("cpp/src/load/a.cpp", '#include "../http/inner.hpp"', "private to http"),
        ("cpp/include/loadcore/http/a.hpp", '#include "http/inner.hpp"', "is not public"),
        ("cpp/src/extra/a.cpp", "", "no module of the table"),
        ("cpp/CMakeLists.txt", "loadcore_module(load DEPENDS counter)", "may not link to counter"),
        ("cpp/CMakeLists.txt", "loadcore_module(load DEPENDS http BOOST)", "does without Boost"),
        ("cpp/CMakeLists.txt", "# loadcore_module(http)", "http has no loadcore_module line"),
        (
            "cpp/bindings/CMakeLists.txt",
            "target_link_libraries(_core PRIVATE loadcore_options loadcore::http)",
            "bindings may not link to http",
        ),
        ("python/loadcore/a.py", "import loadcore_aws", "does without loadcore_aws"),
        ("python/loadcore/a.py", "def f():\n    from boto3 import client", "does without boto3"),
        ("python/loadcore/a.py", "import botocore.config", "does without botocore.config"),
        (
            "python/loadcore/a.py",
            "import importlib\nimportlib.import_module('loadcore_aws.cli')",
            "does without loadcore_aws.cli",
        ),
        ("orchestration/loadcore_aws/a.py", "from loadcore._run import Run", "private to loadcore"),
        ("orchestration/loadcore_aws/a.py", "from loadcore import _core", "private to loadcore"),
        ("orchestration/loadcore_aws/a.py", "import loadcore as lc\nlc._core", "private to"),
        (
            "orchestration/loadcore_aws/a.py",
            "import boto3\nboto3.client('ec2')",
            "session.py alone",
        ),
        ("orchestration/loadcore_aws/a.py", "import boto3 as b\nb.Session()", "session.py alone"),
        ("orchestration/loadcore_aws/a.py", "from boto3 import resource", "session.py alone"),
        (
            "orchestration/loadcore_aws/a.py",
            "from boto3.session import Session",
            "session.py alone",
        ),
        ("orchestration/loadcore_aws/a.py", "from botocore import session", "session.py alone"),
        ("service/a.py", "import boto3\nboto3.client('ec2')", "session.py alone"),
        (
            "notebooks/1.ipynb",
            "%matplotlib inline\nfrom loadcore import _core",
            "private to loadcore",
        ),
        ("notebooks/1.ipynb", "from loadcore_aws._stack import Stack", "private to loadcore_aws"),
    ],
)
def test_a_broken_arrow_is_noticed(tmp_path: Path, path: str, text: str, sentence: str) -> None:
    make_sound_tree(tmp_path)
    write(tmp_path, path, text)
    found = [violation for violation in arrows.violations(tmp_path) if violation.path == path]
    assert [violation for violation in found if sentence in violation.sentence], found


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    make_sound_tree(tmp_path)
    assert arrows.violations(tmp_path) == []


def test_importing_loadcore_brings_in_nothing_heavy_and_starts_no_thread() -> None:
    program = (
        "import sys, os, loadcore\n"
        "heavy = 'boto3 botocore click loadcore_aws matplotlib numpy pandas polars rich'.split()\n"
        "print([name for name in heavy if name in sys.modules], len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split("\n")[0] == "[] 1"


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".ipynb":
        text = json.dumps({"cells": [{"cell_type": "code", "source": text.splitlines(True)}]})
    file.write_text(text)


def make_sound_tree(root: Path) -> None:
    """One of everything that is allowed and looks most like what is not."""
    write(root, "cpp/CMakeLists.txt", "loadcore_module(http DEPENDS net base BOOST)\n")
    write(root, "cpp/include/loadcore/http/h.hpp", "#include <string>\n")
    write(root, "cpp/src/http/inner.hpp", "#include <boost/asio/ip/tcp.hpp>\n")
    write(root, "cpp/src/http/h.cpp", '#include "http/inner.hpp"\n#include "loadcore/net/n.hpp"\n')
    write(root, "cpp/bindings/module.cpp", "#include <pybind11/pybind11.h>\n")
    write(
        root,
        "tests/cpp/http/h_test.cpp",
        '#include <boost/test/unit_test.hpp>\n#include "http/inner.hpp"\n',
    )
    write(root, "python/loadcore/a.py", "from loadcore import _core\nname = 'loadcore_aws'\n")
    write(
        root, arrows.SESSION, "import boto3\nimport loadcore\nboto3.Session()\nloadcore.__doc__\n"
    )
    write(
        root,
        "orchestration/loadcore_aws/stack.py",
        "from botocore.exceptions import ClientError\nimport boto3.dynamodb.conditions\n",
    )
    write(root, "notebooks/0.ipynb", "%time\nimport loadcore as lc\nlc.run")
