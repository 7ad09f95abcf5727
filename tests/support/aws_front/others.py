"""Balancers, instance profiles, rules, percentiles, scalable targets, public images.

Sources: the API Reference of each service, the action of each name.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from aws_front.answers import Answer, error, json_answer, query_answer

if TYPE_CHECKING:
    from aws_front.actions import Request
    from aws_front.front import Moto

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


def balancers(request: Request, moto: Moto) -> Answer:
    answer = moto.forward(request)
    name = moto.switches.balancers_at
    if not name or not answer.good:
        return answer
    return replace(answer, body=re.sub(rb"(?<=<DNSName>)[^<]*", name.encode(), answer.body))


def create_balancer(request: Request, moto: Moto) -> Answer:
    """The same settings again are the same balancer; other settings, DuplicateLoadBalancerName."""
    with moto.lock:
        client = moto.client("elbv2", request.region)
        name = request.text("Name")
        all_of_them = client.describe_load_balancers()["LoadBalancers"]
        found = [each for each in all_of_them if each["LoadBalancerName"] == name]
        if not found:
            return moto.forward(request)
        subnets = {zone["SubnetId"] for zone in found[0]["AvailabilityZones"]}
        same = subnets == set(request.values("Subnets.member"))
        scheme = request.text("Scheme") or "internet-facing"
        same = same and found[0].get("Scheme", "internet-facing") == scheme
        if not same:
            message = f"A load balancer with the same name '{name}' exists, but with different "
            return error(request, "DuplicateLoadBalancerName", message + "settings")
        return _described(request, moto, "DescribeLoadBalancers", {"Names.member.1": name})


def create_target_group(request: Request, moto: Moto) -> Answer:
    with moto.lock:
        client = moto.client("elbv2", request.region)
        name = request.text("Name")
        all_of_them = client.describe_target_groups()["TargetGroups"]
        found = [each for each in all_of_them if each["TargetGroupName"] == name]
        fixed = ("Protocol", "Port", "VpcId")
        if not found or any(str(found[0].get(key)) != request.text(key) for key in fixed):
            return moto.forward(request)  # which refuses a name that is taken
        return _described(request, moto, "DescribeTargetGroups", {"Names.member.1": name})


def create_listener(request: Request, moto: Moto) -> Answer:
    with moto.lock:
        client = moto.client("elbv2", request.region)
        balancer = request.text("LoadBalancerArn")
        for listener in client.describe_listeners(LoadBalancerArn=balancer)["Listeners"]:
            if str(listener["Port"]) != request.text("Port"):
                continue
            target = listener["DefaultActions"][0].get("TargetGroupArn", "")
            if target != request.text("DefaultActions.member.1.TargetGroupArn"):
                message = "A listener already exists on this port for this load balancer"
                return error(request, "DuplicateListener", message)
            only = {"ListenerArns.member.1": listener["ListenerArn"]}
            return _described(request, moto, "DescribeListeners", only)
        return moto.forward(request)


def _described(request: Request, moto: Moto, action: str, form: dict[str, str]) -> Answer:
    """moto's description in the place of what the creation answers: both have the same shape."""
    answer = moto.forward(request.with_form(action, form))
    body = answer.body.replace(action.encode(), request.action.encode())
    return Answer(answer.status, answer.headers, body)


def profile_tags(request: Request, moto: Moto) -> Answer:
    name = request.text("InstanceProfileName")
    found = moto.client("iam", request.region).get_instance_profile(InstanceProfileName=name)
    tags = found["InstanceProfile"].get("Tags", [])
    return query_answer(request, {"Tags": tags, "IsTruncated": False})


def put_rule(request: Request, moto: Moto) -> Answer:
    """Tags are for a new rule alone."""
    with moto.lock:
        events, name = moto.client("events", request.region), request.text("Name")
        rules = events.list_rules(NamePrefix=name)["Rules"]
        if any(rule["Name"] == name for rule in rules):
            document = {key: part for key, part in request.parameters.items() if key != "Tags"}
            return moto.forward(request.with_document(document))
        return moto.forward(request)


def _series(region: str, namespace: str, metric: dict[str, Any]) -> tuple[str, ...]:
    dimensions = sorted((d["Name"], d["Value"]) for d in metric.get("Dimensions", []))
    return (
        region,
        namespace,
        metric["MetricName"],
        *(part for pair in dimensions for part in pair),
    )


def put_metric_data(request: Request, moto: Moto) -> Answer:
    """Samples are kept for percentiles; statistic sets carry none (Amazon CloudWatch User Guide,
    "Percentiles")."""
    answer = moto.forward(request)
    if answer.good:
        namespace = request.text("Namespace")
        with moto.lock:
            for datum in request.parameters.get("MetricData", []):
                at = _seconds(datum.get("Timestamp", datetime.now(timezone.utc).timestamp()))
                values = datum.get("Values", [datum["Value"]] if "Value" in datum else [])
                counts = datum.get("Counts", [1] * len(values))
                series = moto.state.samples[_series(request.region, namespace, datum)]
                series += [(at, value, n) for value, n in zip(values, counts, strict=True)]
    return answer


def _seconds(given: float | str) -> float:
    if isinstance(given, str):
        return datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp()
    return float(given)


