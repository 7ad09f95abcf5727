"""service/Dockerfile, as far as that goes without a container engine: what it copies is there, what
it promises holds, and the commands it ends in run for real."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

from command import started
from target import UNAVAILABLE, target

from loadcore.cli._serve import command as serve

ROOT = Path(__file__).parents[2]
FILE = ROOT / "service/Dockerfile"


class Step(NamedTuple):
    word: str
    rest: str


def stages() -> list[list[Step]]:
    """One list of instructions for each FROM; Dockerfile reference, "Format"."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found: list[list[Step]] = []
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Step(word, " ".join(rest.split())))
    return found


def only(word: str) -> str:
    (found,) = (step.rest for step in stages()[-1] if step.word == word)
    return found


def test_bases_are_pinned_by_a_tag_and_are_the_same() -> None:
    bases = [stage[0].rest.split()[0] for stage in stages()]
    assert len(bases) == 2
    assert len(set(bases)) == 1, "an extension built on another system may not load"
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases[0])


def test_all_that_the_build_needs_is_copied_and_nothing_is_ignored() -> None:
    copied: list[str] = []
    for step in stages()[0]:
        if step.word == "COPY":
            copied += step.rest.split()[:-1]
    assert all((ROOT / name).exists() for name in copied)
    ignored = (FILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {f"!{name}" for name in copied} == {line for line in ignored if line[0] == "!"}
    links = [path for name in copied for path in (ROOT / name).rglob("*") if path.is_symlink()]
    for link in links:
        inside = link.resolve().relative_to(ROOT).parts[0]
        assert inside in copied, f"{link} leads out of what is copied"


def test_the_image_runs_as_nobody_special() -> None:
    user = only("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    run = " ".join(step.rest for step in stages()[-1] if step.word == "RUN")
    assert f"--uid {user.partition(':')[0]} " in run
    words = [step.word for step in stages()[-1]]
    assert words.index("USER") > words.index("RUN")


def test_shell_steps_are_sound() -> None:
    for stage in stages():
        for step in stage:
            if step.word == "RUN":
                script = re.sub(r"^--mount=\S+ ", "", step.rest)
                done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, timeout=10)
                assert done.returncode == 0, done.stderr


def start_command() -> list[str]:
    entry, arguments = json.loads(only("ENTRYPOINT")), json.loads(only("CMD"))
    assert entry == ["loadcore"]
    assert isinstance(arguments, list)
    return arguments


def test_the_command_is_one_that_serve_takes() -> None:
    arguments = start_command()
    assert arguments[0] == "serve"
    flags = {flag for option in serve.params for flag in option.opts}
    assert {word for word in arguments if word.startswith("--")} <= flags
    assert arguments[arguments.index("--port") + 1] == only("EXPOSE")
    assert arguments[arguments.index("--data") + 1] == only("VOLUME")


def test_it_serves_is_found_healthy_and_ends_in_order(tmp_path: Path) -> None:
    """The start command with a port and a folder of this machine instead."""
    replaced = {"8080": "0", "0.0.0.0": "127.0.0.1", only("VOLUME"): str(tmp_path)}
    arguments = [replaced.get(word, word) for word in start_command()]
    with started(*arguments) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        post = urllib.request.Request(f"{url}/v1/alice/likes", method="POST")
        with urllib.request.urlopen(post, timeout=10) as answer:
            assert json.load(answer)["likes"] == 1
        assert health_check(int(url.rpartition(":")[2])) == 0
        process.send_signal(getattr(signal, only("STOPSIGNAL")))
        assert process.wait(20) == 0
    assert health_check(int(url.rpartition(":")[2])) != 0


def test_an_unwell_service_is_found_unhealthy() -> None:
    with target(UNAVAILABLE) as unwell:
        assert health_check(int(unwell.url.rstrip("/").rpartition(":")[2])) == 1


def health_check(port: int) -> int:
    """What the engine would run, asking that port."""
    options, _, words = only("HEALTHCHECK").partition("CMD ")
    assert {option.partition("=")[0] for option in shlex.split(options)} == {
        "--interval", "--timeout", "--start-period", "--retries"
    }  # fmt: skip
    program, *arguments = json.loads(words)
    assert program == "python"
    assert sum("8080" in word for word in arguments) == 1
    command = [sys.executable, *(word.replace("8080", str(port)) for word in arguments)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20).returncode
