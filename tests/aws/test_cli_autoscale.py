"""loadcore autoscale simulate and lint: files in, tables and files out, exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from command import Terminal

import loadcore as lc
from loadcore.cli import main
from loadcore_aws.autoscaling import of_run, read_policy, read_trace
from loadcore_aws.cli.autoscale import autoscale
from loadcore_aws.stack.prices import rate

if TYPE_CHECKING:
    from click.testing import Result

EXAMPLES = Path(__file__).parents[2] / "orchestration" / "examples" / "policies"
STUCK, SIMPLE = str(EXAMPLES / "stuck.toml"), str(EXAMPLES / "simple.toml")

SERVICE = """
[service]
capacity_rps = 100
base_ms = 5
"""
POLICY = f"""
[group]
min = 1
max = 3

[[policy]]
name = "track"
kind = "target"
target = 60
{SERVICE}"""
STACK = """
name = "likes"
region = "eu-central-1"

[package]
file = "loadcore.whl"

[instances]
type = "t3.small"

[balancer]
deregistration_delay_s = 77

[service]
port = 8080

[group]
min = 1
max = 3

[[policy]]
name = "track"
kind = "target"
target = 60
"""
TRACE = "time_s,rate_rps\n0,10\n600,90\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("p.toml", POLICY), ("stack.toml", STACK), ("t.csv", TRACE)):
        (tmp_path / name).write_text(text)
    (tmp_path / "a.svg").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(autoscale, arguments)


def fault(*arguments: str) -> str:
    """What the command says of a fault, as the exception that `loadcore` makes exit code 2 of."""
    result = call(*arguments)
    assert result.stdout == ""
    if isinstance(result.exception, lc.PlanError):
        return str(result.exception)
    assert result.exit_code == 2
    return result.stderr


class TestSimulate:
    def test_the_table_on_stdout_and_findings_on_stderr(self) -> None:
        result = call("simulate", STUCK)
        assert result.exit_code == 0
        assert "from 2 up to 10, at the end 10" in result.stdout
        assert "[stuck-when-idle]" in result.stderr
        assert "stuck-when-idle" not in result.stdout

    @pytest.mark.parametrize(("path", "code"), [(STUCK, 3), (SIMPLE, 0)])
    def test_strict(self, path: str, code: int) -> None:
        assert call("simulate", path, "--strict").exit_code == code

    def test_a_trace_and_its_silence(self, files: Path) -> None:
        result = call("simulate", "p.toml", "--load", "t.csv", "--idle", "60", "--json", "-")
        read = json.loads(result.stdout)
        assert read["load"] == "t.csv"
        assert read["summary"]["duration_s"] == 660
        assert read["summary"]["requests"] == 30_000
        assert read["columns"]["requests"][-60:] == [0] * 60

    @pytest.mark.parametrize("idle", ["600", "600s", "10m", "5m300s"])
    def test_times_are_seconds_or_durations(self, files: Path, idle: str) -> None:
        options = ("--idle", idle, "--step", "60s", "--json", "-")
        read = json.loads(call("simulate", "p.toml", "--load", "t.csv", *options).stdout)
        assert read["summary"]["duration_s"] == 1200
        assert read["step_s"] == 60

    def test_elsewhere_than_on_a_terminal_every_cause_is_told_whole(self, files: Path) -> None:
        Path("long.csv").write_text("time_s,rate_rps\n0,150\n10800,150\n")
        for name, *load in (("target",), ("flapping", "--load", "long.csv")):
            command = ("simulate", str(EXAMPLES / f"{name}.toml"), *load)
            told = json.loads(call(*command, "--json", "-").stdout)["activities"]
            said = [line for line in call(*command).stdout.splitlines() if " → " in line]
            assert [line.split("  ")[-1] for line in said] == [each["cause"] for each in told]
            with Terminal("autoscale", *command) as terminal:
                assert terminal.exit_code() == 0
            shown = [line for line in terminal.output.splitlines() if " → " in line]
            assert shown != said
            assert len(shown) == min(len(said), 20)
            assert max(map(len, shown)) <= 80
            assert (f"and {len(said) - 20} more" in terminal.output) == (len(said) > 20)

    def test_files(self, files: Path) -> None:
        options = ("--csv", "o.csv", "--json", "o.json", "--plot", "o.svg", "--step", "10")
        result = call("simulate", "p.toml", "--load", "t.csv", *options)
        assert "requests          30,000, of which lost 0" in result.stdout.splitlines()
        with open("o.csv") as file:
            assert len(list(csv.DictReader(file))) == 60
        assert json.loads(Path("o.json").read_text())["step_s"] == 10
        assert "</svg>" in Path("o.svg").read_text()

    def test_the_price_is_the_tables_or_the_one_given(self, files: Path) -> None:
        table = json.loads(call("simulate", SIMPLE, "--step", "60", "--json", "-").stdout)
        given = call("simulate", SIMPLE, "--step", "60", "--price", "1", "--json", "-").stdout
        summary = json.loads(given)["summary"]
        assert summary["cost"] == pytest.approx(summary["instance_hours"])
        assert table["summary"]["cost"] == pytest.approx(0.024 * summary["instance_hours"])

    def test_seeds_move_the_evaluation(self, files: Path) -> None:
        outputs = {
            call("simulate", SIMPLE, "--seed", seed, "--json", "-").stdout for seed in "0123"
        }
        assert len(outputs) > 1

    def test_a_saved_run(self, files: Path) -> None:
        with lc.serve(port=0) as service:
            run = lc.run(f"{service.url}/v1/a/likes", rate=200, duration=1, interval="250ms")
        run.save("a.run")
        assert read_trace("a.run").requests == pytest.approx(200, abs=1)
        assert of_run(run).points == read_trace("a.run").points
        result = call("simulate", "p.toml", "--load", "a.run", "--idle", "120", "--json", "-")
        assert json.loads(result.stdout)["summary"]["requests"] == pytest.approx(200, abs=1)

    def test_a_stack_with_the_service_of_another_file(self, files: Path) -> None:
        policy = read_policy("stack.toml", service_from="p.toml")
        assert policy.service
        assert policy.service.deregistration_delay_s == 77
        assert policy.service.price_per_hour == pytest.approx(0.024)
        result = call("simulate", "stack.toml", "--service", "p.toml", "--load", "t.csv")
        assert "at 0.024 an hour" in result.stdout

    @pytest.mark.parametrize(
        ("table", "price"),
        [
            ('[instances.mixed]\ntypes = ["t3.small", "t3.medium"]\n', 0.048),
            ('[instances.mixed]\ntypes = ["t3.small", "zz.small"]\n', None),
        ],
    )
    def test_the_price_of_a_stack(self, files: Path, table: str, price: float | None) -> None:
        Path("stack.toml").write_text(STACK + table)
        service = read_policy("stack.toml", service_from="p.toml").service
        assert service
        assert service.price_per_hour == (price and pytest.approx(price))

    def test_the_price_of_a_task(self, files: Path) -> None:
        """A quarter of a processor and half a GB, at what the table says for Frankfurt."""
        text = STACK.replace('[package]\nfile = "loadcore.whl"', "[containers]").replace(
            '[instances]\ntype = "t3.small"', ""
        )
        Path("stack.toml").write_text(text)
        service = read_policy("stack.toml", service_from="p.toml").service
        assert service
        cpu, memory = (rate(f"fargate_{part}_hour", "eu-central-1") for part in ("vcpu", "gb"))
        assert cpu
        assert memory
        assert service.price_per_hour == pytest.approx(cpu / 4 + memory / 2)

    def test_scheduled_actions(self, files: Path) -> None:
        text = POLICY + '\n[[schedule]]\nname = "up"\nat = "2026-01-05T08:05:00Z"\nmin = 3\n'
        Path("p.toml").write_text(text)
        start = ("--start", "2026-01-05T08:00:00Z")
        result = call("simulate", "p.toml", "--load", "t.csv", *start)
        assert "0:05:00  1 → 3  scheduled action up" in result.stdout
        assert "start: is needed" in fault("simulate", "p.toml", "--load", "t.csv")

    def test_a_measured_curve_beside_the_file(self, files: Path) -> None:
        Path("sub").mkdir()
        Path("sub/curve.csv").write_text("rate_rps,p50_ms,p99_ms\n10,2,5\n80,9,30\n")
        text = POLICY.replace(SERVICE, '\n[service]\ncurve = "curve.csv"\n')
        Path("sub/p.toml").write_text(text)
        service = read_policy("sub/p.toml").service
        assert service
        assert service.capacity == 80
        assert service.times(45) == pytest.approx((0.0055, 0.0055, 0.0175))


class TestLint:
    def test_findings_on_stdout(self) -> None:
        result = call("lint", STUCK)
        assert result.exit_code == 0
        assert result.stdout.startswith("error: alarm[2].missing_data")
        assert len(result.stdout.splitlines()) == 1

    def test_nothing_found_is_said(self) -> None:
        assert call("lint", SIMPLE, "--strict").stdout.endswith("simple.toml: nothing found\n")

    def test_a_stack_needs_no_service(self, files: Path) -> None:
        assert call("lint", "stack.toml").stdout == "stack.toml: nothing found\n"

    def test_notes_are_not_strict(self, files: Path) -> None:
        note = '\n[[alarm]]\nname = "own"\nthreshold = 1\nactions = ["topic"]\n' + (
            'metric = { namespace = "Likes", name = "Queue" }\n'
        )
        Path("p.toml").write_text(POLICY + note)
        result = call("lint", "p.toml", "--strict")
        assert "note: alarm[1].metric" in result.stdout
        assert result.exit_code == 0


class TestFaults:
    def test_of_a_file_all_at_once_with_lines(self, files: Path) -> None:
        bad = POLICY.replace("max = 3", "max = 0").replace("capacity_rps", "capacty_rps")
        Path("p.toml").write_text(bad)
        said = fault("simulate", "p.toml", "--load", "t.csv")
        assert "line 4: group.max is 0, below min, 1" in said
        assert "line 12: service.capacty_rps is not known here; did you mean capacity_rps?" in said

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("p.toml",), "--load: is missing"),
            (("p.toml", "--load", "no.csv"), "no.csv: cannot be read"),
            (("no.toml",), "no.toml: cannot be read"),
            (("stack.toml", "--load", "t.csv"), "[service]: is missing; name a file that has"),
            (("p.toml", "--load", "t.csv", "--plot", "a.gif"), "--plot: a.gif"),
            (("p.toml", "--load", "t.csv", "--json", "no/a"), "--json: there is no folder"),
            (("p.toml", "--load", "t.csv", "--json", "."), "--json: . is a folder; name a file"),
            (("p.toml", "--load", "t.csv", "--plot", "a.svg"), "--plot: a.svg is a folder"),
            (("p.toml", "--load", "t.csv", "--json", "-", "--csv", "-"), "--csv: stdout"),
            (("p.toml", "--load", "t.csv", "--start", "noon"), "--start: 'noon'"),
            (("p.toml", "--load", "t.csv", "--step", "7"), "step_s: is 7"),
            (("p.toml", "--load", "t.csv", "--step", "nan"), "'--step': nan is no number"),
            (("p.toml", "--load", "t.csv", "--step", "1e-308"), "'--step': 1e-308 is not in"),
            (("p.toml", "--load", "t.csv", "--price", "nan"), "'--price': nan is no number"),
            (("p.toml", "--load", "t.csv", "--price", "inf"), "'--price': inf is not in"),
            (("p.toml", "--load", "t.csv", "--idle", "nan"), "'--idle': nan is no number"),
            (("p.toml", "--load", "t.csv", "--idle", "10x"), "'10x' is not a valid time; write it"),
            (("p.toml", "--load", "t.csv", "--step", "2m"), "'--step': 120.0 is not in the range"),
        ],
    )
    def test_of_arguments(self, files: Path, arguments: tuple[str, ...], said: str) -> None:
        assert said in fault("simulate", *arguments)

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("capacity_rps = nan", "line 12: service.capacity_rps is nan; give a finite number"),
            (f"capacity_rps = {'9' * 400}", "line 12: service.capacity_rps does not fit into 64"),
            ("timeout_s = inf", "line 12: service.timeout_s is inf; give a finite number"),
            ("price_per_hour = inf", "line 12: service.price_per_hour is inf"),
            ("curve = [[10, 2], [20, nan]]", "line 12: service.curve[2][2] is nan"),
        ],
    )
    def test_of_numbers_that_are_none(self, files: Path, line: str, said: str) -> None:
        table = "".join(
            f"{each}\n"
            for each in (line, "capacity_rps = 100", "base_ms = 5")
            if each == line or each.split()[0] != line.split()[0]
        )
        Path("p.toml").write_text(POLICY.replace(SERVICE, f"\n[service]\n{table}"))
        told = fault("simulate", "p.toml", "--load", "t.csv")
        assert told.startswith(f"p.toml: {said}")
        assert told.count("line ") == 1

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("rate_rps\n10\n", "line 1: file has no column p50_ms"),
            ("rate_rps,p50_ms\n", "holds no rows"),
            ("rate_rps,p50_ms\n10,x\n", "line 2: p50_ms is 'x'"),
            ("rate_rps,p50_ms\n10,2\n5,2\n", "curve[2] must have a higher rate"),
        ],
    )
    def test_of_a_curve(self, files: Path, text: str, said: str) -> None:
        Path("curve.csv").write_text(text)
        Path("p.toml").write_text(POLICY.replace(SERVICE, '\n[service]\ncurve = "curve.csv"\n'))
        assert said in fault("simulate", "p.toml", "--load", "t.csv")

    def test_the_program_says_one_sentence_and_exits_with_2(
        self, files: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As a plug-in of the command `loadcore`."""
        assert main(["autoscale", "simulate", "no.toml"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("loadcore: no.toml: cannot be read")
        assert said.count("\n") == 1

    def test_a_run_that_is_none(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("a.run").write_bytes(b"no run")
        assert main(["autoscale", "simulate", "p.toml", "--load", "a.run"]) == 2
        assert "a.run" in capsys.readouterr().err

    def test_a_strict_finding_is_3_of_the_program_too(self) -> None:
        assert main(["autoscale", "lint", STUCK, "--strict"]) == 3
