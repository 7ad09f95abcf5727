"""An account at moto's server in which resources are applied by the stack's own engine, with what
other kinds would make standing ready."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fast_time import NOW, FastTime

from loadcore_aws.stack import converge, find
from loadcore_aws.stack.account import Account
from loadcore_aws.stack.design.facts import Facts
from loadcore_aws.stack.kinds import BY_NAME
from loadcore_aws.stack.names import Owner
from loadcore_aws.stack.plan import Plan, planned
from loadcore_aws.stack.resource import Found, Resource, resolved
from loadcore_aws.stack.spec import Stack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_front.front import Front

    from loadcore_aws.stack.progress import Outcome

REGION = "eu-central-1"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class World:
    """`known` stands for resources of other kinds, by address. Only `kinds` are looked for: those
    that a test has applied, as looking for all of them takes most of a test's time."""

    account: Account
    owner: Owner
    facts: Facts
    tags: dict[str, str] = field(default_factory=lambda: {"team": "likes"})
    known: dict[str, Found] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def know(self, kind: str, name: str, id: str, **attributes: str) -> None:  # noqa: A002
        self.known[f"{kind}.{name}"] = Found(kind, name, id, {}, attributes)

    def plan(self, resources: Iterable[Resource]) -> Plan:
        wanted = [self._with_known(each) for each in resources]
        self.kinds |= {each.kind for each in wanted}
        stack = Stack("demo", REGION, tags=self.tags)
        return planned(stack, self.owner, wanted, self.found())

    def _with_known(self, resource: Resource) -> Resource:
        after = tuple(address for address in resource.after if address not in self.known)
        return replace(resource, settings=resolved(resource.settings, self.known), after=after)

    def found(self) -> list[Found]:
        kinds = [BY_NAME[name] for name in sorted(self.kinds)]
        return find.everything(self.account, self.owner, kinds)

    def one(self, address: str) -> Found:
        (found,) = (each for each in self.found() if each.address == address)
        return found

    def apply(self, resources: Iterable[Resource]) -> Outcome:
        return converge.apply(self.plan(resources), self.account)

    def changes(self, resources: Iterable[Resource]) -> dict[str, tuple[str, set[str]]]:
        return changes_of(self.plan(resources))

    def drift(self, resources: Iterable[Resource]) -> dict[str, dict[str, tuple[Any, Any]]]:
        """Address → setting → what it has and what is wanted, of all that is to change."""
        return {
            change.address: {each.setting: (each.had, each.wanted) for each in change.reasons}
            for change in self.plan(resources).changes
            if change.action != "keep" or change.surplus
        }

    def settle(self, resources: Iterable[Resource]) -> None:
        """Applies, and holds it to its word."""
        wanted = list(resources)
        outcome = self.apply(wanted)
        assert outcome.complete, [str(error) for _, error in outcome.failed]
        assert self.changes(wanted) == {}

    def know_security_groups(self, *names: str) -> None:
        for name in names:
            group = self.client("ec2").create_security_group(
                GroupName=name, Description="of the test", VpcId=self.facts.default_vpc
            )
            self.know("security_group", name, group["GroupId"])

    def destroy(self) -> Outcome:
        return converge.destroy(self.owner, self.account)

    def push_image(self, repository: str, tag: str, content: str) -> str:
        """Its digest, told to moto as well, which else draws one of a hundred."""
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": content}}
        )
        answer = self.client("ecr").put_image(
            repositoryName=repository,
            imageManifest=manifest,
            imageTag=tag,
            imageDigest=f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}",
        )
        return str(answer["image"]["imageId"]["imageDigest"])


def changes_of(plan: Plan) -> dict[str, tuple[str, set[str]]]:
    """Address → what is to be done to it and which settings are other than wanted."""
    return {
        change.address: (change.action, {reason.setting for reason in change.reasons})
        for change in plan.changes
        if change.action != "keep" or change.surplus
    }


def make(aws: Front) -> World:
    account = Account(REGION, endpoint_url=aws.url, time=FastTime().time())
    ec2 = account.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    listed = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])
    zones = sorted((each["AvailabilityZone"], each["SubnetId"]) for each in listed["Subnets"])[:2]
    number = account.identify()
    facts = Facts(
        number,
        account.partition,
        REGION,
        tuple(zone for zone, _ in zones),
        vpc["VpcId"],
        tuple(subnet for _, subnet in zones),
        now=NOW,
    )
    return World(account, Owner("demo", REGION, number), facts)
