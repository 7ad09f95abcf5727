"""What STACK.toml and the files beside it may not say, and what AWS would refuse half-way: told by
line, before anything is asked or made."""

from __future__ import annotations

from pathlib import Path

import pytest

import loadcore as lc
from loadcore_aws._faults import SpecError
from loadcore_aws.autoscaling import policy_file
from loadcore_aws.autoscaling.control import config
from loadcore_aws.autoscaling.trace import parse_csv
from loadcore_aws.stack import spec
from loadcore_aws.stack.sections.network import open_to_all

HEAD = 'name = "likes"\nregion = "eu-central-1"\n'
SMALL = HEAD + '[package]\nfile = "loadcore.whl"\n'
DEEP = f"deep = {'[' * 3000}{']' * 3000}\n"


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "STACK.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        spec.read(path)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "cidrs",
    [
        ["0.0.0.0/0"],
        ["0.0.0.0/0.0.0.0"],
        ["::/0"],
        ["::0/0"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["128.0.0.0/1", "10.0.0.0/8", "64.0.0.0/2", "0.0.0.0/2"],
        ["203.0.113.7/32", "2000::/3"],
        ["2000::/4", "3000::/4"],
        ["bogus", "::/1"],
    ],
)
@pytest.mark.parametrize("key", ["ssh", "metrics"])
def test_access_from_everywhere_is_refused_however_it_is_written(
    tmp_path: Path, key: str, cidrs: list[str]
) -> None:
    assert open_to_all(cidrs)
    told = faults(tmp_path, f"{SMALL}[access]\n{key} = {cidrs}\n")
    said = f"line 6: access.{key} is open to the whole Internet; name your own addresses"
    assert said in told


def test_ssh_from_some_addresses_is_taken() -> None:
    some = ("0.0.0.0/1", "198.51.100.0/24", "2001:db8::/32", "fc00::/7")
    assert not open_to_all(some)
    assert not open_to_all(())
    spec.check(spec.Stack("likes", "eu-central-1", spec.Package("a.whl"),
                          access=spec.Access(ssh=some)))  # fmt: skip


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (
            '[network]\ncidr = "fd00::/16"',
            "line 6: network.cidr is fd00::/16; a VPC begins with IP",
        ),
        ('[network]\ncidr = "10.0.0.0/8"', "line 6: network.cidr is a /8; take /16 to /24"),
        ('[network]\ncidr = "10.0.0.1/16"', "line 6: network.cidr is '10.0.0.1/16': 10.0.0.1/16 h"),
        ('[table]\npartition_key = ""', "line 6: table.partition_key is empty; name an attribute"),
        (
            '[table]\nsort_key = "userId"',
            "line 6: table.sort_key is 'userId', as partition_key is; name another attribute",
        ),
        (f'[table]\nsort_key = "{"é" * 128}"', "line 6: table.sort_key is longer than 255 bytes"),
        (
            "[tags]\n" + "".join(f"t{n} = ''\n" for n in range(46)),
            "line 5: tags are 46; give 45 at most, as the stack itself needs the rest of AWS's 50",
        ),
        ("[tags]\nAWS-is-fine = ''\n'AWS:x' = ''", "line 7: tags.AWS:x is kept for others"),
        ("[tags]\n'Loadcore:stack' = ''", "line 6: tags.Loadcore:stack is kept for others"),
        ('[balancer.health]\npath = "/a b"', "line 6: balancer.health.path is '/a b'; take what a"),
        ('[balancer.health]\npath = "/é"', "line 6: balancer.health.path is '/é'; take what a"),
        (f'[balancer.health]\npath = "/{"a" * 1024}"', "line 6: balancer.health.path is '/aaaa"),
        (
            '[instances.environment]\nMY-VAR = "1"',
            "line 6: instances.environment.MY-VAR is no name of a variable; take letters, digits",
        ),
        (
            '[instances.environment]\nPEM = """a\nb"""',
            "line 6: instances.environment.PEM must be one printable line; encode what has more",
        ),
        (
            '[service]\narguments = ["--a", "b\\tc"]',
            "line 6: service.arguments[2] must be one printable line",
        ),
    ],
)
def test_what_aws_or_an_instance_would_refuse_later(tmp_path: Path, more: str, fault: str) -> None:
    told = faults(tmp_path, SMALL + more)
    assert len(told) == 1
    assert told[0].startswith(fault)


