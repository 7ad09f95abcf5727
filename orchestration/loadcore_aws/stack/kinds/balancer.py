"""The application load balancer and its target group.

Source: Elastic Load Balancing API Reference (version 2015-12-01), the action of each name; what the
attributes mean is in "Application Load Balancers" and "Target groups for your Application Load
Balancers" of its user guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import loadcore as lc
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.names import tag_dict, tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

SERVICE = "elbv2"
ARNS_MAX = 20  # of one DescribeTags

BALANCER_ATTRIBUTES = {
    "idle_timeout_s": "idle_timeout.timeout_seconds",
    "drop_invalid_headers": "routing.http.drop_invalid_header_fields.enabled",
}
TARGET_ATTRIBUTES = {
    "deregistration_delay_s": "deregistration_delay.timeout_seconds",
    "algorithm": "load_balancing.algorithm.type",
}
HEALTH_KEYS = {
    "protocol": "HealthCheckProtocol",
    "port": "HealthCheckPort",
    "path": "HealthCheckPath",
    "interval_s": "HealthCheckIntervalSeconds",
    "timeout_s": "HealthCheckTimeoutSeconds",
    "healthy": "HealthyThresholdCount",
    "unhealthy": "UnhealthyThresholdCount",
}

Owned: TypeAlias = tuple[str, dict[str, Any], dict[str, str]]
"""The Resource's name, the element as AWS describes it, and its tags."""


