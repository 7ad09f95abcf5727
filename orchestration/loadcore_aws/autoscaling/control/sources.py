"""Where figures come from that can be read anywhere, in a Lambda function too: SQS, CloudWatch and
the service's own metrics. local_sources has the others."""

from __future__ import annotations

import http.client
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from loadcore_aws.autoscaling.control import prometheus
from loadcore_aws.autoscaling.control.config import ADDRESS, CloudWatch, Metrics, Queue
from loadcore_aws.autoscaling.control.decide import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadcore_aws.autoscaling.control.decide import Group

Clients: TypeAlias = Callable[[str], Any]
"""makes a client of a service: Session.client"""
Fetch: TypeAlias = Callable[[str, float], str]

PAGE_BYTES_MAX = 8 << 20
CHUNK_BYTES = 64 << 10
RESULT = "loadcore_figure"


class NoFigure(Exception):  # noqa: N818 - an outcome to be told, not an error
    """There is no figure now; str() says why."""


class Source(Protocol):
    def value(self, group: Group) -> float:
        """The figure now. Raises NoFigure, and what boto3 raises where AWS refuses."""


def source_of(figure: Queue | CloudWatch | Metrics, clients: Clients) -> Source:
    """Whatever reads the figure; nothing is read yet."""
    if isinstance(figure, Queue):
        return QueueSource(figure, clients)
    if isinstance(figure, CloudWatch):
        return CloudWatchSource(figure, clients)
    return MetricsSource(figure, clients)


def reading(source: Source, group: Group, *, per_instance: bool) -> Reading:
    """What the source says, divided by the instances in service where asked for; with none in
    service it is not divided, so that a group can be scaled out from zero."""
    try:
        value = source.value(group)
    except NoFigure as error:
        return Reading(None, str(error))
    if not math.isfinite(value):
        return Reading(None, f"it is {value}")
    if not per_instance:
        return Reading(value, f"{value:.6g}")
    shared = value / max(group.in_service, 1)
    return Reading(shared, f"{value:.6g} over {group.in_service} in service")


class QueueSource:
    """Source: GetQueueAttributes, Amazon SQS API Reference. The counts are approximate."""

    def __init__(self, figure: Queue, clients: Clients) -> None:
        self._queues = clients("sqs")
        self._name = figure.queue
        self._url = figure.queue if "://" in figure.queue else ""
        self._counted = ["ApproximateNumberOfMessages"]
        if figure.in_flight:
            self._counted.append("ApproximateNumberOfMessagesNotVisible")

    def value(self, group: Group) -> float:
        if not self._url:
            self._url = self._queues.get_queue_url(QueueName=self._name)["QueueUrl"]
        answer = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=self._counted)
        return float(sum(int(answer["Attributes"][name]) for name in self._counted))


