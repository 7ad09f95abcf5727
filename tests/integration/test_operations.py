"""What the likes service tells those who run it: metrics and the log."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import pytest
from command import loadcore, started
from faulty_disk import FaultyDisk
from likes_client import LikesClient
from open_loop import assert_all_due
from prometheus_client.parser import text_string_to_metric_families
from wire import Wire, request

import loadcore as lc

Labels = frozenset[tuple[str, str]]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Metrics:
    """One scrape, parsed by Prometheus' own client."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples: dict[tuple[str, Labels], float] = {}
        for family in self.families:
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, key
                self.samples[key] = sample.value
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(self.samples) == len(lines)

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def by_labels(self, name: str) -> dict[tuple[str, ...], float]:
        """Its samples that are not 0, by the values of their labels in the labels' order."""
        return {
            tuple(value for _, value in sorted(labels)): value
            for (each, labels), value in self.samples.items()
            if each == name and value
        }


class Service(NamedTuple):
    process: subprocess.Popen[str]
    port: int
    admin: str

    def scrape(self) -> Metrics:
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=5) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            return Metrics(answer.read().decode())

    def scrape_until(self, sound: Callable[[Metrics], bool]) -> Metrics:
        """Figures follow what clients see within microseconds, on a machine that is not busy."""
        end = time.monotonic() + 10
        while not sound(metrics := self.scrape()):
            assert time.monotonic() < end, metrics.samples
        return metrics

    def end(self) -> tuple[str, list[dict[str, Any]]]:
        """Its stdout, and the objects that it logged."""
        self.process.send_signal(signal.SIGTERM)
        stdout, stderr = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return stdout, lines_of(stderr)


def lines_of(log: str) -> list[dict[str, Any]]:
    """The objects of a log, whose first members must be what every line has."""
    lines = []
    for text in log.splitlines():
        assert text.isascii()
        assert text.isprintable()
        line = json.loads(text)
        assert list(line)[:3] == ["ts", "level", "event"]
        assert TIME.fullmatch(line["ts"])
        assert line["level"] in ("info", "warning", "error")
        lines.append(line)
    return lines


