"""ECS clusters, and the services in them that keep tasks running behind a balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadcore as lc
from loadcore_aws.stack.kinds import service_parameters
from loadcore_aws.stack.kinds.ownership import all_found, name_in
from loadcore_aws.stack.names import tag_dict
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner
    from loadcore_aws.stack.resource import Settings

DEPLOYED_BY = "loadcore:deployed-by"
"""A tag of the service: the token of the apply that last deployed something to it."""

LEAVING = "loadcore:leaving-"
"""Begins the key of a tag of the cluster, one for each service that was deleted: while its tasks
drain, DescribeServices tells of it and ListServices does not (DeleteService, Amazon ECS API
Reference)."""


def ecs_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _in_parts(things: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """ECS describes so many at a time."""
    for begin in range(0, len(things), size):
        yield things[begin : begin + size]


def _clusters(account: Account, owner: Owner) -> list[dict[str, Any]]:
    """Those with the stack's prefix, as DescribeClusters tells of them."""
    listed = account.pages("ecs", "list_clusters", "clusterArns")
    ours = [arn for arn in listed if arn.rpartition("/")[2].startswith(owner.prefix)]
    ecs = account.client("ecs")
    return [
        cluster
        for part in _in_parts(ours, 100)
        for cluster in ecs.describe_clusters(clusters=part, include=["TAGS", "SETTINGS"])[
            "clusters"
        ]
        if cluster["status"] != "INACTIVE"
    ]


def _left(cluster: Mapping[str, Any]) -> set[str]:
    """The names of services that were deleted from the described cluster."""
    tags = tag_dict(cluster.get("tags"))
    return {key.removeprefix(LEAVING) for key in tags if key.startswith(LEAVING)}


def _standing(account: Account, cluster: str, names: set[str]) -> Iterator[dict[str, Any]]:
    """Those of the services that are not gone, as DescribeServices tells of them."""
    for part in _in_parts(sorted(names), 10):
        answer = account.client("ecs").describe_services(
            cluster=cluster, services=part, include=["TAGS"]
        )
        yield from (each for each in answer["services"] if each["status"] != "INACTIVE")


