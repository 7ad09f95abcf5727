"""Figures read where they come from: a queue, CloudWatch, a run, a program."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_front.front import Front
from figures import GROUP, value
from scaled_group import ScaledGroup

import loadcore as lc
from loadcore_aws.autoscaling.control.config import (
    CloudWatch,
    Command,
    LoadRun,
    Query,
    Queue,
)
from loadcore_aws.autoscaling.control.local_sources import CommandSource, RunSource
from loadcore_aws.autoscaling.control.sources import (
    CloudWatchSource,
    NoFigure,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_queue_is_read_by_name_and_by_url(aws: Front) -> None:
    group = ScaledGroup(aws.url)
    url = group.queue(12)
    assert value(Queue("queue", "jobs"), group.client) == 12
    assert value(Queue("queue", url, per_instance=True), group.client) == 6
    group.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    waiting = value(Queue("queue", url), group.client)
    assert waiting is not None
    assert waiting < 12
    assert value(Queue("queue", url, in_flight=True), group.client) == 12


def test_with_nothing_in_service_a_figure_is_not_divided(aws: Front) -> None:
    group = ScaledGroup(aws.url)
    group.queue(4)
    empty = replace(GROUP, in_service=0)
    assert value(Queue("queue", "jobs", per_instance=True), group.client, empty) == 4


def put(group: ScaledGroup, name: str, at_s: float, number: float) -> None:
    data = {"MetricName": name, "Value": number, "Timestamp": at_s}
    group.client("cloudwatch").put_metric_data(Namespace="shop", MetricData=[data])


def test_cloudwatch_gives_its_latest_whole_period(aws: Front) -> None:
    group = ScaledGroup(aws.url)
    now_s = time.time() // 60 * 60
    for ago_s, number in [(200, 1.0), (100, 2.0), (40, 3.0), (30, 5.0)]:
        put(group, "carts", now_s - ago_s, number)
    put(group, "carts", now_s + 5, 100.0)  # of the period under way
    for statistic, expected in [("Sum", 8.0), ("Average", 4.0), ("Maximum", 5.0)]:
        figure = CloudWatch("cloudwatch", {"carts": Query("shop", "carts", statistic)})
        source = CloudWatchSource(figure, group.client, lambda: now_s + 20)
        assert source.value(GROUP) == expected


def test_cloudwatch_without_recent_values_gives_no_figure(aws: Front) -> None:
    group = ScaledGroup(aws.url)
    now_s = time.time() // 60 * 60
    put(group, "carts", now_s - 1000, 1.0)
    figure = CloudWatch("cloudwatch", {"carts": Query("shop", "carts")})
    with pytest.raises(NoFigure, match="no value of the last 5 periods"):
        CloudWatchSource(figure, group.client, lambda: now_s).value(GROUP)
    longer = replace(figure, periods=20)
    assert CloudWatchSource(longer, group.client, lambda: now_s).value(GROUP) == 1


class ExpressionsCloudWatch:
    """Answers as GetMetricData's page says for an expression, of which moto gives no values."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        self.results = results
        self.asked: dict[str, Any] = {}

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"MetricDataResults": self.results}


def test_an_expression_is_asked_for_alone(aws: Front) -> None:
    figure = CloudWatch(
        "cloudwatch",
        {"b": Query("AWS/SQS", "Visible", "Maximum", {"QueueName": "q"}), "a": Query("n", "m")},
        expression="a / b",
        period_s=300,
    )
    cloudwatch = ExpressionsCloudWatch([{"Id": "x", "Values": [2.5, 1.0]}])
    assert CloudWatchSource(figure, lambda _: cloudwatch, lambda: 1000.0).value(GROUP) == 2.5
    queries = cloudwatch.asked["MetricDataQueries"]
    returned = [query.get("Expression") for query in queries if query["ReturnData"]]
    assert returned == ["a / b"]
    window = cloudwatch.asked["EndTime"].timestamp(), cloudwatch.asked["StartTime"].timestamp()
    assert window == (900, 900 - 1500)
    # The real shape of the request: boto3 checks it against AWS's model.
    group = ScaledGroup(aws.url)
    with pytest.raises(NoFigure):
        CloudWatchSource(figure, group.client).value(GROUP)
    assert aws.calls[-1].action == "GetMetricData"


def test_what_cloudwatch_says_of_an_expression_is_told() -> None:
    figure = CloudWatch("cloudwatch", {"a": Query("n", "m")}, expression="a / 0")
    result = {"Id": "x", "Values": [], "Messages": [{"Code": "E", "Value": "division by 0"}]}
    with pytest.raises(NoFigure, match="division by 0"):
        CloudWatchSource(figure, lambda _: ExpressionsCloudWatch([result])).value(GROUP)


def test_a_run_gives_its_latency_rate_and_errors() -> None:
    with lc.serve(port=0) as service:
        run = LoadRun("run", f"{service.url}/v1/a/likes", "rate", rate=200.0, duration_s=0.3,
                      connections=2)  # fmt: skip
        rate = figure_of(run)
        assert 20 < rate < 400
        for name in ("p50", "p99", "p999", "mean", "max"):
            assert 0 < figure_of(replace(run, value=name, duration_s=0.1)) < 1
        assert figure_of(replace(run, value="errors", duration_s=0.1)) == 0
        lost = replace(run, value="errors", url=f"{service.url}/nowhere", duration_s=0.1)
        assert figure_of(lost) == 1


def figure_of(run: LoadRun) -> float:
    """Where the machine was too busy to send as planned there is none: once more."""
    for _ in range(20):
        if (figure := value(run)) is not None:
            return figure
    raise AssertionError("the generator was always the limit")


def test_a_run_against_nobody_gives_no_figure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoFigure, match="cannot reach"):
        RunSource(LoadRun("run", f"http://127.0.0.1:{port}/")).value(GROUP)


def program(text: str, timeout_s: float = 10.0) -> CommandSource:
    return CommandSource(Command("command", (sys.executable, "-S", "-c", text), timeout_s))


def test_ctrl_c_just_when_a_program_has_begun_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            begun.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        program("import time; time.sleep(60)").value(GROUP)
    (process,) = begun
    assert process.returncode == -signal.SIGKILL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_gives_the_number_that_it_writes() -> None:
    assert program("print(' 12.5 ')").value(GROUP) == 12.5
    assert value(Command("command", ("echo", "9"), per_instance=True)) == 4.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print('many')", "wrote 'many', which is no number"),
        ("print(1, 2)", "wrote '1 2'"),
        ("", "wrote ''"),
        ("raise SystemExit(3)", "ended with 3"),
        ("print('9' * 5000)", "wrote more than a number"),
    ],
)
def test_a_program_without_a_number_gives_no_figure(text: str, said: str) -> None:
    with pytest.raises(NoFigure, match=said):
        program(text).value(GROUP)


def test_a_program_that_is_not_there_gives_no_figure() -> None:
    with pytest.raises(NoFigure, match="No such file"):
        CommandSource(Command("command", ("/nowhere/backlog",))).value(GROUP)


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    """The child holds the pipe open and the parent has left."""
    child = tmp_path / "child"
    text = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        f"    open({str(child)!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    begin_s = time.monotonic()
    with pytest.raises(NoFigure, match=r"not done after 3 s"):
        program(text, timeout_s=3).value(GROUP)
    assert time.monotonic() - begin_s < 10
    pid = int(child.read_text())
    for _ in range(100):
        if not _lives(pid):
            return
        time.sleep(0.02)
    raise AssertionError("the child lives on")


def _lives(pid: int) -> bool:
    """A zombie that nobody has waited for yet is dead."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
