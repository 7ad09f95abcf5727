"""The listener of the application load balancer, and the rules that somebody put before it.

Source: Elastic Load Balancing API Reference (version 2015-12-01), the action of each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadcore_aws.stack.kinds.balancer import SERVICE, balancers_of, retag, tags_of
from loadcore_aws.stack.kinds.ownership import name_in
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.names import tag_list
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner


class Listener(Kind):
    """Settings: `balancer`, `port`, `protocol`, `certificate` and `tls_policy` (empty for HTTP),
    `target_group`, to which it forwards everything, `rules` (priority → what it does, of those that
    somebody put before that; none)."""

    name = "listener"
    fixed = frozenset({"balancer"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        """Of the stack's balancers, since no listener has a life of its own."""
        listeners = [
            listener
            for _, balancer, _ in balancers_of(account, owner)
            for listener in account.pages(
                SERVICE, "describe_listeners", "Listeners",
                LoadBalancerArn=balancer["LoadBalancerArn"],
            )
        ]  # fmt: skip
        tags = tags_of(account, [listener["ListenerArn"] for listener in listeners])
        return [self._found(account, owner, each, tags[each["ListenerArn"]]) for each in listeners]

    def _found(
        self, account: Account, owner: Owner, element: dict[str, Any], tags: dict[str, str]
    ) -> Found:
        """One that somebody made by hand has its port for a name, and is surplus."""
        arn = element["ListenerArn"]
        listed = account.pages(SERVICE, "describe_rules", "Rules", ListenerArn=arn)
        rules = [each for each in listed if not each["IsDefault"]]
        secure = element["Protocol"] == "HTTPS"
        certificates = (element.get("Certificates") if secure else None) or [{}]
        actions = element.get("DefaultActions") or [{}]
        settings = {
            "balancer": element["LoadBalancerArn"],
            "port": element["Port"],
            "protocol": element["Protocol"],
            "certificate": certificates[0].get("CertificateArn", ""),
            "tls_policy": element["SslPolicy"] if secure else "",
            "target_group": actions[0].get("TargetGroupArn"),
            "rules": {each["Priority"]: _rule(each) for each in rules},
        }
        attributes = {"rules": ",".join(each["RuleArn"] for each in rules)}
        name = name_in(tags, owner, self.name) or str(element["Port"])
        return Found(self.name, name, arn, settings, attributes, tags=tags)

    def create(self, account: Account, want: Want) -> None:
        account.client(SERVICE).create_listener(
            LoadBalancerArn=want.settings["balancer"],
            Tags=tag_list(want.tags),
            **_listening(want.settings),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        client = account.client(SERVICE)
        if changed - {"tags", "rules"}:
            client.modify_listener(ListenerArn=found.id, **_listening(want.settings))
        if "rules" in changed:
            for rule in found.attributes["rules"].split(","):
                unless_gone(client.delete_rule, RuleArn=rule)
        if "tags" in changed:
            retag(account, found, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client(SERVICE).delete_listener(ListenerArn=found.id)


def _rule(rule: Mapping[str, Any]) -> str:
    """Such as `path-pattern → fixed-response`."""
    fields = (each["Field"] for each in rule["Conditions"])
    return f"{' and '.join(fields)} → {', '.join(each['Type'] for each in rule['Actions'])}"


def _listening(settings: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "Port": settings["port"],
        "Protocol": settings["protocol"],
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": settings["target_group"]}],
    }
    if settings["certificate"]:
        parameters["Certificates"] = [{"CertificateArn": settings["certificate"]}]
        parameters["SslPolicy"] = settings["tls_policy"]
    return parameters


KINDS: tuple[Kind, ...] = (Listener(),)
