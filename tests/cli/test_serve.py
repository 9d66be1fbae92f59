"""What `avtomat serve` decides before it serves; `tests/e2e/test_serving.py` runs it. And how it logs."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from avtomat.cli.main import main
from avtomat.logs import set_up_logs
from avtomat.secrets import InlineSecret
from avtomat.settings import Settings

TOKEN = "0123456789abcdef"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("given", [(), ("AVTOMAT_CLIENT_TOKEN",), ("AVTOMAT_WORKER_TOKEN",)])
def test_each_door_needs_its_token(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in given:
        monkeypatch.setenv(name, TOKEN)

    assert main(["serve"]) == 2

    told = capsys.readouterr().err
    assert "avtomat dev" in told
    assert all(f"{name} not set" not in told for name in given)


def test_a_json_line_has_the_ids_that_the_caller_gave(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    set_up_logs(Settings(log_format="json"), stream=stream)

    logging.getLogger("some.where").warning("late by %d s", 3, extra={"job": "j1", "trace": "00-ab", "note": "private"})

    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("Z")
    assert line.pop("pid") > 0
    assert line == {
        "level": "warning", "logger": "some.where", "message": "late by 3 s", "job": "j1", "trace": "00-ab",
    }  # fmt: skip


def test_an_exception_stays_inside_its_json_line(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    set_up_logs(Settings(log_format="json"), stream=stream)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("some.where").exception("failed")

    assert "ValueError: invalid literal" in json.loads(stream.getvalue())["error"]


def test_what_is_no_http_is_not_logged(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    set_up_logs(Settings(), stream=stream)
    rubbish = BadHttpMessage("rubbish")
    logging.getLogger("aiohttp.server").error("Error handling request from 127.0.0.1", exc_info=rubbish)

    assert not stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_tokens_passwords_and_secrets_are_blanked(form: str, root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    settings = Settings(
        log_format=form,
        client_token=TOKEN,
        store="redis://user:pass%20word@host:6379/0",
        secrets={"key": InlineSecret(text="open sesame")},
    )
    set_up_logs(settings, stream=stream)

    logging.getLogger("x").error("%s %s %s %s", TOKEN, settings.store, "open sesame", "pass word", extra={"job": TOKEN})

    said = stream.getvalue()
    assert "********" in said
    assert not any(text in said for text in (TOKEN, "pass%20word", "pass word", "open sesame"))


def test_lines_below_the_level_are_not_written(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    set_up_logs(Settings(log_level="warning"), stream=stream)

    logging.getLogger("x").info("nothing new")
    logging.getLogger("x").warning("careful", extra={"job": "j1"})

    assert stream.getvalue().endswith("Z WARNING x: careful [job=j1]\n")
    assert "nothing new" not in stream.getvalue()


@pytest.mark.parametrize(("child", "code"), [("return 5", 5), ("raise StoreError('away')", 5), ("return 0", 1)])
def test_processes_that_never_get_ready_are_not_started_for_ever(child: str, code: int) -> None:
    program = f"""
from avtomat.cli.supervisor import supervise
from avtomat.errors import StoreError
def serve(child):
    {child}
raise SystemExit(supervise(2, serve))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("store", ["redis://127.0.0.1:99999", "redis://[::1", "redis://localhost/x", "unix:///"])
def test_a_store_that_no_redis_can_have_is_a_wrong_setting(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root_logger: logging.Logger
) -> None:
    monkeypatch.setenv("AVTOMAT_CLIENT_TOKEN", TOKEN)
    monkeypatch.setenv("AVTOMAT_WORKER_TOKEN", TOKEN[::-1])

    assert main(["serve", "--store", store]) == 2

    assert "store: " in capsys.readouterr().err
