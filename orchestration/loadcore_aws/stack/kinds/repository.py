"""ECR repositories, where container images are kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.names import tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner


class Repository(Kind):
    """Settings: `scan_on_push`, `images_max` (older ones are dropped by ECR), `image_tags`
    (MUTABLE: a publish moves them, and a task definition names its image by digest). Left alone is
    what its images are encrypted with, which cannot be changed. Its id is its name; attributes
    `arn`, `uri`."""

    name = "repository"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        listed = account.pages("ecr", "describe_repositories", "repositories")
        ours = [each for each in listed if each["repositoryName"].startswith(owner.prefix)]
        return all_found(ours, lambda each: self._found(account, owner, each))

    def _found(self, account: Account, owner: Owner, repository: dict[str, Any]) -> Found | None:
        ecr, arn = account.client("ecr"), repository["repositoryArn"]
        tags = tag_dict(ecr.list_tags_for_resource(resourceArn=arn)["tags"])
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        settings = {
            "scan_on_push": repository["imageScanningConfiguration"]["scanOnPush"],
            "images_max": self._images_max(ecr, repository["repositoryName"]),
            "image_tags": repository["imageTagMutability"],
        }
        attributes = {"arn": arn, "uri": repository["repositoryUri"]}
        return Found(self.name, name, repository["repositoryName"], settings, attributes, tags=tags)

    def _images_max(self, ecr: Any, name: str) -> int | None:
        try:
            answer = ecr.get_lifecycle_policy(repositoryName=name)
        except ecr.exceptions.LifecyclePolicyNotFoundException:
            return None
        policy = json.loads(answer["lifecyclePolicyText"])
        count = policy["rules"][0]["selection"].get("countNumber")
        return count if policy == _lifecycle(count) else None

    def create(self, account: Account, want: Want) -> None:
        account.client("ecr").create_repository(
            repositoryName=want.physical,
            imageTagMutability=want.settings["image_tags"],
            imageScanningConfiguration={"scanOnPush": want.settings["scan_on_push"]},
            tags=tag_list(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ecr = account.client("ecr")
        if "scan_on_push" in changed:
            ecr.put_image_scanning_configuration(
                repositoryName=found.id,
                imageScanningConfiguration={"scanOnPush": want.settings["scan_on_push"]},
            )
        if "image_tags" in changed:
            ecr.put_image_tag_mutability(
                repositoryName=found.id, imageTagMutability=want.settings["image_tags"]
            )
        if "images_max" in changed:
            ecr.put_lifecycle_policy(
                repositoryName=found.id,
                lifecyclePolicyText=json.dumps(_lifecycle(want.settings["images_max"])),
            )
        if "tags" in changed:
            ecr.tag_resource(resourceArn=found.attributes["arn"], tags=tag_list(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        """With its images."""
        account.client("ecr").delete_repository(repositoryName=found.id, force=True)


def _lifecycle(images_max: int | None) -> dict[str, Any]:
    """ "Lifecycle policy properties in Amazon ECR", Amazon ECR User Guide."""
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": "keep the newest images",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": images_max,
                },
                "action": {"type": "expire"},
            }
        ]
    }


KINDS: tuple[Kind, ...] = (Repository(),)
