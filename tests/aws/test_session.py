"""loadcore_aws.Session against moto's server and against environments that lack something."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

import loadcore as lc
from loadcore_aws import Session
from loadcore_aws.cli._options import aws_errors
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.errors import explained

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front


def test_a_client_reaches_the_endpoint_it_is_given(aws: Front) -> None:
    queues = Session(region="eu-central-1", endpoint_url=aws.url).client("sqs")
    url = queues.create_queue(QueueName="loadcore-session")["QueueUrl"]
    assert queues.list_queues()["QueueUrls"] == [url]
    queues.delete_queue(QueueUrl=url)


@pytest.mark.usefixtures("credentials")
def test_region_and_endpoint_come_from_the_environment(
    moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    session = Session()
    assert session.region == "eu-west-1"
    zones = session.client("ec2").describe_availability_zones()["AvailabilityZones"]
    assert {zone["RegionName"] for zone in zones} == {"eu-west-1"}


@pytest.mark.usefixtures("credentials")
def test_clients_have_time_limits_and_say_who_they_are(moto_url: str) -> None:
    client = Session(region="eu-central-1", endpoint_url=moto_url).client("sts")
    seen: list[str] = []
    client.meta.events.register(
        "before-send.sts", lambda request, **_: seen.append(str(request.headers["User-Agent"]))
    )
    assert client.get_caller_identity()["Account"]
    assert f"loadcore/{lc.__version__}" in seen[0]
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 30)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 5)


@pytest.mark.usefixtures("credentials")
def test_a_missing_region_is_a_fault_of_the_plan(moto_url: str) -> None:
    session = Session(endpoint_url=moto_url)
    with pytest.raises(lc.PlanError, match=r"region: .*AWS_DEFAULT_REGION"):
        session.client("ec2")
    with pytest.raises(lc.PlanError, match=r"region: .*AWS_DEFAULT_REGION"):
        _ = session.region


@pytest.mark.usefixtures("credentials")
def test_an_endpoint_that_is_no_url_is_a_fault_of_the_plan() -> None:
    with pytest.raises(lc.PlanError, match=r"endpoint_url: .*nowhere"):
        Session(region="eu-west-1", endpoint_url="nowhere").client("ec2")


@pytest.mark.usefixtures("bare_environment")
def test_an_unknown_profile_is_a_fault_of_the_plan() -> None:
    with pytest.raises(lc.PlanError, match=r"profile: .*\bholiday\b"):
        Session(profile="holiday")


@pytest.mark.usefixtures("credentials")
def test_a_region_that_is_none_is_a_fault_of_the_plan() -> None:
    with pytest.raises(lc.PlanError, match=r"^region: 'bogus!!' is none; give one such as"):
        Session(region="bogus!!").client("ec2")


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@pytest.mark.parametrize("content", [b"[default\nregion = eu-west-1\n", b"\xff\xfe[default]\n"])
def test_a_file_that_is_no_configuration_is_a_fault_of_the_plan(
    variable: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").write_bytes(content)
    monkeypatch.setenv(variable, str(tmp_path / "broken"))
    with pytest.raises(lc.PlanError) as raised:
        Session(region="eu-west-1")
    assert raised.value.field == str(tmp_path / "broken")
    assert "is no AWS configuration; mend it" in raised.value.sentence


@pytest.mark.usefixtures("bare_environment")
def test_missing_credentials_say_what_to_do() -> None:
    with pytest.raises(lc.RunError, match="AWS_ACCESS_KEY_ID"):
        Session(region="eu-west-1").client("ec2")


@pytest.mark.usefixtures("bare_environment")
def test_half_of_the_credentials_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    said = r"could not be had: .*AWS_SECRET_ACCESS_KEY; set all of them or none, then repeat"
    with pytest.raises(lc.RunError, match=said):
        Session(region="eu-west-1").client("ec2")


PROFILES = """
[profile session]
sso_session = company
sso_account_id = 123456789012
sso_role_name = dev
[sso-session company]
sso_start_url = https://company.invalid/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access
[profile older]
sso_start_url = https://company.invalid/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = dev
[profile process]
credential_process = false
"""


@pytest.mark.usefixtures("bare_environment")
@pytest.mark.parametrize(
    ("profile", "remedy"),
    [
        ("session", "Error loading SSO Token: .*; run  aws sso login  for this profile, then"),
        ("older", "Error loading SSO Token: .*; run  aws sso login  for this profile, then"),
        ("process", ".* from custom-process; run  aws configure, or sign in again, then"),
    ],
)
def test_who_is_not_signed_in_is_told_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, remedy: str
) -> None:
    """Nobody has refused anything: no call went out."""
    monkeypatch.setenv("HOME", str(tmp_path))  # ~/.aws/sso has the tokens
    (tmp_path / "config").write_text(PROFILES)
    with pytest.raises(lc.RunError) as raised, aws_errors("asking who we are"):
        Account("eu-west-1", profile=profile).identify()
    assert re.match(f"AWS credentials could not be had: {remedy}", str(raised.value))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("UnauthorizedSSOTokenError", "aws sso login"),
        ("NoAuthTokenError", "aws sso login"),
        ("LoginRefreshRequired", "aws login"),
        ("NoCredentialsError", "aws configure"),
    ],
)
def test_a_session_that_has_ended_is_told_too(name: str, remedy: str) -> None:
    if not hasattr(botocore.exceptions, name):
        pytest.skip(f"this botocore has no {name}")
    told = str(explained(getattr(botocore.exceptions, name)(), "asking who we are"))
    assert told.startswith("AWS credentials could not be had: ")
    assert f"; run  {remedy}" in told


def test_without_boto3_the_import_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys\nsys.modules['boto3'] = None\nimport loadcore_aws"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("run  pip install '.[aws]'  in loadcore's folder")
