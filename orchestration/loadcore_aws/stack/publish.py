"""Builds the service's container image and pushes it to the stack's ECR repository, with the
container engine of this machine: docker or podman."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws.stack import converge
from loadcore_aws.stack.design.containers import repository
from loadcore_aws.stack.kinds.task_definition import digest_of_tag
from loadcore_aws.stack.plan import Change, Plan, owner_of
from loadcore_aws.stack.retry import Patience, asked, check_time

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.resource import Found
    from loadcore_aws.stack.spec import Stack

ENGINES = ("docker", "podman")
DOCKERFILE = "service/Dockerfile"
PLATFORM = "linux/amd64"
"""what the task definition asks Fargate for"""

STDERR = 2
"""this process's, as a file descriptor"""

ANSWERS_WITHIN_S = 30.0
SEEN_WITHIN_S = 60.0


@dataclass(frozen=True)
class Published:
    """`image` is REPOSITORY:TAG; tasks run it by `digest`, from the next apply on."""

    image: str
    digest: str


def publish(
    stack: Stack,
    account: Account,
    *,
    source: Path = Path(),
    on_step: Callable[[str], None] = lambda text: None,
) -> Published:
    """Builds the image out of a checkout of loadcore in `source`, tags it with the file's image_tag
    and pushes it. Makes the repository where there is none yet, so that it may come before the
    first apply. What the engine says goes to this process's stderr.

    Raises loadcore.PlanError for a stack without containers and a folder that is no checkout,
    loadcore.RunError where there is no engine, it does not answer, or it or AWS fails.
    """
    if stack.containers is None:
        raise lc.PlanError("containers", "is missing: only a stack with [containers] has an image "
                                         "to publish")  # fmt: skip
    if not (source / DOCKERFILE).is_file():
        raise lc.PlanError("source", f"{source} has no {DOCKERFILE}; give a checkout of loadcore")
    engine = Engine.find()
    on_step(f"building with {engine.name}")
    uri = _repository(stack, account).attributes["uri"]
    image = f"{uri}:{stack.containers.image_tag}"
    engine.build(image, source)
    on_step(f"pushing {image}")
    engine.login(*_credentials(account), registry=uri.partition("/")[0])
    engine.push(image)
    digest = _seen(account, uri, stack.containers.image_tag)
    return Published(image, digest)


@dataclass(frozen=True)
class Engine:
    """A container engine that answers."""

    name: str

    @classmethod
    def find(cls) -> Engine:
        """The first that answers. Raises loadcore.RunError where none does."""
        there = [name for name in ENGINES if shutil.which(name)]
        if not there:
            raise lc.RunError("no container engine was found; install docker or podman, or publish "
                              "from a machine that has one")  # fmt: skip
        said = {}
        for name in there:
            said[name] = _silence(name)
            if not said[name]:
                return cls(name)
        reasons = "; ".join(f"{name}: {reason}" for name, reason in said.items())
        raise lc.RunError(f"{' and '.join(there)} is installed and does not answer ({reasons}); "
                          "start it and publish again")  # fmt: skip

    def build(self, image: str, source: Path) -> None:
        self._do("build", "--platform", PLATFORM, "--file", str(source / DOCKERFILE),
                 "--tag", image, str(source))  # fmt: skip

    def login(self, user: str, password: str, registry: str) -> None:
        """The password goes through a pipe: arguments are for every user of the machine to see."""
        self._do("login", "--username", user, "--password-stdin", registry, given=password)

    def push(self, image: str) -> None:
        self._do("push", image)

    def _do(self, *arguments: str, given: str | None = None) -> None:
        """Its output to our stderr: stdout belongs to the command's own result."""
        try:
            done = subprocess.run(
                [self.name, *arguments], input=given, stdout=STDERR, text=True, check=False
            )
        except OSError as error:
            raise lc.RunError(f"{self.name} {arguments[0]} could not be run: {error}") from None
        if done.returncode:
            raise lc.RunError(
                f"{self.name} {arguments[0]} failed with exit code {done.returncode}; what it said "
                "is above"
            )


def _silence(name: str) -> str:
    """Why the engine cannot be used; nothing if it can. Podman needs no daemon, and answers."""
    try:
        done = subprocess.run(
            [name, "info"], capture_output=True, text=True, timeout=ANSWERS_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {ANSWERS_WITHIN_S:.0f} s"
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[0] if lines else f"exit code {done.returncode}"


def _repository(stack: Stack, account: Account) -> Found:
    """The stack's, made by the same engine as an apply would."""
    resource = repository()
    change = Change(resource.address, "create", resource, None)
    outcome = converge.apply(Plan(stack, owner_of(stack, account), None, (change,)), account)
    for _, error in outcome.failed:
        raise error
    return outcome.known[0]


def _credentials(account: Account) -> tuple[str, str]:
    """User and password, for twelve hours ("Private registry authentication in Amazon
    ECR", Amazon ECR User Guide)."""
    ecr = account.client("ecr")
    answer = asked(account.time, "asking ECR", ecr.get_authorization_token)
    token = answer["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def _seen(account: Account, uri: str, tag: str) -> str:
    begin, polls = account.time.now(), 0
    patience = Patience(account.time, "looking for the image")
    while True:
        digest = asked(account.time, "asking ECR", lambda: digest_of_tag(account, uri, tag))
        if digest is not None:
            return digest
        check_time(account.time, begin, SEEN_WITHIN_S, f"{uri}:{tag} was pushed and does not show")
        patience.poll(polls)
        polls += 1
