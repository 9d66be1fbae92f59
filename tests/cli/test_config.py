"""`avtomat config` shows what counts, and why, without showing what is secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.settings import KIND_OF


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_setting_is_shown_with_its_value_and_its_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "avtomat.toml").write_text('lease = "2m"\n')
    monkeypatch.setenv("AVTOMAT_HOST", "0.0.0.0")

    assert main(["config", "-o", "json", "--port", "81"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert list(rows) == list(KIND_OF)
    shown = {name: (rows[name]["value"], rows[name]["source"]) for name in ("lease", "host", "port", "drain")}
    assert shown == {
        "lease": ("2m", "avtomat.toml"),
        "host": ("0.0.0.0", "AVTOMAT_HOST"),
        "port": ("81", "--port"),
        "drain": ("25s", "default"),
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_blanked(form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVTOMAT_CLIENT_TOKEN", "hush")
    monkeypatch.setenv("AVTOMAT_STORE", "rediss://engine:hush@redis.example/0")
    monkeypatch.setenv("AVTOMAT_SECRET_KEY", "hush")

    assert main(["config", "-o", form]) == 0

    out = capsys.readouterr().out
    assert "hush" not in out
    assert "rediss://engine:********@redis.example/0" in out
    assert "key (env AVTOMAT_SECRET_KEY)" in out


def test_a_warning_goes_to_stderr_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVTOMAT_STOER", "memory:")

    assert main(["config"]) == 0

    assert capsys.readouterr().err == (
        "avtomat: warning: AVTOMAT_STOER is not a setting; did you mean AVTOMAT_STORE?\n"
    )


def test_wrong_settings_end_with_2_and_all_findings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "avtomat.toml").write_text('ports = 1\nlease = "soon"\n')

    assert main(["config"]) == 2

    errors = capsys.readouterr().err
    assert "avtomat.toml: ports is not a setting; did you mean port?" in errors
    assert "avtomat.toml: lease: 'soon' is not a duration" in errors


def test_another_projects_settings_can_be_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/avtomat.toml").write_text("port = 99\n")

    assert main(["config", "shop"]) == 0

    assert "99 " in capsys.readouterr().out
