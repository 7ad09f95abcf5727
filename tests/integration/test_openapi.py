"""service/openapi.json is what the service serves, and what the service does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from wire import Wire, request

import loadcore as lc

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "service/openapi.json").read_text())

METHODS = {"get", "head", "post", "options"}

# Where the sources of the server and the service say a status.
STATUS = re.compile(
    r"(?:status = |refuse\((?:connection, \{)?|refusal\{|fixed\(request, |return \{)([1-5]\d\d)\b"
)
SOURCES = [
    *sorted((ROOT / "cpp/src/http").glob("request_*.cpp")),
    *sorted((ROOT / "cpp/src/http").glob("server_*.cpp")),
    ROOT / "cpp/src/counter/routes.cpp",
    ROOT / "cpp/src/counter/health.cpp",
]

SETTINGS = """
[checks.positive_data_acceptance]
# A key that was used for another user is sound and refused all the same.
expected-statuses = ["2xx", 422]
"""


@pytest.fixture(scope="module")
def service() -> Iterator[lc.Service]:
    with lc.serve(threads=1) as running:
        yield running


def documented_statuses() -> set[int]:
    answers = [DOCUMENT["x-responses-elsewhere"]]
    for path in DOCUMENT["paths"].values():
        answers += [operation["responses"] for name, operation in path.items() if name in METHODS]
    return {int(status) for responses in answers for status in responses if status.isdigit()}


def test_it_is_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_served(service: lc.Service) -> None:
    with Wire(service.port) as wire:
        wire.send(request("/v1/openapi.json"))
        answer = wire.answer()
        assert answer.status == 200
        assert answer.fields["content-type"] == "application/json"
        assert json.loads(answer.body) == DOCUMENT


def test_it_has_every_status_that_the_sources_have_and_no_other() -> None:
    found = {int(status) for path in SOURCES for status in STATUS.findall(path.read_text())}
    assert found | {200} == documented_statuses()  # the usual status is not written down


def test_it_has_every_path_that_the_sources_have_and_no_other() -> None:
    routes = (ROOT / "cpp/src/counter/routes.cpp").read_text()
    found = set(re.findall(r'path == "(/[^"]+)"', routes)) | {"/v1/{userId}/likes"}
    assert found == set(DOCUMENT["paths"])


def test_its_allow_is_what_each_path_answers(service: lc.Service) -> None:
    with Wire(service.port) as wire:
        for template, path in DOCUMENT["paths"].items():
            wire.send(request(template.replace("{userId}", "alice"), "BREW"))
            answer = wire.answer()
            assert answer.status == 405
            allowed = {method.lower() for method in answer.fields["allow"].split(", ")}
            assert allowed == METHODS & set(path)


def test_schemathesis_finds_no_difference(service: lc.Service, tmp_path: Path) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
            *("run", f"{service.url}/v1/openapi.json", "--url", service.url, "--checks", "all"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "30"),
            *("--seed", "20261121", "--generation-deterministic"),
            *("--request-timeout", "20", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    statuses = set(service.stats()["statuses"])
    assert {200, 204, 400, 405} <= statuses <= documented_statuses()