def of(lines: Sequence[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


@contextmanager
def serving(*arguments: str, **options: Any) -> Iterator[Service]:
    usual = ("--port", "0", "--admin-port", "0", "--threads", "1")
    with started("serve", *usual, *arguments, **options) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        port = urlsplit(first["url"]).port
        assert port is not None
        yield Service(process, port, first["admin"])


def send_some(port: int) -> dict[tuple[str, str], int]:
    """Requests of every kind; returns how many of which route and status they were."""
    with LikesClient(port) as client:
        for _ in range(5):
            assert client.like("alice").status == 200
        for _ in range(2):
            assert client.like("bob", "key").likes == 1
        assert client.like("alice", "key").status == 422
        for _ in range(3):
            assert client.likes("alice") == 5
    with Wire(port) as wire:
        sent = {
            request("/v1/alice/likes", "HEAD"): 200,
            request("/v1/%20/likes", "POST"): 400,
            request("/v1/alice/likes", "DELETE"): 405,
            request("/v1/healthcheck"): 200,
            request("/v1/readiness"): 200,
            request("/metrics"): 404,
            b"nonsense\r\n\r\n": 400,
        }
        for data, status in sent.items():
            wire.send(data)
            assert wire.answer(head=data.startswith(b"HEAD")).status == status
    return {
        ("post_likes", "200"): 7,
        ("post_likes", "400"): 1,
        ("post_likes", "422"): 1,
        ("get_likes", "200"): 4,
        ("healthcheck", "200"): 1,
        ("readiness", "200"): 1,
        ("other", "404"): 1,
        ("other", "405"): 1,
        ("unread", "400"): 1,
    }


# --- metrics


@pytest.mark.parametrize("durable", [False, True])
def test_metrics_are_what_a_client_did(tmp_path: Path, durable: bool) -> None:
    arguments = ("--data", str(tmp_path / "data")) if durable else ()
    with serving(*arguments, "--log", "off") as service:
        fresh = service.scrape()
        assert fresh.by_labels("loadcore_http_requests_total") == {}
        sent = send_some(service.port)
        metrics = service.scrape_until(lambda now: now("loadcore_http_connections_open") == 0)
    assert metrics.by_labels("loadcore_http_requests_total") == sent
    for route in ("post_likes", "get_likes", "healthcheck", "readiness", "other"):
        count = sum(number for (of_route, _), number in sent.items() if of_route == route)
        assert metrics("loadcore_http_request_duration_seconds_count", route=route) == count
        assert 0 < metrics("loadcore_http_request_duration_seconds_sum", route=route) < 5
    assert metrics.by_labels("loadcore_additions_total") == {
        ("counted",): 6,
        ("replayed",): 1,
        ("key_conflict",): 1,
    }
    assert metrics("loadcore_users") == 2
    assert metrics("loadcore_likes") == 6
    assert metrics("loadcore_http_connections_accepted_total") == 2
    assert metrics("loadcore_durability_failed") == 0
    assert metrics("loadcore_durability_info", durability="fsync" if durable else "memory") == 1
    assert metrics("loadcore_build_info", version=lc.__version__) == 1
    assert (("loadcore_data_log_bytes", frozenset()) in metrics.samples) == durable
    assert ("loadcore_log_lines_total", frozenset()) not in metrics.samples
    if durable:
        assert metrics("loadcore_commit_batch_size_sum") == 8
        assert metrics("loadcore_commit_batch_size_count") == 8  # one at a time
        assert metrics("loadcore_commit_duration_seconds_count") == 8
        assert metrics("loadcore_commit_duration_seconds_sum") > 0
        assert metrics("loadcore_commit_queue_depth") == 0
        assert metrics("loadcore_idempotency_keys") == 1
        assert metrics("loadcore_data_frames_total") == 6  # those that counted something
        assert metrics("loadcore_data_log_bytes") > fresh("loadcore_data_log_bytes")


def test_metrics_are_well_formed(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path / "data")) as service:
        send_some(service.port)
        metrics = service.scrape()
    for family in metrics.families:
        assert family.documentation.endswith("."), family.name
        assert re.fullmatch(r"(loadcore|process)_[a-z_]+", family.name)
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            assert sample.value >= 0
            if family.type == "counter":
                assert sample.name.endswith("_total")
        if family.type == "histogram":
            check_histogram(family.samples)
    assert sum(family.type == "histogram" for family in metrics.families) == 3


def check_histogram(samples: Sequence[Any]) -> None:
    series: dict[Labels, list[tuple[float, float]]] = {}
    counts: dict[Labels, float] = {}
    for sample in samples:
        labels = frozenset((name, value) for name, value in sample.labels.items() if name != "le")
        if sample.name.endswith("_bucket"):
            series.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[labels] = sample.value
    for labels, buckets in series.items():
        assert buckets == sorted(buckets)
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1] == (float("inf"), counts[labels])
        assert len({bound for bound, _ in buckets}) == len(buckets) > 10


def test_metrics_add_up_over_threads() -> None:
    with serving("--threads", "2") as service:
        url = f"http://127.0.0.1:{service.port}/v1/alice/likes"
        run = lc.run(url, method="POST", requests=5000, connections=16)
        metrics = service.scrape_until(lambda now: now("loadcore_http_connections_open") == 0)
    assert run.status_codes == {200: 5000}
    requests = metrics.by_labels("loadcore_http_requests_total")
    assert requests == {("post_likes", "200"): 5000}
    assert metrics("loadcore_http_connections_accepted_total") == 16
    assert metrics("loadcore_http_request_duration_seconds_count", route="post_likes") == 5000
    # The service was busy for less than its clients waited.
    waited = run.service_time.mean * 5000
    assert metrics("loadcore_http_request_duration_seconds_sum", route="post_likes") < waited


