"""`avtomat tokens`: what is printed, and what is left of a file."""

from __future__ import annotations

import io
import json
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from avtomat.access.clients_file import read_clients
from avtomat.access.workers_file import read_workers
from avtomat.cli.main import main


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hashed(token: str) -> str:
    return "sha256:" + sha256(token.encode()).hexdigest()


FILE = f"""\
# our clients
[clients.shop]  # sells tea
tokens = [
  "{hashed("a")}",  # of the old laptop
  # the next one is for CI
  {{env = "SHOP_TOKEN"}},
  "{hashed("b")}"
]
quota = {{jobs = 10, per = "day"}}  # small

[clients.market]
tokens = ["{hashed("c")}", {{file = "m.token"}}, "{hashed("d")}"]  # three
"""


@pytest.mark.parametrize(
    ("arguments", "file", "read"),
    [
        (["shop"], "clients.toml", read_clients),
        (["ops.night"], "clients.toml", read_clients),
        (["gpu-*", "--worker"], "workers.toml", read_workers),
    ],
)
def test_a_new_token_and_its_line_fit_each_other(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], file: str, read: object
) -> None:
    assert main(["tokens", "new", *arguments]) == 0
    told = capsys.readouterr()
    token, *lines = told.out.splitlines()
    document, findings = read("\n".join(lines).encode())  # type: ignore[operator]

    assert findings == []
    [written] = document.tokens
    assert (written.owner, written.source) == (arguments[0], sha256(token.encode()).digest())
    assert len(token) > 40
    assert file in told.err
    assert list(project.iterdir()) == []


def test_no_two_tokens_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        main(["tokens", "new", "shop", "-o", "json"])
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert first["token"] != second["token"]
    assert first["hash"] == hashed(first["token"])


def test_a_further_token_of_a_client_is_an_item_of_its_list(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "clients.toml").write_text(FILE)
    assert main(["tokens", "new", "shop"]) == 0
    told = capsys.readouterr()
    token, line = told.out.splitlines()

    assert line == f'"{hashed(token)}",'
    assert "line 2 of" in told.err


@pytest.mark.parametrize("name", ["admin", "Shop", "a b"])
def test_a_name_that_no_client_can_have_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens", "new", name]) == 2
    assert capsys.readouterr().out == ""


def test_the_list_shows_who_has_which_token_where_and_no_token(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "clients.toml").write_text(FILE)
    (project / "workers.toml").write_text(f'[workers."gpu-*"]\ntokens = ["{hashed("w")}"]\nkinds = ["render"]\n')
    assert main(["tokens", "list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]

    assert [line[:4] for line in lines] == [
        ["client", "shop", hashed("a")[:23], "client"],
        ["client", "shop", "env:SHOP_TOKEN", "client"],
        ["client", "shop", hashed("b")[:23], "client"],
        ["client", "market", hashed("c")[:23], "client"],
        ["client", "market", "file:m.token", "client"],
        ["client", "market", hashed("d")[:23], "client"],
        ["worker", "gpu-*", hashed("w")[:23], "render"],
    ]
    assert lines[0][4].endswith("clients.toml:4")


@pytest.mark.parametrize(
    ("wanted", "gone", "line_is_gone"),
    [
        (hashed("a")[7:15], f'  "{hashed("a")}",  # of the old laptop\n', True),
        ("env:SHOP_TOKEN", '  {env = "SHOP_TOKEN"},\n', True),
        (hashed("b")[:30], f'  "{hashed("b")}"\n', True),
        (hashed("c"), f'"{hashed("c")}", ', False),
        ("file:m.token", '{file = "m.token"}, ', False),
        (hashed("d"), f', "{hashed("d")}"', False),
    ],
)
def test_a_revoked_token_goes_and_all_else_stays(
    project: Path, capsys: pytest.CaptureFixture[str], wanted: str, gone: str, line_is_gone: bool
) -> None:
    file = project / "clients.toml"
    file.write_text(FILE)
    file.chmod(0o640)
    assert main(["tokens", "revoke", wanted]) == 0

    assert file.read_text() == FILE.replace(gone, "", 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in project.iterdir()] == ["clients.toml"]
    assert "revoked" in capsys.readouterr().out


def test_all_tokens_can_be_revoked_one_after_the_other(project: Path) -> None:
    file = project / "clients.toml"
    file.write_text(FILE)
    for wanted in (hashed("b"), hashed("d"), "env:SHOP_TOKEN", hashed("a"), hashed("c"), "file:m.token"):
        assert main(["tokens", "revoke", wanted]) == 0
    document, _ = read_clients(file.read_bytes())

    assert document is not None
    assert document.tokens == ()
    assert "# the next one is for CI" in file.read_text()


def test_a_token_that_leaked_is_revoked_by_itself_from_stdin(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "clients.toml").write_text(FILE)
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))

    assert main(["tokens", "revoke", "-"]) == 0
    assert hashed("a") not in (project / "clients.toml").read_text()


@pytest.mark.parametrize(("wanted", "code"), [("0123456789", 3), (hashed("a")[7:11], 3), ("env:OTHER", 3)])
def test_a_token_that_no_file_has_is_not_found(project: Path, wanted: str, code: int) -> None:
    (project / "clients.toml").write_text(FILE)

    assert main(["tokens", "revoke", wanted]) == code
    assert (project / "clients.toml").read_text() == FILE


def test_digits_that_mean_two_tokens_revoke_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "clients.toml").write_text(FILE)
    (project / "workers.toml").write_text(f'[workers.w1]\ntokens = ["{hashed("a")}"]\n')

    assert main(["tokens", "revoke", hashed("a")]) == 2
    assert "workers.toml:2" in capsys.readouterr().err


def test_a_file_with_errors_is_named_with_its_first_finding(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "clients.toml").write_text("[clients.shop]\ntoken = []\n")

    assert main(["tokens", "list"]) == 2
    assert "clients.toml:2:1: AVT702" in capsys.readouterr().err
