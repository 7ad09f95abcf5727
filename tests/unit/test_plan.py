"""Plans: what is refused before anything is sent, and that a plan survives JSON whole."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loadcore as lc
from loadcore import _plan

URL = "http://127.0.0.1:8080/"


def test_the_defaults() -> None:
    plan = lc.Plan.of(URL)
    assert (plan.method, plan.headers, plan.body) == ("GET", (), b"")
    assert (plan.duration, plan.requests, plan.rate) == (10.0, None, None)
    assert plan.connections == 64
    assert not plan.open_loop


def test_threads_leave_half_of_the_usable_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert lc.Plan.of(URL).threads == 4
    assert lc.Plan.of(URL, connections=3).threads == 3
    assert lc.Plan.of(URL, threads=7).threads == 7
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert lc.Plan.of(URL).threads == 1


def test_text_is_read_everywhere_a_number_stands() -> None:
    plan = lc.Plan.of(
        URL, rate="2k", requests="20k", connections="8", threads="2", timeout="1s",
        connect_timeout="500ms", warmup="2s", drop_after="100ms", interval="250ms",
    )  # fmt: skip
    assert (plan.rate, plan.requests, plan.connections, plan.threads) == (2000.0, 20_000, 8, 2)
    assert (plan.timeout, plan.connect_timeout, plan.warmup) == (1.0, 0.5, 2.0)
    assert (plan.drop_after, plan.interval, plan.duration) == (0.1, 0.25, None)


def test_a_body_makes_it_a_post_unless_a_method_is_given() -> None:
    assert lc.Plan.of(URL, body="hé").method == "POST"
    assert lc.Plan.of(URL, body="hé").body == "hé".encode()
    assert lc.Plan.of(URL, body=b"\xff", method="PUT").method == "PUT"
    assert lc.Plan.of(URL, body="").method == "GET"


def test_json_brings_its_content_type_unless_there_is_one() -> None:
    plan = lc.Plan.of(URL, json={"item": [1, "ä"]})
    assert json.loads(plan.body) == {"item": [1, "ä"]}
    assert plan.headers == (("Content-Type", "application/json"),)
    own = lc.Plan.of(URL, json=0, headers={"content-type": "application/x"})
    assert own.headers == (("content-type", "application/x"),)
    assert own.body == b"0"


def test_headers_may_repeat_as_pairs() -> None:
    pairs = (("A", "1"), ("A", "2"))
    assert lc.Plan.of(URL, headers=list(pairs)).headers == pairs
    assert lc.Plan.of(URL, headers=dict(pairs)).headers == (("A", "2"),)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("rate", {"rate": 0}),
        ("rate", {"rate": -1}),
        ("rate", {"rate": "quick"}),
        ("duration", {"duration": "ten seconds"}),
        ("duration", {"duration": 0}),
        ("requests", {"requests": 0}),
        ("requests", {"requests": 10, "duration": 10}),
        ("connections", {"connections": 0}),
        ("threads", {"threads": 0}),
        ("timeout", {"timeout": 0}),
        ("connect_timeout", {"connect_timeout": "-1s"}),
        ("interval", {"interval": 0}),
        ("warmup", {"warmup": -1}),
        ("think_time", {"think_time": "1s", "rate": 10}),
        ("drop_after", {"drop_after": "1s"}),
        ("body", {"body": 7}),
        ("json", {"json": {1}}),
        ("json", {"json": float("nan")}),
        ("json", {"json": {}, "body": b"{}"}),
        ("connections", {"connections": 10**7}),
        ("threads", {"threads": 5000}),
        ("body", {"body": "\udc80"}),
        ("name", {"name": "\udc80"}),
        ("headers", {"headers": {"A": "\udc80"}}),
        ("headers", {"headers": 5}),
        ("headers", {"headers": ["Accept: */*"]}),
        ("headers", {"headers": {"Accept": 1}}),
        ("method", {"method": 5}),
        ("name", {"name": ""}),
    ],
)
def test_bad_arguments_name_their_field_in_one_sentence(
    field: str, options: dict[str, Any]
) -> None:
    with pytest.raises(lc.PlanError) as caught:
        lc.Plan.of(URL, **options)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, (lc.LoadcoreError, ValueError))


def test_an_empty_url_is_refused() -> None:
    with pytest.raises(lc.PlanError, match="url"):
        lc.Plan.of("")


def test_the_constructor_takes_numbers_only() -> None:
    with pytest.raises(lc.PlanError, match=r"duration.*Plan\.of"):
        lc.Plan(url=URL, duration="10s")  # type: ignore[arg-type]
    with pytest.raises(lc.PlanError, match="requests"):
        lc.Plan(url=URL)
    with pytest.raises(lc.PlanError, match="timeout"):
        lc.Plan(url=URL, duration=1.0, timeout=None)  # type: ignore[arg-type]


def test_a_plan_is_frozen() -> None:
    plan = lc.Plan.of(URL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.rate = 5.0  # type: ignore[misc]
    assert hash(plan) == hash(lc.Plan.of(URL))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
durations = st.floats(1e-6, 1e6)


@given(
    plan=st.builds(
        lc.Plan.of,
        texts,
        method=texts,
        headers=st.lists(st.tuples(texts, texts), max_size=3),
        body=st.binary(max_size=30),
        rate=st.none() | st.floats(1e-3, 1e8),
        duration=durations,
        connections=st.integers(1, 10_000),
        threads=st.integers(1, 64),
        timeout=durations,
        warmup=st.just(0.0) | durations,
        interval=durations,
        name=texts,
    )
)
def test_a_plan_survives_json_whole(plan: lc.Plan) -> None:
    assert lc.Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_every_field_reaches_the_dict_and_the_engine() -> None:
    plan = lc.Plan.of(URL, rate=10, requests=5, drop_after=1)
    names = {field.name for field in dataclasses.fields(plan)}
    in_json = {_plan._JSON_NAMES.get(name, name) for name in names}
    assert set(plan.to_dict()) == in_json | {"loop"}
    arguments = plan.engine_arguments()
    assert {name.removesuffix("_ns").removesuffix("_rps") for name in arguments} == names
    assert arguments["drop_after_ns"] == 1_000_000_000
    assert arguments["duration_ns"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"speed": 1}, "speed"),
        ({"body": {"base64": "%"}}, "body"),
        ({"body": 5}, "body"),
        ({"headers": "a"}, "headers"),
        ({"loop": "open"}, "loop"),
        ({"rate_rps": "fast"}, "rate"),
        ({"url": None}, "url"),
    ],
)
def test_a_bad_dict_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(lc.PlanError) as caught:
        lc.Plan.from_dict({**lc.Plan.of(URL).to_dict(), **change})
    assert caught.value.field == field


def test_a_dict_needs_no_more_than_a_url() -> None:
    assert lc.Plan.from_dict({"url": URL}) == lc.Plan(url=URL, duration=10.0)
    with pytest.raises(lc.PlanError, match="url"):
        lc.Plan.from_dict({})