class LoadBalancer(Kind):
    """Settings: `vpc`, `scheme` (internet-facing or internal), `subnets`, `security_groups`
    (sorted ids), `ip_address_type`, `idle_timeout_s`, `drop_invalid_headers`. Attributes:
    `dns_name`, `full_name` as metrics have it."""

    name = "load_balancer"
    fixed = frozenset({"vpc", "scheme"})
    # A target group is one balancer's at a time.
    standing: ClassVar[Mapping[str, str]] = {**Kind.standing, "scheme": "balancer.internal"}
    ready_within_s = 600.0

    def find(self, account: Account, owner: Owner) -> list[Found]:
        return all_found(balancers_of(account, owner), lambda each: self._found(account, each))

    def _found(self, account: Account, owned: Owned) -> Found:
        name, element, tags = owned
        arn = element["LoadBalancerArn"]
        answer = account.client(SERVICE).describe_load_balancer_attributes(LoadBalancerArn=arn)
        settings = {
            "vpc": element["VpcId"],
            "scheme": element["Scheme"],
            "subnets": sorted(zone["SubnetId"] for zone in element["AvailabilityZones"]),
            "security_groups": sorted(element.get("SecurityGroups") or ()),
            "ip_address_type": element.get("IpAddressType"),
            **_attributes(answer["Attributes"], BALANCER_ATTRIBUTES),
        }
        attributes = {
            "dns_name": element["DNSName"],
            "full_name": arn.partition(":loadbalancer/")[2],
        }
        state = element.get("State") or {}
        if state.get("Reason"):
            attributes["reason"] = state["Reason"]
        return Found(self.name, name, arn, settings, attributes, state.get("Code", ""), tags)

    def create(self, account: Account, want: Want) -> None:
        """Its attributes can only be set afterwards, which is an update of its own."""
        account.client(SERVICE).create_load_balancer(
            Name=want.physical,
            Type="application",
            IpAddressType=want.settings["ip_address_type"],
            Scheme=want.settings["scheme"],
            Subnets=list(want.settings["subnets"]),
            SecurityGroups=list(want.settings["security_groups"]),
            Tags=tag_list(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        client = account.client(SERVICE)
        if "subnets" in changed:
            client.set_subnets(LoadBalancerArn=found.id, Subnets=list(want.settings["subnets"]))
        if "security_groups" in changed:
            client.set_security_groups(
                LoadBalancerArn=found.id, SecurityGroups=list(want.settings["security_groups"])
            )
        if "ip_address_type" in changed:
            client.set_ip_address_type(
                LoadBalancerArn=found.id, IpAddressType=want.settings["ip_address_type"]
            )
        if changed & BALANCER_ATTRIBUTES.keys():
            client.modify_load_balancer_attributes(
                LoadBalancerArn=found.id, Attributes=_texts(want, BALANCER_ATTRIBUTES)
            )
        if "tags" in changed:
            retag(account, found, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_load_balancer(LoadBalancerArn=found.id)

    def pending(self, account: Account, found: Found) -> str:
        if found.state == "failed":
            reason = found.attributes.get("reason", "AWS does not say why")
            raise lc.RunError(f"the load balancer could not be set up: {reason}; run  "
                              "loadcore stack destroy  and apply once more")  # fmt: skip
        return "" if found.state in {"active", "active_impaired"} else found.state


class TargetGroup(Kind):
    """Settings: `vpc`, `port`, `protocol`, `target_type` (instance, or ip for containers), `health`
    (`protocol`, `port`, `path`, `interval_s`, `timeout_s`, `healthy` and `unhealthy` in checks,
    `codes`), `deregistration_delay_s`, `algorithm`. Attribute: `full_name` as metrics have it."""

    name = "target_group"
    fixed = frozenset({"vpc", "port", "protocol", "target_type"})
    # Instances on the old port are not healthy on the new one: all would go at once.
    standing: ClassVar[Mapping[str, str]] = {
        **Kind.standing,
        "port": "service.port",
        "target_type": "containers",
    }

    def find(self, account: Account, owner: Owner) -> list[Found]:
        groups = _owned(account, owner, self.name, "describe_target_groups", "TargetGroups")
        return all_found(groups, lambda each: self._found(account, each))

    def _found(self, account: Account, owned: Owned) -> Found:
        name, element, tags = owned
        arn = element["TargetGroupArn"]
        answer = account.client(SERVICE).describe_target_group_attributes(TargetGroupArn=arn)
        health = {key: element[aws] for key, aws in HEALTH_KEYS.items()}
        settings = {
            "vpc": element["VpcId"],
            "port": element["Port"],
            "protocol": element["Protocol"],
            "target_type": element["TargetType"],
            "health": {**health, "codes": element["Matcher"]["HttpCode"]},
            **_attributes(answer["Attributes"], TARGET_ATTRIBUTES),
        }
        attributes = {"full_name": arn.rpartition(":")[2]}
        return Found(self.name, name, arn, settings, attributes, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        """Its attributes can only be set afterwards, which is an update of its own."""
        account.client(SERVICE).create_target_group(
            Name=want.physical,
            VpcId=want.settings["vpc"],
            Port=want.settings["port"],
            Protocol=want.settings["protocol"],
            TargetType=want.settings["target_type"],
            Tags=tag_list(want.tags),
            **_health(want.settings["health"]),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        client = account.client(SERVICE)
        if "health" in changed:
            client.modify_target_group(TargetGroupArn=found.id, **_health(want.settings["health"]))
        if changed & TARGET_ATTRIBUTES.keys():
            client.modify_target_group_attributes(
                TargetGroupArn=found.id, Attributes=_texts(want, TARGET_ATTRIBUTES)
            )
        if "tags" in changed:
            retag(account, found, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_target_group(TargetGroupArn=found.id)


def balancers_of(account: Account, owner: Owner) -> list[Owned]:
    return _owned(account, owner, "load_balancer", "describe_load_balancers", "LoadBalancers")


def _owned(account: Account, owner: Owner, kind: str, operation: str, key: str) -> list[Owned]:
    """There is no filter by tag: by the prefix of the name first, and then by tag."""
    what = key.removesuffix("s")
    listed = {
        element[f"{what}Arn"]: element
        for element in account.pages(SERVICE, operation, key)
        if element[f"{what}Name"].startswith(owner.prefix)
    }
    tags = tags_of(account, list(listed))
    named = [(name_in(tags[arn], owner, kind), arn) for arn in listed]
    return [(name, listed[arn], tags[arn]) for name, arn in named if name is not None]


def tags_of(account: Account, arns: list[str]) -> dict[str, dict[str, str]]:
    """ARN → tags."""
    found: dict[str, dict[str, str]] = {arn: {} for arn in arns}
    for begin in range(0, len(arns), ARNS_MAX):
        answer = account.client(SERVICE).describe_tags(ResourceArns=arns[begin : begin + ARNS_MAX])
        for each in answer["TagDescriptions"]:
            found[each["ResourceArn"]] = tag_dict(each["Tags"])
    return found


def retag(account: Account, found: Found, want: Want) -> None:
    account.client(SERVICE).add_tags(ResourceArns=[found.id], Tags=tag_list(want.tags))


def _attributes(listed: Iterable[Mapping[str, str]], names: Mapping[str, str]) -> dict[str, Any]:
    """As settings; AWS has texts for all of them."""
    texts = {each["Key"]: each["Value"] for each in listed}
    return {key: _value(texts.get(aws)) for key, aws in names.items()}


def _value(text: str | None) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text is not None and text.isdecimal() else text


def _texts(want: Want, names: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"Key": aws, "Value": str(want.settings[key]).lower()} for key, aws in sorted(names.items())
    ]


def _health(health: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "HealthCheckEnabled": True,
        "Matcher": {"HttpCode": health["codes"]},
        **{aws: health[key] for key, aws in HEALTH_KEYS.items()},
    }


KINDS: tuple[Kind, ...] = (LoadBalancer(), TargetGroup())
