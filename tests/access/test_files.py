"""clients.toml and workers.toml: what is read, where it stands, and that the shipped schemas say the same."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.access import clients_file, workers_file
from avtomat.access.clients_file import read_clients
from avtomat.access.model import Per, Quota, Rate, Scope
from avtomat.access.periods import period_of, span_of
from avtomat.access.toml import TomlText, read_toml
from avtomat.access.workers_file import read_workers
from avtomat.cli.main import main
from avtomat.resources import schema_text

GOLDEN = Path(__file__).parent / "golden"
HASH = "sha256:" + "0" * 63
RIGHT = f"""
[plans.free]
scopes = ["client"]
rate = {{requests = 60, per = "1m"}}
quota = {{jobs = 1000, per = "month", zone = "Europe/Berlin"}}
labels = {{plan = "free", team = "none"}}

[clients.shop]  # sells tea
plan = "free"
tokens = [
  "{HASH}1",
  {{env = "SHOP_TOKEN"}},
  {{file = "shop.token"}},
]
blueprints = ["order-*", "refund"]
labels = {{team = "shop"}}
quota.jobs = 5
quota.per = "day"

[clients."ops.night"]
tokens = ["{HASH}2"]
scopes = ["operator", "author"]
"""


def test_a_client_has_what_it_says_itself_and_else_what_its_plan_says() -> None:
    read, findings = read_clients(RIGHT.encode())

    assert read is not None
    assert not findings
    shop, ops = read.entries["shop"], read.entries["ops.night"]
    assert shop.rate == Rate(requests=60, per_ms=60_000)
    assert shop.quota == Quota(jobs=5, per=Per.DAY)
    assert shop.labels == {"plan": "free", "team": "shop"}
    assert shop.scopes == {Scope.CLIENT}
    assert (shop.may_use("order-tea"), shop.may_use("refund"), shop.may_use("refunds")) == (True, True, False)
    assert ops.scopes == {Scope.OPERATOR, Scope.AUTHOR, Scope.VIEWER}
    assert (ops.rate, ops.quota, ops.blueprints) == (None, None, None)


def test_workers_are_read_with_their_kinds() -> None:
    text = (
        f'[workers."gpu-*"]\ntokens = ["{HASH}1"]\nkinds = ["render", "scale.*"]\n[workers.w1]\ntokens = ["{HASH}2"]\n'
    )
    read, findings = read_workers(text.encode())

    assert read is not None
    assert not findings
    gpu = read.entries["gpu-*"]
    assert (gpu.is_for("gpu-7"), gpu.is_for("cpu-7"), gpu.may_do("scale.up"), gpu.may_do("scale")) == (
        True,
        False,
        True,
        False,
    )
    assert read.entries["w1"].may_do("anything")


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.toml")), ids=lambda file: file.stem)
def test_what_the_checker_refuses_for_its_shape_the_schema_refuses_too(file: Path) -> None:
    code = file.stem[:6]
    if code == "avt701":
        pytest.skip("no schema sees what is no TOML")
    name = file.stem.rpartition(".")[2]
    validator = jsonschema.Draft7Validator(json.loads(schema_text(name)))
    has_errors = not validator.is_valid(tomllib.loads(file.read_text()))

    assert has_errors is (code not in {"avt707", "avt708", "avt710"})  # what two places say together


def test_the_schemas_take_what_the_checker_takes() -> None:
    jsonschema.validate(tomllib.loads(RIGHT), json.loads(schema_text("clients")))


def test_the_schemas_know_the_keys_that_the_checker_knows() -> None:
    clients, workers = json.loads(schema_text("clients")), json.loads(schema_text("workers"))

    of_clients = {name: tuple(each.get("properties", ())) for name, each in clients["definitions"].items()}
    assert set(of_clients["client"]) == set(clients_file.CLIENT_KEYS)
    assert set(of_clients["plan"]) == set(clients_file.PLAN_KEYS)
    assert set(of_clients["rate"]) == set(clients_file.RATE_KEYS)
    assert set(of_clients["quota"]) == set(clients_file.QUOTA_KEYS)
    assert set(workers["definitions"]["worker"]["properties"]) == set(workers_file.WORKER_KEYS)
    assert clients["definitions"]["scopes"]["items"]["enum"] == list(Scope)
    assert clients["definitions"]["quota"]["properties"]["per"]["enum"] == list(Per)


# --- places -----------------------------------------------------------------------------------------------------------

PLACES = '''\
a.b = {"c d" = [1, "x # no comment", {e = 2}], f = 'l'}
"g" = """
two "lines" \\""" """
[[list]]
k = 1979-05-27 07:32:00 # when
[[list]]
k = [
  1, # one
  2,
]
[list.sub]
n = \'\'\'it's\'\'\'
'''


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("a", "b"), (1, 3), (1, 7)),
        (("a", "b", "c d"), (1, 8), (1, 16)),
        (("a", "b", "c d", 1), (1, 20), (1, 20)),
        (("a", "b", "c d", 2, "e"), (1, 39), (1, 43)),
        (("a", "b", "f"), (1, 48), (1, 52)),
        (("g",), (2, 1), (2, 7)),
        (("list", 0, "k"), (5, 1), (5, 5)),
        (("list", 1, "k", 1), (9, 3), (9, 3)),
        (("list", 1, "sub", "n"), (12, 1), (12, 5)),
    ],
)
def test_keys_and_values_are_found_where_they_stand(
    path: tuple[str | int, ...], key: tuple[int, int], value: tuple[int, int]
) -> None:
    read = read_toml(PLACES.encode())

    assert isinstance(read, TomlText)
    assert (read.key(path).line, read.key(path).column) == key
    assert (read.at(path).line, read.at(path).column) == value


SCALARS = st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.text("ab\"'#]},\\\n\té ", max_size=6), st.just(1.5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text('ab. "é', min_size=1), inner)),
    max_leaves=8,
)


def as_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{as_toml(key)} = {as_toml(each)}" for key, each in value.items()) + "}"
    return str(value)


@given(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=3))
def test_every_value_of_any_text_is_found_where_it_is_written(table: dict[str, object]) -> None:
    text = "".join(f"{key} = {as_toml(value)} # no {{value}}\n" for key, value in table.items())
    read = read_toml(text.encode())

    assert isinstance(read, TomlText)
    for path, place in read.places.items():
        value: object = read.value
        for part in path:
            value = value[part]  # type: ignore[index]
        assert tomllib.loads("k = " + text[slice(*place.value)])["k"] == value


# --- periods ----------------------------------------------------------------------------------------------------------


def at(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("per", "start", "end"),
    [
        (Per.HOUR, at(2026, 10, 25, 0), at(2026, 10, 25, 1)),
        (Per.DAY, at(2026, 10, 24, 22), at(2026, 10, 25, 23)),  # 25 hours
        (Per.WEEK, at(2026, 10, 18, 22), at(2026, 10, 25, 23)),
        (Per.MONTH, at(2026, 9, 30, 22), at(2026, 10, 31, 23)),
        (Per.YEAR, at(2025, 12, 31, 23), at(2026, 12, 31, 23)),
    ],
)
def test_periods_are_those_of_the_calendar_in_the_time_zone(per: Per, start: int, end: int) -> None:
    found = period_of(Quota(jobs=1, per=per, zone="Europe/Berlin"), at(2026, 10, 25, 0, 30))

    assert (found.start_ms, found.end_ms) == (start, end)


@given(st.sampled_from(Per), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"]),
       st.integers(0, at(2200, 1, 1)))  # fmt: skip
def test_every_moment_lies_in_its_period_and_the_next_begins_where_it_ends(per: Per, zone: str, now_ms: int) -> None:
    quota = Quota(jobs=1, per=per, zone=zone)
    found = period_of(quota, now_ms)

    assert found.start_ms <= now_ms < found.end_ms
    assert period_of(quota, found.end_ms).start_ms == found.end_ms
    assert period_of(quota, found.end_ms - 1) == found


def test_the_spans_of_a_rate_follow_each_other() -> None:
    rate = Rate(requests=1, per_ms=60_000)

    assert span_of(rate, 119_999).end_ms == span_of(rate, 120_000).start_ms == 120_000
    assert span_of(rate, 119_999).name != span_of(rate, 120_000).name


# --- the command ------------------------------------------------------------------------------------------------------


def test_validate_reads_the_files_that_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "clients.toml"
    wrong.write_text("[clients.shop]\ntoken = []\n")
    right = tmp_path / "shop-workers.toml"
    right.write_text(f'[workers.w1]\ntokens = ["{HASH}1"]\n')

    assert main(["validate", str(wrong), str(right)]) == 1
    told = capsys.readouterr()
    assert f"{wrong}:2:1: error AVT702: a client has no key 'token'" in told.out
    assert "did you mean tokens?" in told.out
    assert main(["validate", str(right)]) == 0


def test_validate_reads_the_files_beside_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/a.yaml").write_text("avtomat: 1\nblueprint: a\nstates: {say: {task: say, next: end}}\n")
    (tmp_path / "workers.toml").write_text("[worker.w1]\n")
    monkeypatch.chdir(tmp_path)

    assert main(["validate"]) == 1
    assert "workers.toml:1:2: error AVT702" in capsys.readouterr().out


def test_validate_looks_for_no_token_that_is_kept_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    file.write_text('[clients.shop]\ntokens = [{env = "NOT_SET_ANYWHERE"}, {file = "nowhere"}]\n')

    assert main(["validate", str(file)]) == 0


# --- the documentation ------------------------------------------------------------------------------------------------


def test_the_files_of_the_documentation_are_right() -> None:
    page = (Path(__file__).parents[2] / "docs/clients.md").read_text("utf-8")
    clients, workers = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)

    assert read_clients(clients.encode())[1] == []
    assert read_workers(workers.encode())[1] == []
    for key in (*clients_file.CLIENT_KEYS, *workers_file.WORKER_KEYS):
        assert f"| `{key}` |" in page