def test_the_library_has_an_admin_listener_too() -> None:
    with lc.serve() as service:
        assert service.admin_url is None
    service = lc.serve(admin_port=0)
    url = f"{service.admin_url}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert Metrics(answer.read().decode())("loadcore_likes") == 0
    assert service.stop()
    with pytest.raises(URLError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_the_process_is_described() -> None:
    with serving("--log", "off") as service:
        metrics = service.scrape()
        descriptors = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    assert abs(metrics("process_start_time_seconds") - time.time()) < 30
    assert 1e6 < metrics("process_resident_memory_bytes") < 1e9
    assert 0 < metrics("process_cpu_seconds_total") < 30
    # The admin connection itself may be gone by the time that the test looks.
    assert abs(metrics("process_open_fds") - descriptors) <= 1
    assert metrics("process_max_fds") >= metrics("process_open_fds")


def test_connections_are_counted() -> None:
    with serving("--connections-max", "2", "--head-timeout", "300ms") as service:
        with Wire(service.port) as first, Wire(service.port):
            first.send(request("/v1/alice/likes", "POST"))
            assert first.answer().status == 200
            with Wire(service.port) as third:
                assert b" 503 " in third.rest()
            service.scrape_until(lambda now: now("loadcore_http_connections_open") == 2)
            first.send(b"POST /v1/")
            assert first.answer().status == 408
        metrics = service.scrape()
        assert metrics("loadcore_http_connections_accepted_total") == 2
        assert metrics("loadcore_http_connections_turned_away_total") == 1
        assert metrics("loadcore_http_connections_timed_out_total") == 1
        _, lines = service.end()
    (turned_away,) = of(lines, "connection_turned_away")
    assert turned_away["peer"].startswith("127.0.0.1:")
    (timed_out,) = of(lines, "client_timed_out")
    assert timed_out["peer"].startswith("127.0.0.1:")


def test_recovery_and_snapshots_are_told_of(tmp_path: Path) -> None:
    arguments = ("--data", str(tmp_path / "data"), "--snapshot-log-bytes", "500")
    with serving(*arguments) as service, LikesClient(service.port) as client:
        for number in range(20):
            client.like(f"user-{number}", f"key-{number}")
        service.scrape_until(lambda now: now("loadcore_data_snapshots_total") > 0)
        assert client.like("alice").likes == 1  # behind the snapshot
        _, lines = service.end()
    assert of(lines, "snapshot_taken")[0]["bytes"] > 0
    with serving(*arguments) as service:
        metrics = service.scrape()
        _, lines = service.end()
    (recovered,) = of(lines, "recovered")
    assert recovered["users"] == metrics("loadcore_users") == 21
    assert recovered["likes"] == metrics("loadcore_likes") == 21
    assert recovered["keys"] == metrics("loadcore_idempotency_keys") == 20
    assert recovered["frames"] == metrics("loadcore_recovery_frames") >= 1
    assert recovered["torn_bytes"] == metrics("loadcore_recovery_torn_bytes") == 0
    assert recovered["duration_s"] == pytest.approx(metrics("loadcore_recovery_duration_seconds"))


def test_a_store_that_failed_is_told_of(tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path / "faults")
    environment = {**os.environ, **disk.environment}
    with (
        serving("--data", str(tmp_path / "data"), env=environment) as service,
        LikesClient(service.port) as client,
    ):
        disk.fail_next_sync()
        assert client.like("alice").status == 503
        metrics = service.scrape()
        with pytest.raises(HTTPError, match="503") as raised:
            urllib.request.urlopen(f"{service.admin}/v1/healthcheck", timeout=5)
        assert json.load(raised.value)["healthy"] is False
        raised.value.close()
        _, lines = service.end()
    assert metrics("loadcore_durability_failed") == 1
    assert metrics("loadcore_additions_total", outcome="unavailable") == 1
    (failed,) = of(lines, "store_failed")
    assert failed["level"] == "error"
    assert "Input/output error" in failed["reason"]
    (answered,) = of(lines, "error_answered")
    assert answered["status"] == 503
    assert "could not be kept" in answered["reason"]


def test_the_admin_listener_shows_no_more_than_it_should() -> None:
    with serving() as service:
        port = urlsplit(service.admin).port
        assert port is not None
        with Wire(port) as wire:
            wire.send(request("/v1/healthcheck"))
            assert json.loads(wire.answer().body) == {"healthy": True}
            wire.send(request("/metrics", "HEAD"))
            assert wire.answer(head=True).status == 200
            wire.send(request("/metrics", "POST"))
            answer = wire.answer()
            assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")
            wire.send(request("/v1/alice/likes", "POST"))
            assert wire.answer().status == 404
        assert service.scrape()("loadcore_likes") == 0


def test_the_admin_listener_goes_on_while_the_service_drains() -> None:
    with serving() as service, Wire(service.port) as wire:
        wire.send(b"POST /v1/alice/likes HTTP/1.1\r\n")
        # Taken up by the service before the drain begins, so that it has to wait for the rest.
        service.scrape_until(lambda now: now("loadcore_http_connections_open") == 1)
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionRefusedError):  # noqa: PT012
            while True:
                socket.create_connection(("127.0.0.1", service.port)).close()
                time.sleep(0.01)
        assert service.scrape()("loadcore_http_connections_open") == 1
        wire.send(b"Host: a.example\r\n\r\n")
        assert json.loads(wire.answer().body)["likes"] == 1
        assert service.process.wait(10) == 0