class CloudWatchSource:
    """Source: GetMetricData, Amazon CloudWatch API Reference. The period under way is left out, as
    its number is not final."""

    def __init__(
        self, figure: CloudWatch, clients: Clients, now_s: Callable[[], float] = time.time
    ) -> None:
        self._figure = figure
        self._cloudwatch = clients("cloudwatch")
        self._now_s = now_s

    def value(self, group: Group) -> float:
        period_s = self._figure.period_s
        end = datetime.fromtimestamp(self._now_s() // period_s * period_s, timezone.utc)
        answer = self._cloudwatch.get_metric_data(
            MetricDataQueries=self._queries(),
            StartTime=end - timedelta(seconds=period_s * self._figure.periods),
            EndTime=end,
            ScanBy="TimestampDescending",
        )
        for result in answer["MetricDataResults"]:
            if result["Values"]:
                return float(result["Values"][0])
            for message in result.get("Messages", ()):
                raise NoFigure(f"CloudWatch says {message.get('Value', message)}")
        raise NoFigure(f"CloudWatch has no value of the last {self._figure.periods} periods")

    def _queries(self) -> list[dict[str, Any]]:
        expression = self._figure.expression
        queries: list[dict[str, Any]] = [
            {
                "Id": name,
                "MetricStat": {
                    "Metric": {
                        "Namespace": query.namespace,
                        "MetricName": query.name,
                        "Dimensions": [
                            {"Name": key, "Value": value}
                            for key, value in sorted(query.dimensions.items())
                        ],
                    },
                    "Period": self._figure.period_s,
                    "Stat": query.statistic,
                },
                "ReturnData": not expression,
            }
            for name, query in sorted(self._figure.metrics.items())
        ]
        if expression:
            period = {"Period": self._figure.period_s}
            queries.append({"Id": RESULT, "Expression": expression, "ReturnData": True, **period})
        return queries


Series: TypeAlias = "dict[tuple[str, frozenset[tuple[str, str]]], float]"
"""each series, by its page and labels"""


@dataclass(frozen=True)
class Window:
    """What two scrapes of the same pages saw, `seconds` apart."""

    before: Series
    after: Series
    seconds: float

    def increases(self) -> Series:
        """A counter that has fallen was begun anew: it has risen by what it says now."""
        risen = {key: value - self.before.get(key, 0.0) for key, value in self.after.items()}
        return {key: self.after[key] if rise < 0 else rise for key, rise in risen.items()}


class MetricsSource:
    """All pages must answer: a sum without one of them would be too low."""

    def __init__(
        self,
        figure: Metrics,
        clients: Clients,
        *,
        fetch: Fetch | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._figure = figure
        self._machines = clients("ec2") if ADDRESS in figure.url else None
        self._fetch = fetch or fetch_text
        self._sleep = sleep
        self._now_s = now_s

    def value(self, group: Group) -> float:
        figure, urls = self._figure, self._urls(group)
        if not figure.windowed:
            return sum(self._series(urls, figure.metric).values())
        name = figure.metric if figure.rate else f"{figure.metric}_bucket"
        begin_s = self._now_s()
        before = self._series(urls, name)
        self._sleep(figure.window_s)
        after_s = self._now_s()
        window = Window(before, self._series(urls, name), after_s - begin_s)
        if figure.quantile is None:
            return sum(window.increases().values()) / window.seconds
        return _quantile(figure.quantile, window.increases())

    def _urls(self, group: Group) -> list[str]:
        if self._machines is None:
            return [self._figure.url]
        if not group.instance_ids:
            raise NoFigure("no instance is in service")
        answer = self._machines.describe_instances(InstanceIds=list(group.instance_ids))
        addresses = sorted(
            instance["PrivateIpAddress"]
            for reservation in answer["Reservations"]
            for instance in reservation["Instances"]
            if instance.get("PrivateIpAddress")
        )
        if len(addresses) < len(group.instance_ids):
            gone = len(group.instance_ids) - len(addresses)
            raise NoFigure(f"{gone} of {len(group.instance_ids)} in service have no address now")
        return [self._figure.url.replace(ADDRESS, address) for address in addresses]

    def _series(self, urls: list[str], name: str) -> Series:
        found: Series = {}
        wanted = self._figure.labels.items()
        timeout_s = self._figure.timeout_s
        deadline_s = self._now_s() + timeout_s
        for url in urls:
            left_s = deadline_s - self._now_s()
            if left_s <= 0:
                raise NoFigure(f"{url}: the pages before it took all of timeout_s, {timeout_s:g}")
            try:
                samples = prometheus.parse(self._fetch(url, left_s))
            except ValueError as error:
                raise NoFigure(f"{url}: {error}") from None
            for sample in samples:
                if sample.name == name and wanted <= sample.labels.items():
                    found[url, frozenset(sample.labels.items())] = sample.value
        if not found:
            labels = ", ".join(f'{key}="{value}"' for key, value in sorted(wanted))
            raise NoFigure(f"{', '.join(urls)}: there is no {name}{{{labels}}}")
        return found


def _quantile(
    quantile: float, series: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
) -> float:
    buckets: dict[float, float] = {}
    for (url, labels), count in series.items():
        bound = _bound(url, dict(labels).get("le", ""))
        buckets[bound] = buckets.get(bound, 0.0) + count
    value = prometheus.histogram_quantile(quantile, buckets)
    if math.isnan(value):
        raise NoFigure("the histogram took nothing in during window_s")
    return value


def _bound(url: str, text: str) -> float:
    """The upper one of a bucket, that is its label le."""
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise NoFigure(f"{url}: a bucket of the histogram has le={text[:80]!r}, no number")
    return bound


def fetch_text(url: str, timeout_s: float) -> str:
    """The page, within `timeout_s` altogether. Raises NoFigure."""
    request = urllib.request.Request(url, headers={"Accept": "text/plain; version=0.0.4"})
    deadline_s = time.monotonic() + timeout_s
    page = b""
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            while chunk := answer.read1(CHUNK_BYTES):
                page += chunk
                if len(page) > PAGE_BYTES_MAX:
                    raise NoFigure(f"{url}: the page is longer than {PAGE_BYTES_MAX} bytes")
                if time.monotonic() > deadline_s:
                    raise NoFigure(f"{url}: not read within {timeout_s:g} s")
            if answer.length:  # what is still due, in the end
                raise NoFigure(f"{url}: the page was cut off")
    except urllib.error.HTTPError as error:
        raise NoFigure(f"{url}: answers {error.code}") from None
    except urllib.error.URLError as error:
        raise NoFigure(f"{url}: {error.reason}") from None
    # ValueError: a host or a path that cannot be written as one, here or in a redirection.
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoFigure(f"{url}: {error or type(error).__name__}") from None
    return page.decode(errors="replace")