@pytest.mark.parametrize("tag", ["", "bad tag!", "-a", ".a", "a" * 129, "é"])
def test_tags_that_no_registry_takes(tmp_path: Path, tag: str) -> None:
    [told] = faults(tmp_path, f'{HEAD}[containers]\nimage_tag = "{tag}"')
    assert told.startswith(f"line 4: containers.image_tag is '{tag}'; take 1 to 128 letters")


@pytest.mark.parametrize("name", ["xn--likes", "sthree-likes", "amzn-s3-demo-a"])
def test_names_that_no_bucket_has(tmp_path: Path, name: str) -> None:
    [told] = faults(tmp_path, SMALL.replace('"likes"', f'"{name}"'))
    assert told.startswith(f"line 1: name is '{name}'; take none that begins")


@pytest.mark.parametrize("table", ["[containers]", '[database]\nengine = "postgres"'])
def test_names_that_no_repository_or_database_has(tmp_path: Path, table: str) -> None:
    kept = HEAD if table == "[containers]" else SMALL
    told = faults(tmp_path, kept.replace('"likes"', '"a--b"') + table)
    assert told == [
        "line 1: name is 'a--b'; take none with --, as no repository or database may be called so"
    ]
    path = tmp_path / "STACK.toml"
    path.write_text(SMALL.replace('"likes"', '"a--b"'))
    assert spec.read(path).name == "a--b"


@pytest.mark.parametrize("name", ["a b.whl", "a%20.whl", "é.whl", "a'b.rpm"])
def test_files_that_no_key_can_name(tmp_path: Path, name: str) -> None:
    [told] = faults(tmp_path, SMALL.replace("loadcore.whl", f"dist/{name}"))
    assert told.startswith("line 4: package.file is ")
    assert "its name may have letters, digits and . _ + ~ - only" in told


@pytest.mark.parametrize("name", ["loadcore-1+g2-cp311-cp311-x.whl", "loadcore-1~rc1-1.x86_64.rpm"])
def test_files_of_local_and_coming_versions_are_taken(name: str) -> None:
    assert not list(spec.Package(f"a folder/{name}").faults())


def test_what_is_just_within_the_limits_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "STACK.toml"
    tags = "".join(f"t{n} = ''\n" for n in range(45))
    path.write_text(
        f'{HEAD}[tags]\n{tags}[table]\nsort_key = "{"a" * 255}"\n[containers]\n'
        f'image_tag = "_{"a" * 127}"\n[network]\nkind = "own"\ncidr = "10.1.0.0/24"\n'
        '[balancer.health]\npath = "/v1/a%20b?deep=1&x=[]"\n'.replace("[]", "(~)")
    )
    stack = spec.read(path)
    assert stack.balancer.health.path == "/v1/a%20b?deep=1&x=(~)"


@pytest.mark.parametrize("read", [spec.read, policy_file.read, config.read])
def test_a_value_without_bottom_is_a_fault_of_the_file(tmp_path: Path, read: object) -> None:
    path = tmp_path / "file.toml"
    path.write_text(DEEP)
    assert callable(read)
    with pytest.raises(lc.PlanError, match="holds lists or tables hundreds deep"):
        read(path)


def test_a_key_without_end_is_told_with_its_line(tmp_path: Path) -> None:
    told = faults(tmp_path, f"{SMALL}[tags]\na.{'b.' * 5000}c = 1\n")
    assert told == ["line 5: tags.a is a table without end; give a text"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"time_s,rate_rps,note\n0,1,\n60,2,{'x' * 200_000}\n", 3),
        (f"time_s,rate_rps,{'x' * 200_000}\n0,1,\n", 1),
    ],
)
def test_a_cell_without_end_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(lc.PlanError, match=rf"trace: line {line}: file is no CSV: field larger"):
        parse_csv(text)