def test_an_admin_port_in_use_is_exit_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = loadcore("serve", "--port", "0", "--admin-port", port)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--admin-port" in done.stderr
    assert port in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("flag", ["--admin-port", "--admin-host", "--log"])
def test_a_bad_argument_is_one_sentence(flag: str) -> None:
    done = loadcore("serve", "--port", "0", "--admin-port", "0", flag, "-1.no-such.invalid")
    assert done.returncode == 2
    assert done.stdout == ""
    assert flag in done.stderr
    assert done.stderr.count("\n") == 1


# --- the log


def test_start_and_end_are_logged() -> None:
    before = datetime.now(timezone.utc)
    with serving() as service:
        stdout, lines = service.end()
    after = datetime.now(timezone.utc)
    assert stdout == ""
    assert [line["event"] for line in lines] == ["started", "draining", "stopped"]
    assert lines[0]["url"] == f"http://127.0.0.1:{service.port}"
    assert lines[0]["admin"] == service.admin
    assert lines[0]["durability"] == "memory"
    assert lines[0]["pid"] == service.process.pid
    times = [datetime.fromisoformat(line["ts"].replace("Z", "+00:00")) for line in lines]
    assert [before, *times, after] == sorted([before, *times, after])


def test_without_a_log_nothing_is_said() -> None:
    with serving("--log", "off") as service:
        send_some(service.port)
        assert service.end() == ("", [])


def test_requests_are_logged_with_the_id_that_the_answer_says() -> None:
    with serving("--log", "requests") as service:
        with Wire(service.port) as wire:
            wire.send(request("/v1/alice/likes?a=b", "POST", [("X-Request-Id", "web-1.a:7_~")]))
            assert wire.answer().fields["x-request-id"] == "web-1.a:7_~"
            ids = set()
            for _ in range(5):
                wire.send(request("/v1/alice/likes"))
                ids.add(wire.answer().fields["x-request-id"])
        _, lines = service.end()
    logged = of(lines, "request")
    first = logged[0]
    assert (first["request_id"], first["method"]) == ("web-1.a:7_~", "POST")
    assert (first["path"], first["status"]) == ("/v1/alice/likes", 200)
    assert 0 < first["duration_s"] < 5
    assert {line["request_id"] for line in logged[1:]} == ids
    assert len(ids) == 5
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in ids)


