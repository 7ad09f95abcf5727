"""The SNS topic that alarms and scaling events go to, and who is told by mail.

Source: Amazon SNS API Reference (version 2010-03-31), the action of each name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.names import tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

UNWANTED = "loadcore:unwanted-"
"""Begins the key of a tag of the topic, one for each address that was given up unconfirmed."""

PENDING = "PendingConfirmation"
DELETED = "Deleted"
"""In the place of an ARN; the second for a while after its owner has unsubscribed."""


def _topics(account: Account, owner: Owner) -> list[Found]:
    """The stack's, without settings."""

    def look(arn: str) -> Found | None:
        answer = account.client("sns").list_tags_for_resource(ResourceArn=arn)
        tags = tag_dict(answer["Tags"])
        name = name_in(tags, owner, Topic.name)
        return None if name is None else Found(Topic.name, name, arn, {}, tags=tags)

    arns = [topic["TopicArn"] for topic in account.pages("sns", "list_topics", "Topics")]
    return all_found((arn for arn in arns if arn.rpartition(":")[2].startswith(owner.prefix)), look)


class Topic(Kind):
    """Settings: `policy` (who else than the account may publish, a policy document) and `key` (of
    KMS, empty for none: alarms cannot publish where CloudWatch may not use it). Its id is its ARN.
    """

    name = "topic"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        def look(topic: Found) -> Found:
            attributes = account.client("sns").get_topic_attributes(TopicArn=topic.id)["Attributes"]
            settings = {
                "policy": json.loads(attributes["Policy"]),
                "key": attributes.get("KmsMasterKeyId", ""),
            }
            return replace(topic, settings=settings)

        return all_found(_topics(account, owner), look)

    def create(self, account: Account, want: Want) -> None:
        """Again with the same name and tags it is the same topic; the policy is an update."""
        account.client("sns").create_topic(Name=want.physical, Tags=tag_list(want.tags))

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        sns = account.client("sns")
        if "policy" in changed:
            sns.set_topic_attributes(
                TopicArn=found.id,
                AttributeName="Policy",
                AttributeValue=json.dumps(want.settings["policy"]),
            )
        if "key" in changed:
            sns.set_topic_attributes(
                TopicArn=found.id,
                AttributeName="KmsMasterKeyId",
                AttributeValue=want.settings["key"],
            )
        if "tags" in changed:
            sns.tag_resource(ResourceArn=found.id, Tags=tag_list(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        account.client("sns").delete_topic(TopicArn=found.id)


class Subscription(Kind):
    """Settings: `topic` (an ARN) and `email`, which is the Resource's name as well, since AWS keeps
    no tags of it. Whatever is subscribed by mail to the stack's topic is the stack's.

    An address that has not confirmed counts as subscribed: the rest is its owner's. It cannot be
    unsubscribed either ("Deleting an Amazon SNS subscription and topic", Amazon SNS Developer
    Guide: AWS drops it after 48 hours); until then a tag of the topic says that it is not wanted.
    """

    name = "subscription"
    fixed = frozenset({"topic", "email"})
    tagged = False

    def find(self, account: Account, owner: Owner) -> list[Found]:
        return [
            self._found(each)
            for topic in _topics(account, owner)
            for each in account.pages(
                "sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic.id
            )
            if each["Protocol"] == "email"
            and each["SubscriptionArn"] != DELETED
            and not self._given_up(each, topic.tags)
        ]

    def _found(self, subscription: Mapping[str, str]) -> Found:
        topic, email = subscription["TopicArn"], subscription["Endpoint"]
        pending = subscription["SubscriptionArn"] == PENDING
        return Found(
            self.name,
            email,
            f"{PENDING}:{topic}:{email}" if pending else subscription["SubscriptionArn"],
            {"topic": topic, "email": email},
            state="waits for its owner to confirm by mail" if pending else "confirmed",
        )

    def _given_up(self, subscription: Mapping[str, str], tags: Mapping[str, str]) -> bool:
        pending = subscription["SubscriptionArn"] == PENDING
        return pending and _unwanted(subscription["Endpoint"]) in tags

    def create(self, account: Account, want: Want) -> None:
        """Sends the mail that asks for confirmation."""
        sns, topic, email = account.client("sns"), want.settings["topic"], want.settings["email"]
        sns.untag_resource(ResourceArn=topic, TagKeys=[_unwanted(email)])
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=email)

    def delete(self, account: Account, found: Found) -> None:
        sns = account.client("sns")
        if found.id.startswith(PENDING):
            mark = {_unwanted(found.settings["email"]): "yes"}
            sns.tag_resource(ResourceArn=found.settings["topic"], Tags=tag_list(mark))
        else:
            sns.unsubscribe(SubscriptionArn=found.id)


def _unwanted(email: str) -> str:
    """A digest, as a tag's key takes fewer characters than an address may have."""
    return UNWANTED + hashlib.sha256(email.encode()).hexdigest()[:16]


KINDS: tuple[Kind, ...] = (Topic(), Subscription())
