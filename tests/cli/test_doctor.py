"""`avtomat doctor` finds what is wrong with an installation, and changes nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from avtomat.cli.main import main
from tests.servers import RedisServer, free_port

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one blueprint and good tokens; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVTOMAT_CLIENT_TOKEN", "c" * 64)
    monkeypatch.setenv("AVTOMAT_WORKER_TOKEN", "w" * 64)
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/hello.yaml").write_text("avtomat: 1\n")
    return tmp_path


def findings(capsys: Capture, *arguments: str, code: int) -> dict[str, str]:
    """Level by text of what the doctor says, after checking its exit code."""
    assert main(["doctor", "-o", "json", *arguments]) == code
    return {each["text"]: each["level"] for each in json.loads(capsys.readouterr().out)["findings"]}


def worst(found: dict[str, str], words: str) -> str:
    """The level of the one finding that contains the words."""
    (level,) = [level for text, level in found.items() if words in text]
    return level


def test_a_good_project_is_all_right(capsys: Capture) -> None:
    found = findings(capsys, code=0)

    assert set(found.values()) == {"ok"}


def test_nothing_is_made_or_changed(capsys: Capture, project: Path) -> None:
    before = sorted(project.rglob("*"))

    findings(capsys, code=0)

    assert sorted(project.rglob("*")) == before


def test_a_database_is_opened_without_changing_it(capsys: Capture, project: Path) -> None:
    path = project / "avtomat.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE avtomat_meta (name, value)")
    before = path.read_bytes()

    found = findings(capsys, code=0)

    assert worst(found, "avtomat.db with 1 tables") == "ok"
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_an_error(capsys: Capture, project: Path) -> None:
    (project / "avtomat.db").write_text("no database at all, only text " * 10)

    assert worst(findings(capsys, code=1), "cannot be read as an SQLite database") == "error"


def test_a_database_of_another_program_is_an_error(capsys: Capture, project: Path) -> None:
    with closing(sqlite3.connect(project / "avtomat.db")) as database:
        database.execute("CREATE TABLE job (id)")

    assert worst(findings(capsys, code=1), "is a database of another program") == "error"


def test_a_damaged_database_is_an_error(capsys: Capture, project: Path) -> None:
    path = project / "avtomat.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE avtomat_meta (name, value)")
        database.executemany("INSERT INTO avtomat_meta VALUES (?, ?)", [("x" * 100, number) for number in range(1_000)])
        database.commit()
    content = path.read_bytes()
    path.write_bytes(content[:9_000] + b"\xff" * 5_000 + content[14_000:])

    assert worst(findings(capsys, code=1), "is damaged") == "error"


@pytest.mark.parametrize(("open_jobs", "level", "code"), [(2, "error", 1), (0, "warning", 0)])
def test_a_database_of_an_older_format_is_told(
    capsys: Capture, project: Path, open_jobs: int, level: str, code: int
) -> None:
    with closing(sqlite3.connect(project / "avtomat.db")) as database:
        database.execute("CREATE TABLE avtomat_meta (name, value)")
        database.execute("CREATE TABLE jobs (finished_ms)")
        database.execute("INSERT INTO avtomat_meta VALUES ('format', 1)")
        database.executemany("INSERT INTO jobs VALUES (?)", [(None,)] * open_jobs + [(1,)])
        database.commit()

    assert worst(findings(capsys, code=code), "has format 1") == level


def test_a_folder_that_is_not_there_is_an_error(capsys: Capture) -> None:
    found = findings(capsys, "--blueprints", "none", "--store", "sqlite:///none/a.db", code=1)

    assert worst(found, "there is no folder of blueprints none") == "error"
    assert worst(found, "none/a.db cannot be made") == "error"


def test_missing_and_short_tokens_are_warnings(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVTOMAT_CLIENT_TOKEN")
    monkeypatch.setenv("AVTOMAT_WORKER_TOKEN", "short")

    found = findings(capsys, code=0)

    assert worst(found, "AVTOMAT_CLIENT_TOKEN is not set") == "warning"
    assert worst(found, "AVTOMAT_WORKER_TOKEN is short") == "warning"


def test_one_token_for_both_doors_is_a_warning(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVTOMAT_WORKER_TOKEN", "c" * 64)

    assert worst(findings(capsys, code=0), "the same token") == "warning"


def test_one_secret_for_tasks_and_for_tokens_is_a_warning(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AVTOMAT_TASK_SECRET", "AVTOMAT_WORKER_TOKEN_SECRET"):
        monkeypatch.setenv(name, "s" * 64)

    assert worst(findings(capsys, code=0), "task_secret and worker_token_secret") == "warning"


def test_a_secret_that_cannot_be_read_is_an_error(capsys: Capture, project: Path) -> None:
    (project / "avtomat.toml").write_text('[secrets]\na = "x"\nb = {env = "NOT_SET_ANYWHERE"}\n')

    found = findings(capsys, code=1)

    assert worst(found, "secret a can be read") == "ok"
    assert worst(found, "NOT_SET_ANYWHERE is not set") == "error"


def test_a_memory_store_is_a_warning(capsys: Capture) -> None:
    assert worst(findings(capsys, "--store", "memory:", code=0), "every job is forgotten") == "warning"


def test_a_redis_that_does_not_answer_is_an_error_without_its_password(capsys: Capture) -> None:
    found = findings(capsys, "--store", f"redis://:hush@127.0.0.1:{free_port()}", code=1)

    assert worst(found, "cannot be used") == "error"
    assert not any("hush" in text for text in found)


@pytest.mark.parametrize(
    ("appendfsync", "level", "loss"),
    [("always", "ok", "loses nothing"), ("everysec", "ok", "the last 1-2 s"), ("no", "warning", "half a minute")],
)
def test_what_power_loss_would_cost_is_said(
    appendfsync: str, level: str, loss: str, capsys: Capture, fresh_redis: RedisServer
) -> None:
    fresh_redis.command(f"CONFIG SET appendfsync {appendfsync}")

    found = findings(capsys, "--store", fresh_redis.url, code=0)

    assert worst(found, loss) == level
    assert set(found.values()) == {"ok", level}


def test_a_redis_that_throws_keys_away_is_an_error(capsys: Capture, fresh_redis: RedisServer) -> None:
    fresh_redis.command("CONFIG SET maxmemory-policy allkeys-lru")

    found = findings(capsys, "--store", fresh_redis.url, code=1)

    assert worst(found, "maxmemory-policy is allkeys-lru") == "error"
