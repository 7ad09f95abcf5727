"""Figures out of Prometheus pages: a real service's, and such as no service should have."""

from __future__ import annotations

import math
import socket
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.front import Front
from figures import GROUP, no_clients, value
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import parser as reference
from scaled_group import ScaledGroup
from serving import served

import loadcore as lc
from loadcore_aws.autoscaling.control import prometheus
from loadcore_aws.autoscaling.control.config import (
    Metrics,
)
from loadcore_aws.autoscaling.control.local_sources import source_of
from loadcore_aws.autoscaling.control.sources import (
    MetricsSource,
    NoFigure,
    fetch_text,
    reading,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HISTOGRAM = "loadcore_http_request_duration_seconds"


@contextmanager
def liking(service: lc.Service) -> Iterator[None]:
    """Likes come in all the while."""
    with lc.start(f"{service.url}/v1/a/likes", method="POST", rate=500, duration="30s"):
        yield


def test_quantile_and_rate_come_from_a_real_page_over_a_window() -> None:
    with lc.serve(port=0, admin_port=0) as service, liking(service):
        page = f"{service.admin_url}/metrics"
        labels = {"route": "post_likes"}
        figure = Metrics("metrics", page, HISTOGRAM, labels, quantile=0.99, window_s=0.3)
        p99_s = value(figure)
        assert p99_s is not None
        assert 0 < p99_s < 1
        counted = Metrics(
            "metrics", page, "loadcore_http_requests_total", labels, rate=True, window_s=0.3
        )
        rate = value(counted)
        assert rate is not None
        assert 50 < rate < 5000


def test_a_sample_is_summed_over_its_series_and_quiet_histograms_have_no_figure() -> None:
    with lc.serve(port=0, admin_port=0) as service:
        page = f"{service.admin_url}/metrics"
        for user in ("a", "a", "b"):
            request = urllib.request.Request(f"{service.url}/v1/{user}/likes", method="POST")
            urllib.request.urlopen(request).close()
        assert value(Metrics("metrics", page, "loadcore_likes")) == 3
        assert value(Metrics("metrics", page, "loadcore_additions_total")) == 3
        quiet = Metrics("metrics", page, HISTOGRAM, quantile=0.5, window_s=0.01)
        with pytest.raises(NoFigure, match="took nothing in"):
            MetricsSource(quiet, no_clients).value(GROUP)
        with pytest.raises(NoFigure, match=r'there is no loadcore_likes\{user="z"\}'):
            MetricsSource(
                Metrics("metrics", page, "loadcore_likes", {"user": "z"}), no_clients
            ).value(GROUP)


def test_every_instance_in_service_is_asked_at_its_address(aws: Front) -> None:
    group = ScaledGroup(aws.url, desired=2)
    ids = tuple(each["InstanceId"] for each in group.described()["Instances"])
    pages: list[str] = []

    def fetch(url: str, timeout_s: float) -> str:
        pages.append(url)
        return f"open {len(pages)}\n"

    figure = Metrics("metrics", "http://{address}:9090/metrics", "open")
    source = MetricsSource(figure, group.client, fetch=fetch)
    assert source.value(replace(GROUP, instance_ids=ids)) == 1 + 2
    machines = group.client("ec2").describe_instances(InstanceIds=list(ids))
    addresses = [
        each["PrivateIpAddress"]
        for reservation in machines["Reservations"]
        for each in reservation["Instances"]
    ]
    assert pages == [f"http://{address}:9090/metrics" for address in sorted(addresses)]
    with pytest.raises(NoFigure, match="no instance is in service"):
        source.value(GROUP)


class LeavingMachines:
    """As AWS has it, and moto has not: an instance that is gone has no address."""

    def describe_instances(self, InstanceIds: list[str]) -> dict[str, Any]:  # noqa: N803
        first, *gone = InstanceIds
        instances = [{"InstanceId": first, "PrivateIpAddress": "10.0.0.1"}]
        return {"Reservations": [{"Instances": instances + [{"InstanceId": i} for i in gone]}]}


def test_a_sum_without_one_of_the_instances_is_no_figure() -> None:
    figure = Metrics("metrics", "http://{address}/", "open")
    source = MetricsSource(figure, lambda _: LeavingMachines(), fetch=lambda *_: "open 1\n")
    assert source.value(replace(GROUP, instance_ids=("i-1",))) == 1
    with pytest.raises(NoFigure, match="1 of 2 in service have no address now"):
        source.value(replace(GROUP, instance_ids=("i-1", "i-2")))


def test_a_counter_that_began_anew_counts_from_zero() -> None:
    pages = iter(["n 90\n", "n 6\n"])
    slept_s: list[float] = []
    figure = Metrics("metrics", "http://h/", "n", rate=True, window_s=2.0)
    source = MetricsSource(
        figure, no_clients, fetch=lambda *_: next(pages), sleep=slept_s.append,
        now_s=lambda: sum(slept_s),
    )  # fmt: skip
    assert source.value(GROUP) == 3


def test_all_pages_together_have_the_time_of_timeout_s(aws: Front) -> None:
    group = ScaledGroup(aws.url, desired=3)
    ids = tuple(each["InstanceId"] for each in group.described()["Instances"])
    given_s: list[float] = []

    def fetch(url: str, timeout_s: float) -> str:
        given_s.append(timeout_s)
        return "open 1\n"

    figure = Metrics("metrics", "http://{address}:9090/metrics", "open", timeout_s=5)
    source = MetricsSource(
        figure, group.client, fetch=fetch, now_s=lambda: 3.0 * len(given_s)
    )  # fmt: skip
    with pytest.raises(NoFigure, match="the pages before it took all of timeout_s, 5"):
        source.value(replace(GROUP, instance_ids=ids))
    assert given_s == [5, 2]


@contextmanager
def page_of(status: int, body: bytes, *, cut: int = 0) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + cut))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Not on stderr."""

    with served(Handler) as url:
        yield f"{url}/metrics"


@pytest.mark.parametrize(
    ("status", "body", "cut", "said"),
    [
        (503, b"", 0, "answers 503"),
        (200, b"<html>", 0, "line 1 is no Prometheus sample"),
        (200, b"open nan\n", 0, "it is nan"),
        (200, b"open 1\n" + b"#" * (8 << 20), 0, "longer than 8388608 bytes"),
        (200, b"open 1\n", 5, "the page was cut off"),
    ],
)  # fmt: skip
def test_a_page_that_is_none_gives_no_figure(status: int, body: bytes, cut: int, said: str) -> None:
    with page_of(status, body, cut=cut) as url:
        figure = Metrics("metrics", url, "open")
        read = reading(source_of(figure, no_clients), GROUP, per_instance=False)
        assert read.value is None
        assert said in read.detail


@pytest.mark.parametrize("bound", ['le="abc"', 'le="NaN"', 'le=""', 'of="1"'])
def test_a_histogram_with_a_bound_that_is_none_gives_no_figure(bound: str) -> None:
    figure = Metrics("metrics", "http://h/", "h", quantile=0.5)
    page = f'h_bucket{{{bound}}} 1\nh_bucket{{le="+Inf"}} 2\n'
    source = MetricsSource(figure, no_clients, fetch=lambda *_: page, sleep=lambda _: None)
    read = reading(source, GROUP, per_instance=False)
    assert read.value is None
    assert "http://h/: a bucket of the histogram has le=" in read.detail


@pytest.mark.parametrize(
    "url", ["http://a..b/", f"http://{'a' * 70}/", "http://127.0.0.1:1/\u0142"]
)
def test_a_url_that_cannot_be_asked_gives_no_figure(url: str) -> None:
    with pytest.raises(NoFigure) as caught:
        fetch_text(url, 1.0)
    asked, _, why = str(caught.value).partition(": ")
    assert asked == url
    assert "codec can't encode" in why or "encoding with 'idna' codec failed" in why


def test_a_page_that_does_not_come_gives_no_figure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(NoFigure, match="timed out"):
            fetch_text(url, 0.1)
    with pytest.raises(NoFigure, match="refused"):
        fetch_text(url, 1.0)


PAGE = r"""
# HELP a_total Of things.
# TYPE a_total counter
a_total{path="C:\\x \"y\" } ,\n",b="1"} 1.5e3 1395066363000
a_total{b="2",} +Inf
bare 3
h_bucket{le="+Inf"} 7
"""


def test_pages_are_read_as_the_reference_reads_them() -> None:
    expected = {
        (sample.name, frozenset(sample.labels.items()), sample.value)
        for family in reference.text_string_to_metric_families(PAGE)
        for sample in family.samples
    }
    ours = {(name, frozenset(labels.items()), n) for name, labels, n in prometheus.parse(PAGE)}
    assert ours == expected


@pytest.mark.parametrize("line", ["a", "a{b=1} 2", 'a{b="1" 2', "a 1 2 3", "1a 2", "a b"])
def test_a_line_that_is_no_sample_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no Prometheus sample"):
        prometheus.parse(f"ok 1\n{line}\n")


INF = math.inf


@pytest.mark.parametrize(
    ("quantile", "buckets", "expected"),
    [
        (0.5, {1: 10, 2: 20, INF: 20}, 1.0),
        (0.75, {1: 10, 2: 20, INF: 20}, 1.5),
        (0.25, {1: 10, 2: 20, INF: 20}, 0.5),  # the lowest begins at 0
        (0.99, {1: 10, 2: 20, INF: 40}, 2.0),  # in the highest: the bound before it
        (0.1, {-1: 10, 2: 20, INF: 20}, -1.0),
        (0.5, {1: 10, 2: 9, INF: 20}, 1.0),  # made to ascend
        (0.5, {1: 0, 2: 0, INF: 0}, math.nan),
        (0.5, {1: 1, 2: 2}, math.nan),
        (0.5, {INF: 2}, math.nan),
    ],
)
def test_quantiles_are_those_of_the_documentation(
    quantile: float, buckets: dict[float, float], expected: float
) -> None:
    assert prometheus.histogram_quantile(quantile, buckets) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 9.99), min_size=1, max_size=200),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    bounds = [1.0, 2.0, 4.0, 10.0, INF]
    buckets = {bound: float(sum(each <= bound for each in values)) for bound in bounds}
    true = sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
    upper = min(bound for bound in bounds if bound >= true)
    lower = max([bound for bound in bounds if bound < upper], default=0.0)
    found = prometheus.histogram_quantile(share, buckets)
    assert lower - 1e-9 <= found <= upper + 1e-9
