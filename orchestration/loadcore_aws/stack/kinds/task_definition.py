"""ECS task definitions: which image runs, how, and with what rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import loadcore as lc
from loadcore_aws.stack.kinds import task_parameters
from loadcore_aws.stack.kinds.containers import ecs_tags
from loadcore_aws.stack.kinds.ownership import all_found, check_ours, name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import STACK, tag_dict
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

IMAGE_TAG = "loadcore:image-tag"
"""A tag that keeps which tag of the repository the image's digest was taken from."""

DELETE_AT_ONCE_MAX = 10
NAME = "main"
LOOKED_AT = {"ASC": 1, "DESC": 5}
"""of a family's active revisions: the oldest is the stack's own, which deregisters none before its
end; where somebody else has, one of the newest may be"""


class TaskDefinition(Kind):
    """Settings: `cpu`, `memory_mb`, `container` (its name), `image` (`repository`, a URI, and
    `tag`), `arguments`, `port`, `environment`, `health_command`, `health_interval_s`,
    `stop_timeout_s`, `log_group`, `region`, `execution_role`, `task_role` (ARNs), `others` (names
    of whatever else is in the revision, or not as it is registered here; none).

    Each stack has one at most, of a known family. Every change is a new revision. The image is
    named by the digest which the tag has at the time, so that all tasks of a revision run the same;
    where the tag has been moved since, by a publish, that is a change too. Found is the newest
    revision, whoever registered it, as that is what the next deployment by hand would run; its id
    is the family's name, the attribute `arn` the revision's.
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
        look_back = STACK not in tags and family == owner.physical(NAME)
        marked = self._tags_before(account, family) if look_back else tags
        name = name_in(marked, owner, self.name)
        if name is None:
            return None
        task = answer["taskDefinition"]
        image = task["containerDefinitions"][0]["image"]
        settings = {
            **task_parameters.read(task),
            "image": _image_of(account, image, tags.get(IMAGE_TAG, "")),
        }
        attributes = {"arn": task["taskDefinitionArn"]}
        return Found(self.name, name, family, settings, attributes, tags=tags)

    def _tags_before(self, account: Account, family: str) -> dict[str, str]:
        """Of a revision of a stack: tags are a revision's, and those that are registered by hand or
        by a pipeline may have none, however many they are."""
        ecs = account.client("ecs")
        for sort, most in LOOKED_AT.items():
            listed = ecs.list_task_definitions(
                familyPrefix=family, status="ACTIVE", sort=sort, maxResults=most
            )
            for arn in listed["taskDefinitionArns"]:
                answer = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
                tags = tag_dict(answer.get("tags"))
                if STACK in tags:
                    return tags
        return {}

    def create(self, account: Account, want: Want) -> None:
        """The call makes another revision of a family that is there, so it is looked at first.

        Raises loadcore.RunError where the family is not the stack's, or no image has been
        published.
        """
        family = want.physical
        if account.client("ecs").list_task_definitions(familyPrefix=family, status="ACTIVE")[
            "taskDefinitionArns"
        ]:
            check_ours(self._tags_before(account, family), want, f"task definition {family}")
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
            tags=ecs_tags({**want.tags, IMAGE_TAG: tag}),
            **task_parameters.registered(want.settings, f"{repository}@{digest}"),
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


KINDS: tuple[Kind, ...] = (TaskDefinition(),)
