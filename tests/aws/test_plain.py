"""What others wrote tells no terminal what to do: in logs, in answers, in AWS's own sentences."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from typing import TYPE_CHECKING

import click
import pytest
from client_errors import client_error
from command import loadcore
from hypothesis import given
from hypothesis import strategies as st
from serving import serving

import loadcore as lc
from loadcore_aws._plain import plain
from loadcore_aws.cli._output import Output, emit_json, tell
from loadcore_aws.stack.account import Account, Time
from loadcore_aws.stack.errors import explained
from loadcore_aws.stack.validate import Client, reach, validate

if TYPE_CHECKING:
    from pathlib import Path

    from aws_front.front import Front

HOSTILE = "\x1b[2J\x1b]52;c;aGk=\x07 \x9b31m \x7f\rover"
HARMLESS = "�[2J�]52;c;aGk=� �31m ��over"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_controls_are_replaced_and_tabs_and_newlines_stay() -> None:
    assert plain(HOSTILE) == HARMLESS
    assert plain("a\tb\nc é 漢 [x] \xa0") == "a\tb\nc é 漢 [x] \xa0"


@given(st.text(st.characters(max_codepoint=0x17F)))
def test_what_is_left_is_as_long_and_has_no_control(text: str) -> None:
    left = plain(text)
    assert len(left) == len(text)
    assert all(each.isprintable() or each in "\t\n\xa0\xad" for each in left)
    assert plain(left) == left


def test_a_terminal_gets_our_colors_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    Output(terminal).print(f"[green]{HOSTILE}[/]")
    assert terminal.getvalue() == f"\x1b[32m{HARMLESS}\x1b[0m\n"


def test_json_keeps_what_it_was_and_escapes_it(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("any")):
        emit_json({"name": f"{HOSTILE} é"})
    out = capsys.readouterr().out
    assert plain(out) == out
    assert "é" in out
    assert json.loads(out) == {"name": f"{HOSTILE} é"}


def test_an_error_that_is_told_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("any")):
        tell(f"it failed: {HOSTILE}")
    said = capsys.readouterr().err
    assert said.startswith("loadcore: it failed: �[2J�]52;")
    assert plain(said) == said


def test_what_aws_says_is_plain() -> None:
    for code in ("AccessDenied", "Odd", "VpcLimitExceeded", "DuplicateLoadBalancerName"):
        told = str(explained(client_error(code, HOSTILE), "looking"))
        assert " ".join(HARMLESS.split()) in told
        assert plain(told) == told


def test_what_a_service_answers_is_plain() -> None:
    def answer(*_: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Allow": "no\x1b[2J"}, HOSTILE.encode()

    with serving(answer) as url:
        seen = [check.seen for check in validate(Client(url), instances=1)]
    assert all(plain(each) == each for each in seen)
    assert any("�]52;c;" in each for each in seen)


def test_logs_are_printed_plain(aws: Front, tmp_path: Path) -> None:
    now_ms = round(time.time() * 1000)
    logs = Account("eu-central-1", endpoint_url=aws.url).client("logs")
    where = {"logGroupName": "/loadcore/likes", "logStreamName": "i-1"}
    logs.create_log_group(logGroupName="/loadcore/likes")
    logs.create_log_stream(**where)
    logs.put_log_events(**where, logEvents=[{"timestamp": now_ms, "message": f"GET {HOSTILE}"}])
    file = tmp_path / "STACK.toml"
    file.write_text('name = "likes"\nregion = "eu-central-1"\n')
    done = loadcore("stack", "logs", str(file), "--endpoint-url", aws.url)
    assert done.stdout.endswith(f" i-1 GET {HARMLESS}\n"), done.stderr


def test_a_service_that_speaks_no_http_is_quoted_plain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"{HOSTILE}\r\n".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(lc.RunError) as raised:
            reach(client, Time(sleep=lambda _: None), within_s=0)
        thread.join()
    told = str(raised.value)
    assert "[2J" in told
    assert plain(told) == told
