"""The user data of an instance: the shell script that cloud-init runs as root on the first boot.

It makes a plain Amazon Linux 2023, Debian or Ubuntu into an instance of the stack: Python, the
package from S3 with the rights of the instance's role, units, healthy service. Nothing in it is
secret, arguments and environment neither: whoever may read a launch template may read it.

Source: Amazon EC2 User Guide, "Run commands when you launch an EC2 instance with user data input".
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import loadcore as lc
from loadcore_aws._faults import Fault, SpecError
from loadcore_aws.instance.ready import READY_S
from loadcore_aws.instance.settings import (
    DRAIN_UNIT,
    LOGS_UNIT,
    PATH,
    SERVICE_UNIT,
    Settings,
)
from loadcore_aws.stack.sections.checks import argument_faults, environment_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BYTES_MAX = 16_384
"""of EC2, as it gets them: packed if need be, and before base64"""
DROP_IN = f"/etc/systemd/system/{SERVICE_UNIT}.d/50-stack.conf"
ENVIRONMENT = PATH.with_name("environment")
"""of the service, for root alone; from a unit any user could ask systemd for it (systemd.exec(5),
"Environment=")"""
KEY = re.compile(r"[A-Za-z0-9._/=~-]+")
SPECIAL, ESCAPED = re.compile(r'["\\`$]'), r"\\\g<0>"
WHEEL_TAG = re.compile(r"-cp3(\d+)-\w+-[\w.]+\.whl$")


@dataclass(frozen=True)
class Artifact:
    """An object in the package bucket. What follows the last / of `key` is the name of the file, as
    key_part() writes it; `sha256` is in hexadecimal."""

    key: str
    sha256: str

    @property
    def file(self) -> str:
        return self.key.rpartition("/")[2].replace("~", "+")

    def faults(self) -> Iterator[Fault]:
        if not KEY.fullmatch(self.key):
            yield Fault(("key",), f"is {self.key!r}; take letters, digits and . _ / = ~ - only")
        if not self.file.endswith((".whl", ".rpm")):
            yield Fault(("key",), f"is {self.key!r}; it ends in the name of a .whl or .rpm")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            yield Fault(("sha256",), "must be 64 hexadecimal digits")


@dataclass(frozen=True)
class InstancePlan:
    """What the instances of a stack are to run.

    `wheels` are the package's dependencies; with any of them pip asks no index. `arguments` are
    further ones of `loadcore serve`, `environment` is the service's and the migration's. `shell`
    lines run as root once the package is there, `migration` after them, once and for all; then the
    service starts and must be healthy within `ready_s` seconds. `group` and `hook` name the Auto
    Scaling group and its lifecycle hook on termination, where there are any; the hook begins
    `deregistration_delay_s` after the group's announcement, at the latest.
    """

    stack: str
    region: str
    bucket: str
    package: Artifact
    wheels: tuple[Artifact, ...] = ()
    port: int = 8080
    admin_host: str = "127.0.0.1"
    admin_port: int = 8081
    durability: Literal["memory", "os", "fsync"] = "fsync"
    threads: int = 0
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    log_group: str = ""
    group: str = ""
    hook: str = ""
    drain_s: int = 60
    settle_s: int = 5
    deregistration_delay_s: int = 0
    shell: tuple[str, ...] = ()
    migration: str = ""
    ready_s: int = READY_S
    endpoint_url: str = ""

    def faults(self) -> Iterator[Fault]:
        yield from (fault.under("package") for fault in self.package.faults())
        for index, wheel in enumerate(self.wheels):
            yield from (fault.under("wheels", index) for fault in wheel.faults())
        if self.package.file.endswith(".whl") and not WHEEL_TAG.search(self.package.file):
            sentence = "names no wheel of CPython 3, as loadcore-1-cp311-cp311-linux_x86_64.whl"
            yield Fault(("package", "key"), sentence)
        if self.wheels and self.package.file.endswith(".rpm"):
            yield Fault(("wheels",), "belong to a wheel; an RPM brings what it needs")
        if not 0 <= self.settle_s < self.drain_s:
            yield Fault(("settle_s",), "must be from 0 to below drain_s")
        yield from environment_faults(self.environment)
        yield from argument_faults(self.arguments)
        if self.hook and not self.group:
            yield Fault(("group",), "is missing; a lifecycle hook belongs to one")


def key_part(file: str) -> str:
    """The name of a file as the end of a key. The + of a wheel's local version (PyPA specification
    "Version specifiers") means a space in some S3 paths ("Naming Amazon S3 objects", Amazon S3 User
    Guide); no wheel has a ~, and an RPM may be called anything."""
    return file.replace("+", "~")


def render(plan: InstancePlan) -> str:
    """The script; how much of it EC2 takes shows once it is packed.

    Raises lc.PlanError with all that is wrong with `plan`.
    """
    if faults := list(plan.faults()):
        raise SpecError(f"instances of {plan.stack}", faults)
    return _head(plan) + files(__package__).joinpath("user-data.sh").read_text()


def _head(plan: InstancePlan) -> str:
    tag = WHEEL_TAG.search(plan.package.file)
    variables = {
        "STACK": plan.stack,
        "REGION": plan.region,
        "ENDPOINT_URL": plan.endpoint_url.rstrip("/"),
        "BUCKET": plan.bucket,
        "PACKAGE_KEY": plan.package.key,
        "PACKAGE_FILE": plan.package.file,
        "PACKAGE_SHA256": plan.package.sha256,
        # An extension module is for one version of Python, which the distribution names so.
        "PYTHON": f"python3.{tag[1]}" if tag else "",
        "MIGRATION": plan.migration,
        "OWN_LINES": "\n".join(plan.shell),
        "READY_S": str(plan.ready_s),
    }
    wheels = [shlex.quote(f"{wheel.key} {wheel.sha256}") for wheel in plan.wheels]
    exports = [f"export {name}={shlex.quote(text)}" for name, text in _environment(plan)]
    return "\n".join(
        [
            "#!/bin/bash",
            f"# Instances of a stack of loadcore; made by loadcore {lc.__version__}.",
            *(f"{name}={shlex.quote(text)}" for name, text in variables.items()),
            f"WHEELS=({' '.join(wheels)})",
            f"SERVICES=({' '.join(_services(plan))})",
            f"service_environment() {{ {'; '.join(['true', *exports])}; }}",
            "write_files() {",
            _put(str(PATH), "0644", _settings(plan).to_json()),
            *([_put(str(ENVIRONMENT), "0600", environment_file(plan))] if plan.environment else []),
            _put(DROP_IN, "0644", service_drop_in(plan)),
            "}",
            "",
        ]
    )


def _environment(plan: InstancePlan) -> list[tuple[str, str]]:
    """In order of names: a plan that was read back, which knows no other, makes the same script."""
    return sorted(plan.environment.items())


def _services(plan: InstancePlan) -> Iterator[str]:
    yield SERVICE_UNIT
    yield DRAIN_UNIT
    if plan.log_group:
        yield LOGS_UNIT


def _put(path: str, mode: str, text: str) -> str:
    return f"put {path} {mode} {shlex.quote(text)}"


def _settings(plan: InstancePlan) -> Settings:
    return Settings(
        stack=plan.stack,
        region=plan.region,
        port=plan.port,
        group=plan.group,
        hook=plan.hook,
        log_group=plan.log_group,
        drain_s=plan.drain_s,
        settle_s=plan.settle_s,
        deregistration_delay_s=plan.deregistration_delay_s,
        endpoint_url=plan.endpoint_url,
    )


def service_drop_in(plan: InstancePlan) -> str:
    """What this stack changes in the unit that the package ships; systemd.unit(5), "drop-in"."""
    start = ["/opt/loadcore/bin/loadcore", "serve", "--host", "0.0.0.0", "--port", str(plan.port)]
    start += ["--admin-host", plan.admin_host, "--admin-port", str(plan.admin_port)]
    start += ["--log", "events"]
    start += ["--threads", str(plan.threads)] if plan.threads else []
    command = " ".join(map(_word, [*start, "--durability", plan.durability]))
    if plan.durability != "memory":
        command += " --data ${STATE_DIRECTORY}"
    command = " ".join([command, *map(_word, plan.arguments)])
    lines = ["[Service]", "ExecStart=", f"ExecStart={command}", f"TimeoutStopSec={plan.drain_s}"]
    if plan.environment:
        lines.append(f"EnvironmentFile={ENVIRONMENT}")
    if plan.port < 1024 or plan.admin_port < 1024:
        capability = "CAP_NET_BIND_SERVICE"
        lines += [f"AmbientCapabilities={capability}", f"CapabilityBoundingSet={capability}"]
        lines.append("PrivateUsers=no")  # a capability counts in the machine's own namespace
    return "\n".join(lines) + "\n"


def environment_file(plan: InstancePlan) -> str:
    """systemd.exec(5), "EnvironmentFile="; a shell would read the same."""
    lines = (f'{name}="{SPECIAL.sub(ESCAPED, text)}"\n' for name, text in _environment(plan))
    return "".join(lines)


def _word(text: str) -> str:
    """One argument of ExecStart=; systemd.service(5), "Command lines"."""
    text = text.replace("%", "%%").replace("$", "$$")
    return text if re.fullmatch(r"[\w./:=,@+%$-]+", text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