class Cluster(Kind):
    """Settings: `insights` (CloudWatch's Container Insights, which cost). Its id is its name."""

    name = "cluster"
    gone_within_s = 900.0  # tasks go on stopping after their service is gone

    def find(self, account: Account, owner: Owner) -> list[Found]:
        clusters = _clusters(account, owner)
        return all_found(clusters, lambda cluster: self._found(owner, cluster))

    def _found(self, owner: Owner, cluster: dict[str, Any]) -> Found | None:
        tags = tag_dict(cluster.get("tags"))
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        settings = {each["name"]: each["value"] for each in cluster.get("settings", ())}
        return Found(
            self.name,
            name,
            cluster["clusterName"],
            {"insights": settings.get("containerInsights", "disabled") != "disabled"},
            {"arn": cluster["clusterArn"]},
            cluster["status"],
            tags,
        )

    def create(self, account: Account, want: Want) -> None:
        """ECS answers with the cluster that has the name, if there is one, and leaves it as it is:
        one of somebody else's must be known before."""
        ecs = account.client("ecs")
        there = ecs.describe_clusters(clusters=[want.physical], include=["TAGS"])["clusters"]
        for cluster in there:
            ours = want.tags.items() <= tag_dict(cluster.get("tags")).items()
            if cluster["status"] != "INACTIVE" and not ours:
                raise lc.RunError(
                    f"{want.address}: there is a cluster {want.physical} that is not of this "
                    "stack; give the stack another name"
                )
        ecs.create_cluster(
            clusterName=want.physical,
            settings=[_insights(want.settings["insights"])],
            tags=ecs_tags(want.tags),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ecs = account.client("ecs")
        if "insights" in changed:
            ecs.update_cluster(cluster=found.id, settings=[_insights(want.settings["insights"])])
        if "tags" in changed:
            ecs.tag_resource(resourceArn=found.attributes["arn"], tags=ecs_tags(want.tags))

    def delete(self, account: Account, found: Found) -> None:
        if not self.going(found):
            account.client("ecs").delete_cluster(cluster=found.id)

    def pending(self, account: Account, found: Found) -> str:
        return "" if found.state == "ACTIVE" else found.state.lower()

    def going(self, found: Found) -> bool:
        return found.state == "DEPROVISIONING"


def _insights(on: bool) -> dict[str, str]:
    return {"name": "containerInsights", "value": "enabled" if on else "disabled"}


class ContainerService(Kind):
    """Settings: `cluster`, `task_definition` (an ARN), `container` and `port` behind
    `target_group`, `subnets` and `security_groups` (sorted ids), `public` (a public address, to
    reach ECR without NAT), `grace_s`, `min_percent` and `max_percent` of the tasks while a new
    version comes, `rolls_back` (by ECS' circuit breaker, where it does not get healthy),
    `tasks_tagged` (as the service is, and by ECS), `others` (names of whatever else somebody has
    set; none), `desired`, which counts at creation only, `desired_min` and `desired_max`.

    Within these two the number of tasks is the policies' matter. Outside of them nobody sees to it:
    what is below the minimum is only raised by an alarm that scales out, what is above the maximum
    only lowered by one that scales in ("Automatically scale your Amazon ECS service", Amazon ECS
    Developer Guide), and a service without tasks may have no figures for one to ring. So apply
    takes it to the nearer of the two.

    A deployment is waited for until ECS calls it complete, after that only tasks that lack to
    `desired_min`: policies may ask more than the account's quota allows, which must not keep an
    apply from changing them.

    Left alone are the platform version and the rebalancing over zones, whose defaults AWS moves,
    and the name and the launch type, which cannot be changed.

    Its id is its ARN; attributes `name`, `cluster`, `cluster_arn`, `resource` (as Application Auto
    Scaling says it), `running`, `desired`, `reason`, `rolled_back`. A version that does not get
    healthy is rolled back by ECS' circuit breaker ("How the Amazon ECS deployment circuit breaker
    detects failures", Amazon ECS Developer Guide), and that is told; what ran before runs on.
    """

    name = "container_service"
    fixed = frozenset({"cluster", "container", "port", "target_group"})
    unread = frozenset({"desired"})
    ready_within_s = 1200.0
    gone_within_s = 900.0

    def __init__(self, tasks_min: int = 0) -> None:
        self._tasks_min = tasks_min

    def begun(self, want: Settings) -> Kind:
        return ContainerService(want["desired_min"])

    def find(self, account: Account, owner: Owner) -> list[Found]:
        services = [
            service
            for cluster in _clusters(account, owner)
            for service in self._services(account, cluster)
        ]
        return all_found(services, lambda service: self._found(owner, service))

    def _services(self, account: Account, described: dict[str, Any]) -> Iterator[dict[str, Any]]:
        ecs, cluster = account.client("ecs"), described["clusterArn"]
        try:
            listed = account.pages("ecs", "list_services", "serviceArns", cluster=cluster)
        except ecs.exceptions.ClusterNotFoundException:  # it is listed for a while yet
            return
        names = {arn.rpartition("/")[2] for arn in listed} | _left(described)
        yield from _standing(account, cluster, names)

    def _found(self, owner: Owner, service: dict[str, Any]) -> Found | None:
        tags = tag_dict(service.get("tags"))
        name = name_in(tags, owner, self.name)
        if name is None:
            return None
        cluster = service["clusterArn"].rpartition("/")[2]
        attributes = {
            "name": service["serviceName"],
            "cluster": cluster,
            "cluster_arn": service["clusterArn"],
            "resource": f"service/{cluster}/{service['serviceName']}",
            "running": str(service["runningCount"]),
            "desired": str(service["desiredCount"]),
            "reason": _reason(service),
            "rolled_back": "yes" if _is_rolled_back(service) else "no",
        }
        settings = {**service_parameters.read(service), "cluster": cluster}
        state = "DRAINING" if service["status"] == "DRAINING" else _rollout(service["deployments"])
        return Found(self.name, name, service["serviceArn"], settings, attributes, state, tags)

    def create(self, account: Account, want: Want) -> None:
        account.client("ecs").create_service(
            serviceName=want.physical,
            clientToken=want.token[:36],
            tags=ecs_tags({**want.tags, DEPLOYED_BY: want.token}),
            **service_parameters.created(want.settings),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        """Raises loadcore.RunError where ECS has taken back what this same apply has set."""
        ecs = account.client("ecs")
        deploys = bool(changed & service_parameters.DEPLOYING)
        if deploys:
            again = found.tags.get(DEPLOYED_BY) == want.token
            if again and found.attributes["rolled_back"] == "yes":
                raise lc.RunError(_given_up(found))
        others = found.settings["others"]
        if parameters := service_parameters.updated(want.settings, changed, others):
            ecs.update_service(cluster=found.attributes["cluster"], service=found.id, **parameters)
        tags = {**want.tags, DEPLOYED_BY: want.token} if deploys else want.tags
        if deploys or "tags" in changed:
            ecs.tag_resource(resourceArn=found.id, tags=ecs_tags(tags))

    def left_alone(self, want: Settings, have: Settings) -> frozenset[str]:
        low, high = want["desired_min"], want["desired_max"]
        tasks = have["desired_min"]
        within = {"desired_min": low <= tasks, "desired_max": tasks <= high}
        return frozenset(limit for limit, holds in within.items() if holds)

    def delete(self, account: Account, found: Found) -> None:
        if self.going(found):
            return
        ecs, cluster = account.client("ecs"), found.attributes["cluster_arn"]
        self._forget_gone(account, cluster)
        leaving = {LEAVING + found.attributes["name"]: "yes"}
        ecs.tag_resource(resourceArn=cluster, tags=ecs_tags(leaving))
        ecs.delete_service(cluster=found.attributes["cluster"], service=found.id, force=True)

    def _forget_gone(self, account: Account, cluster: str) -> None:
        """A cluster has room for 50 tags."""
        ecs = account.client("ecs")
        for described in ecs.describe_clusters(clusters=[cluster], include=["TAGS"])["clusters"]:
            left = _left(described)
            standing = {each["serviceName"] for each in _standing(account, cluster, left)}
            if gone := sorted(left - standing):
                ecs.untag_resource(resourceArn=cluster, tagKeys=[LEAVING + name for name in gone])

    def pending(self, account: Account, found: Found) -> str:
        if found.state == "FAILED":
            raise lc.RunError(_given_up(found))
        running, desired = int(found.attributes["running"]), int(found.attributes["desired"])
        if found.state == "COMPLETED":
            desired = min(desired, self._tasks_min)
            if running >= desired:
                return ""
        return f"{running} of {desired} tasks run"

    def going(self, found: Found) -> bool:
        return found.state == "DRAINING"


def _rollout(deployments: Iterable[Mapping[str, Any]]) -> str:
    """COMPLETED, IN_PROGRESS or FAILED; those that are being replaced do not matter."""
    states = [each.get("rolloutState") for each in deployments if each["status"] == "PRIMARY"]
    return str(states[0]) if states and states[0] else "IN_PROGRESS"


def _is_rolled_back(service: Mapping[str, Any]) -> bool:
    """ECS shows a deployment that failed for a while beside the one it goes back to, and says so
    in the service's events."""
    failed = any(each.get("rolloutState") == "FAILED" for each in service["deployments"])
    said = any("rolling back" in each["message"] for each in service.get("events") or ())
    return failed or said


def _reason(service: Mapping[str, Any]) -> str:
    """What ECS said last of why tasks did not start."""
    messages = [str(each["message"]) for each in service.get("events") or ()]  # the newest first
    telling = [text for text in messages if "unable" in text or "failed" in text]
    return " ".join(telling[0].split()) if telling else "its events say no more"


def _given_up(found: Found) -> str:
    return (
        f"{found.address}: the new tasks did not get healthy and ECS gave them up: "
        f"{found.attributes['reason']}; what ran before runs on; look at the stopped tasks of "
        f"cluster {found.attributes['cluster']} and at the service's log, then apply again"
    )


KINDS: tuple[Kind, ...] = (Cluster(), ContainerService())
