"""ECS task definitions: which image runs, how, and with what rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.kinds.containers import ecs_tags
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import tag_dict
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

IMAGE_TAG = "loadcore:image-tag"
"""A tag that keeps which tag of the repository the image's digest was taken from."""

DELETE_AT_ONCE_MAX = 10


class TaskDefinition(Kind):
    """Settings: `cpu`, `memory_mb`, `container` (its name), `image` (`repository`, a URI, and
    `tag`), `arguments`, `port`, `environment`, `health_command`, `health_interval_s`,
    `stop_timeout_s`, `log_group`, `region`, `execution_role`, `task_role` (ARNs).

    Every change is a new revision. The image is named by the digest which the tag has at the time,
    so that all tasks of a revision run the same; where the tag has been moved since, by a publish,
    that is a change too. Found is the newest revision; its id is the family's name, the attribute
    `arn` the revision's.
    """

    name = "task_definition"
    moving = frozenset({"arn"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        families = account.pages(
            "ecs", "list_task_definition_families", "families",
            familyPrefix=owner.prefix, status="ACTIVE",
        )  # fmt: skip
        return all_found(families, lambda family: self._found(account, owner, family))

    def _found(self, account: Account, owner: Owner, family: str) -> Found | None:
        ecs = account.client("ecs")
        try:
            answer = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
        except ecs.exceptions.ClientException as error:
            if "Unable to describe" in str(error):  # as ECS says that there is none (any more)
                return None
            raise
        tags = tag_dict(answer.get("tags"))
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        task = answer["taskDefinition"]
        container = task["containerDefinitions"][0]
        image = _image_of(account, container["image"], tags.get(IMAGE_TAG, ""))
        settings = {**_settings(task, container), "image": image}
        attributes = {"arn": task["taskDefinitionArn"]}
        return Found(self.name, name, family, settings, attributes, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        """Raises loadcore.RunError where no image has been published."""
        self._register(account, want, want.physical)

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        if changed == {"tags"}:
            account.client("ecs").tag_resource(
                resourceArn=found.attributes["arn"], tags=ecs_tags(want.tags)
            )
        else:
            self._register(account, want, found.id)

    def _register(self, account: Account, want: Want, family: str) -> None:
        repository, tag = want.settings["image"]["repository"], want.settings["image"]["tag"]
        digest = digest_of_tag(account, repository, tag)
        if digest is None:
            raise lc.RunError(f"{want.address}: {repository} has no image tagged {tag}; run  "
                              "loadcore stack publish  and then apply again")  # fmt: skip
        account.client("ecs").register_task_definition(
            family=family,
            cpu=str(want.settings["cpu"]),
            memory=str(want.settings["memory_mb"]),
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
            executionRoleArn=want.settings["execution_role"],
            taskRoleArn=want.settings["task_role"],
            containerDefinitions=[_container(want.settings, f"{repository}@{digest}")],
            tags=ecs_tags({**want.tags, IMAGE_TAG: tag}),
        )

    def delete(self, account: Account, found: Found) -> None:
        """All revisions: those in use first become inactive, and go when their last task does
        ("Deleting an Amazon ECS task definition revision", Amazon ECS Developer Guide)."""
        ecs = account.client("ecs")
        for arn in self._revisions(account, found, "ACTIVE"):
            ecs.deregister_task_definition(taskDefinition=arn)
        inactive = self._revisions(account, found, "INACTIVE")
        for begin in range(0, len(inactive), DELETE_AT_ONCE_MAX):
            part = inactive[begin : begin + DELETE_AT_ONCE_MAX]
            ecs.delete_task_definitions(taskDefinitions=part)

    def _revisions(self, account: Account, found: Found, status: str) -> list[str]:
        return account.pages(
            "ecs", "list_task_definitions", "taskDefinitionArns",
            familyPrefix=found.id, status=status,
        )  # fmt: skip


def digest_of_tag(account: Account, repository: str, tag: str) -> str | None:
    """Of the image that `tag` names by now in the repository with this URI; None for no image."""
    answer = unless_gone(
        account.client("ecr").describe_images,
        repositoryName=repository.partition("/")[2],
        imageIds=[{"imageTag": tag}],
    )
    return None if answer is None else str(answer["imageDetails"][0]["imageDigest"])


def _image_of(account: Account, image: str, tag: str) -> dict[str, str]:
    """As it was asked for, if the tag still names this image; else with what runs instead."""
    repository, _, digest = image.partition("@")
    if digest and tag and digest == digest_of_tag(account, repository, tag):
        return {"repository": repository, "tag": tag}
    return {"repository": repository, "tag": f"{tag} as of {digest[:19]}"}


def _container(settings: Mapping[str, Any], image: str) -> dict[str, Any]:
    return {
        "name": settings["container"],
        "image": image,
        "essential": True,
        "entryPoint": ["loadcore"],
        "command": settings["arguments"],
        "portMappings": [{"containerPort": settings["port"], "protocol": "tcp"}],
        "environment": [
            {"name": key, "value": value} for key, value in settings["environment"].items()
        ],
        "stopTimeout": settings["stop_timeout_s"],
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "healthCheck": {
            "command": settings["health_command"],
            "interval": settings["health_interval_s"],
            "timeout": 5,
            "retries": 3,
            "startPeriod": 10,
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": settings["log_group"],
                "awslogs-region": settings["region"],
                "awslogs-stream-prefix": settings["container"],
            },
        },
    }


def _settings(task: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    logs = container.get("logConfiguration", {}).get("options", {})
    health = container.get("healthCheck", {})
    ports = [each["containerPort"] for each in container.get("portMappings", ())]
    return {
        "cpu": int(task["cpu"]),
        "memory_mb": int(task["memory"]),
        "container": container["name"],
        "arguments": list(container.get("command", ())),
        "port": ports[0] if ports else None,
        "environment": {each["name"]: each["value"] for each in container.get("environment", ())},
        "health_command": list(health.get("command", ())),
        "health_interval_s": health.get("interval"),
        "stop_timeout_s": container.get("stopTimeout"),
        "log_group": logs.get("awslogs-group"),
        "region": logs.get("awslogs-region"),
        "execution_role": task.get("executionRoleArn"),
        "task_role": task.get("taskRoleArn"),
    }


KINDS: tuple[Kind, ...] = (TaskDefinition(),)
