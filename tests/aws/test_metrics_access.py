"""[access] metrics, from the files of the examples to a figure that a controller reads: the
security group lets it through, the service listens for it, and the page has what is asked for."""

from __future__ import annotations

import json
import re
import shlex
import socket
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from command import started
from figures import value

import loadcore as lc
from loadcore_aws.autoscaling.control import config
from loadcore_aws.autoscaling.control.config import ADDRESS, Metrics
from loadcore_aws.stack import spec
from loadcore_aws.stack.design import instances, security
from loadcore_aws.stack.design.facts import Facts, File
from loadcore_aws.stack.userdata import Artifact, InstancePlan, service_drop_in

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "orchestration/examples"
P99 = EXAMPLES / "control/p99.toml"
WHEEL = "loadcore-0.1.0-cp311-cp311-linux_x86_64.whl"
PACKAGE = f'[package]\nfile = "{WHEEL}"'
REGION = "eu-central-1"
FACTS = Facts(
    "123456789012", "aws", REGION, (f"{REGION}a", f"{REGION}b"), "vpc-1", ("subnet-1", "subnet-2"),
    "ami-1", "/dev/xvda", (File(WHEEL, WHEEL, "0" * 64, 10),), "",
)  # fmt: skip


def stack_for_p99(folder: Path) -> spec.Stack:
    """small.toml, changed as the comment of p99.toml says."""
    to_add = re.findall(r"^#   (.*)$", P99.read_text(), re.MULTILINE)
    small, _, _ = (EXAMPLES / "small.toml").read_text().partition("[[policy]]")
    path = folder / "STACK.toml"
    path.write_text("\n".join([small, *to_add]))
    return spec.read(path)


def admin_rules(stack: spec.Stack) -> list[str]:
    """Who may reach the admin port of instances."""
    groups = {each.address: each.settings for each in security.resources(stack, FACTS)}
    plan = instances.instance_plan(stack, FACTS)
    return [
        rule["source"]
        for rule in groups["security_group.instances"]["ingress"]
        if rule["from"] <= plan["admin_port"] <= rule["to"]
    ]


def command_of(stack: spec.Stack, data: Path) -> list[str]:
    """Of the service on an instance of the stack, on ports that are free here."""
    plan = instances.instance_plan(stack, FACTS)
    known: dict[str, Any] = {
        key: plan[key] for key in ("port", "admin_host", "admin_port", "durability", "threads")
    }
    drop_in = service_drop_in(
        InstancePlan("likes", REGION, "b", Artifact(WHEEL, "0" * 64), **known)
    )
    (line,) = re.findall(r"^ExecStart=(/.*)$", drop_in, re.MULTILINE)
    words = shlex.split(line.replace("${STATE_DIRECTORY}", str(data)))
    for flag, here in {"--host": "127.0.0.1", "--port": "0", "--admin-port": "0"}.items():
        words[words.index(flag) + 1] = here
    return words[1:]


@contextmanager
def serving(words: list[str]) -> Iterator[dict[str, Any]]:
    """The first line of the service."""
    with started(*words, "--threads", "1") as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


def own_address() -> str:
    """Of this machine's network; where there is none, one that only a service finds itself behind
    which listens on all of them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("198.51.100.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.2"
        return str(asking.getsockname()[0])


def test_the_example_reads_p99_of_an_instance_of_its_stack(tmp_path: Path) -> None:
    stack = stack_for_p99(tmp_path)
    control = config.read(P99)
    assert control.stack == stack.name
    assert admin_rules(stack) == ["172.31.0.0/16"]
    figure = control.figure
    assert isinstance(figure, Metrics)
    at_instance = urlsplit(figure.url.replace(ADDRESS, own_address()))
    assert at_instance.port == instances.instance_plan(stack, FACTS)["admin_port"]

    with serving(command_of(stack, tmp_path)) as first:
        port = urlsplit(first["admin"]).port
        likes = f"http://127.0.0.1:{urlsplit(first['url']).port}/v1/a/likes"
        here = at_instance._replace(netloc=f"{at_instance.hostname}:{port}").geturl()
        with lc.start(likes, method="POST", rate=200, duration="60s"):
            p99_s = value(replace(figure, url=here, window_s=0.5))
    assert p99_s is not None
    assert 0 < p99_s < 1


def test_nobody_reaches_the_page_unless_told(tmp_path: Path) -> None:
    stack = spec.read(EXAMPLES / "small.toml")
    assert admin_rules(stack) == []
    with serving(command_of(stack, tmp_path)) as first:
        port = urlsplit(first["admin"]).port
        assert port is not None
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((own_address(), port), timeout=5)


def test_the_page_makes_way_for_a_service_on_its_port() -> None:
    small = spec.read(EXAMPLES / "small.toml")
    access = spec.Access(metrics=("10.1.0.0/16",))
    stack = replace(small, access=access, service=spec.Service(port=8081))
    assert instances.instance_plan(stack, FACTS)["admin_port"] == 8082
    assert admin_rules(stack) == ["10.1.0.0/16"]
    spec.check(stack)


@pytest.mark.parametrize(
    ("metrics", "what_runs", "told"),
    [
        ("fd00::/8", PACKAGE, "metrics[1] is 'fd00::/8'; that port listens on IPv4 alone, give"),
        ("10.0.0.1/8", PACKAGE, "metrics[1] is '10.0.0.1/8': 10.0.0.1/8 has host bits set"),
        ("10.0.0.0/8", "[containers]", "metrics opens a port of instances, and the tasks of"),
    ],
)
def test_what_cannot_be_opened_is_refused(
    tmp_path: Path, metrics: str, what_runs: str, told: str
) -> None:
    path = tmp_path / "STACK.toml"
    head = f'name = "likes"\nregion = "{REGION}"\n'
    path.write_text(f'{head}[access]\nmetrics = ["{metrics}"]\n{what_runs}\n')
    with pytest.raises(lc.PlanError) as caught:
        spec.read(path)
    assert f"line 4: access.{told}" in str(caught.value)
