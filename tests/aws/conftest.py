"""An AWS of our own: moto's server as a process, asked over HTTP as the real one would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aws_front import images
from aws_front.front import Front
from moto_server import moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN")

RUNNING = {"MOTO_ECS_SERVICE_RUNNING": "10"}
"""so many tasks run of each ECS service in moto, which never starts any by itself"""


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with no resources in it but what the tests make."""
    public_images = tmp_path_factory.mktemp("moto") / "images.json"
    images.write(public_images)
    with moto_server(MOTO_AMIS_PATH=str(public_images), **RUNNING) as url:
        yield url


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No AWS settings from this machine: no variables, no ~/.aws, no instance role."""
    for name in (*SETTINGS, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def credentials(bare_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(scope="session")
def front_before_moto(moto_url: str) -> Iterator[Front]:
    with Front(moto_url) as front:
        yield front


@pytest.fixture
def aws(front_before_moto: Front, credentials: None) -> Front:
    """An empty AWS at `aws.url`: moto's server behind a front that records calls, injects faults
    and answers what moto lacks (see aws_front.front.Front)."""
    front_before_moto.reset()
    return front_before_moto