def get_metric_data(request: Request, moto: Moto) -> Answer:
    """Percentiles are answered here, by nearest rank; the rest by moto."""
    queries = request.parameters.get("MetricDataQueries", [])
    ours = [q for q in queries if _PERCENTILE.fullmatch(q.get("MetricStat", {}).get("Stat", ""))]
    if not ours:
        return moto.forward(request)
    rest = [query for query in queries if query not in ours]
    results = {query["Id"]: _percentiles(request, moto, query) for query in ours}
    if rest:
        document = {**request.parameters, "MetricDataQueries": rest}
        answer = moto.forward(request.with_document(document))
        if not answer.good:
            return answer
        results |= {each["Id"]: each for each in json.loads(answer.body)["MetricDataResults"]}
    told = [results[q["Id"]] for q in queries if q["Id"] in results and q.get("ReturnData", True)]
    return json_answer({"MetricDataResults": told, "Messages": []})


def _percentiles(request: Request, moto: Moto, query: dict[str, Any]) -> dict[str, Any]:
    wanted = query["MetricStat"]
    metric, period = wanted["Metric"], wanted["Period"]
    begin = _seconds(request.parameters["StartTime"])
    end = _seconds(request.parameters["EndTime"])
    buckets: dict[float, list[tuple[float, float]]] = {}
    with moto.lock:
        samples = list(moto.state.samples[_series(request.region, metric["Namespace"], metric)])
    for at, value, count in samples:
        start = math.floor(at / period) * period
        if begin <= start < end:
            buckets.setdefault(start, []).append((value, count))
    share = float(wanted["Stat"][1:]) / 100
    starts = sorted(buckets, reverse=request.text("ScanBy") != "TimestampAscending")
    return {
        "Id": query["Id"],
        "Label": query.get("Label", f"{metric['MetricName']} {wanted['Stat']}"),
        "Timestamps": starts,
        "Values": [_nearest_rank(buckets[start], share) for start in starts],
        "StatusCode": "Complete",
    }


def _nearest_rank(samples: list[tuple[float, float]], share: float) -> float:
    rank = share * sum(count for _, count in samples)
    reached = 0.0
    for value, count in sorted(samples):
        reached += count
        if reached >= rank:
            return value
    return max(value for value, _ in samples)


def register_target(request: Request, moto: Moto) -> Answer:
    """Tags are taken at the first registration only."""
    answer = moto.forward(request)
    if answer.good:
        arn = json.loads(answer.body)["ScalableTargetARN"]
        with moto.lock:
            moto.state.scalable_tags.setdefault(arn, dict(request.parameters.get("Tags", {})))
    return answer


def scalable_tags(request: Request, moto: Moto) -> Answer:
    return _tags(request, moto) or json_answer({"Tags": _tags_of(request, moto)})


def tag_scalable(request: Request, moto: Moto) -> Answer:
    if refused := _tags(request, moto):
        return refused
    with moto.lock:
        _tags_of(request, moto).update(request.parameters["Tags"])
    return json_answer({})


def untag_scalable(request: Request, moto: Moto) -> Answer:
    if refused := _tags(request, moto):
        return refused
    with moto.lock:
        for key in request.parameters["TagKeys"]:
            _tags_of(request, moto).pop(key, None)
    return json_answer({})


def _tags(request: Request, moto: Moto) -> Answer | None:
    """The refusal where there is no such target."""
    arn = request.text("ResourceARN")
    if arn in moto.state.scalable_tags:
        return None
    return error(request, "ResourceNotFoundException", f"The resource {arn} doesn't exist")


def _tags_of(request: Request, moto: Moto) -> dict[str, str]:
    return moto.state.scalable_tags[request.text("ResourceARN")]


def deregister_target(request: Request, moto: Moto) -> Answer:
    client = moto.client("application-autoscaling", request.region)
    keys = ("ServiceNamespace", "ResourceId", "ScalableDimension")
    target = {key: request.text(key) for key in keys}
    described = client.describe_scalable_targets(
        ServiceNamespace=target["ServiceNamespace"], ResourceIds=[target["ResourceId"]]
    )
    answer = moto.forward(request)
    if answer.good:
        for policy in client.describe_scaling_policies(**target)["ScalingPolicies"]:
            client.delete_scaling_policy(PolicyName=policy["PolicyName"], **target)
        for action in client.describe_scheduled_actions(**target)["ScheduledActions"]:
            name = action["ScheduledActionName"]
            client.delete_scheduled_action(ScheduledActionName=name, **target)
        with moto.lock:
            for each in described["ScalableTargets"]:
                moto.state.scalable_tags.pop(each.get("ScalableTargetARN", ""), None)
    return answer


DEBIAN = "/aws/service/debian/release/12/latest/amd64"
AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def get_parameter(request: Request, moto: Moto) -> Answer:
    if request.parameters.get("Name") != DEBIAN:
        return moto.forward(request)
    stand_in = {**request.parameters, "Name": AMAZON_LINUX}
    answer = moto.forward(request.with_document(stand_in))
    return replace(answer, body=answer.body.replace(AMAZON_LINUX.encode(), DEBIAN.encode()))