def test_requests_that_wait_for_the_disk_are_logged_when_answered(tmp_path: Path) -> None:
    arguments = ("--data", str(tmp_path / "data"), "--log", "requests")
    with serving(*arguments) as service:
        with Wire(service.port) as first, Wire(service.port) as second:
            for number in range(10):
                for name, wire in (("first", first), ("second", second)):
                    identity = [("X-Request-Id", f"{name}-{number}")]
                    wire.send(request(f"/v1/{name}/likes", "POST", identity))
                for name, wire in (("first", first), ("second", second)):
                    answer = wire.answer()
                    assert answer.fields["x-request-id"] == f"{name}-{number}"
                    assert json.loads(answer.body) == {"userId": name, "likes": number + 1}
        _, lines = service.end()
    logged = {(line["request_id"], line["path"]) for line in of(lines, "request")}
    assert logged == {
        (f"{name}-{number}", f"/v1/{name}/likes")
        for name in ("first", "second")
        for number in range(10)
    }


@pytest.mark.parametrize(
    "identity", ['a", "level": "info', "a\\", "", "x" * 65, "caf\xe9", "a b", "{}", "a\x7f"]
)
def test_an_unsound_id_is_replaced(identity: str) -> None:
    with serving("--log", "requests") as service:
        with Wire(service.port) as wire:
            wire.send(request("/v1/alice/likes", "POST", [("X-Request-Id", identity)]))
            answer = wire.answer()
        _, lines = service.end()
    if answer.status == 400:  # no such field may be sent at all
        assert of(lines, "request") == []
    else:
        (line,) = of(lines, "request")
        assert line["request_id"] == answer.fields["x-request-id"] != identity
        assert re.fullmatch(r"[0-9a-f]{16}", line["request_id"])


def test_what_a_client_sends_cannot_forge_a_line() -> None:
    targets = [
        '/"}\n{"event":"forged"}',
        "/\r\n\x1b[2J",
        '/x"\\,"status":200',
        "/\x00",
        "/caf\xe9\u0085",
        "/" + "y" * 5000,
    ]
    with serving("--log", "requests") as service:
        for target in targets:
            with Wire(service.port) as wire:
                wire.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode("latin-1"))
                wire.end_sending()
                wire.rest()
            with Wire(service.port) as wire:
                wire.send(f"{target} / HTTP/1.1\r\n\r\n".encode("latin-1"))
                wire.end_sending()
                wire.rest()
        _, lines = service.end()
    assert {line["event"] for line in lines} == {
        "started",
        "request",
        "request_refused",
        "draining",
        "stopped",
    }
    assert len(of(lines, "request")) + len(of(lines, "request_refused")) <= 2 * len(targets)
    assert all(len(line["path"]) <= 160 for line in of(lines, "request"))


def test_a_flood_of_one_kind_is_counted_instead() -> None:
    number = 300
    begin = time.monotonic()
    with serving() as service:
        for _ in range(number):
            with Wire(service.port) as wire:
                wire.send(b"nonsense\r\n\r\n")
                assert b" 400 " in wire.rest()
        took_s = time.monotonic() - begin
        assert service.scrape()("loadcore_http_requests_total", route="unread", status="400") == 300
        _, lines = service.end()
    refused = of(lines, "request_refused")
    assert all(line["status"] == 400 for line in refused)
    assert 10 <= len(refused) <= 10 * (took_s + 2)
    suppressed = of(lines, "suppressed")
    assert {line["of"] for line in suppressed} == {"request_refused"}
    assert len(refused) + sum(line["count"] for line in suppressed) == number


def test_a_log_that_nobody_reads_holds_nobody_up() -> None:
    with serving("--log", "requests") as service:
        run = lc.run(
            f"http://127.0.0.1:{service.port}/v1/alice/likes",
            method="POST",
            rate=800,
            duration=4,
            connections=4,
        )
        metrics = service.scrape()
        written = metrics("loadcore_log_lines_total")
        lost = metrics("loadcore_log_dropped_total")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
    assert_all_due(run.requests, 3200)
    assert run.status_codes == {200: run.requests.sent}
    assert 0 < written < 3200
    assert lost > 0
