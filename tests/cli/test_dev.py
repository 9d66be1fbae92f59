"""`avtomat dev` is for one's own machine; `tests/e2e/test_serving.py` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.cli.dev import FOLDER, _own_machine
from avtomat.cli.main import main
from avtomat.settings_loader import load_settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com"])
def test_an_address_that_others_can_reach_is_refused(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dev", str(tmp_path), "--host", host]) == 2

    assert "can be reached by others" in capsys.readouterr().err


def test_a_folder_that_is_missing_is_told_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", str(tmp_path / "nowhere")]) == 3

    assert "avtomat init" in capsys.readouterr().err


def test_dev_has_no_flag_for_processes(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["dev", str(tmp_path), "--processes", "2"])

    assert left.value.code == 2


def test_dev_keeps_the_secret_of_links_beside_its_jobs(tmp_path: Path) -> None:
    first, second = (_own_machine(load_settings(environ={}), tmp_path) for _ in range(2))

    file = tmp_path / FOLDER / "link_secret"
    assert first.link_secret == second.link_secret == file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_dev_takes_a_secret_of_links_that_is_set_and_else_makes_one_for_a_store_of_its_own(tmp_path: Path) -> None:
    chosen = _own_machine(load_settings(environ={"AVTOMAT_LINK_SECRET": "s" * 32}), tmp_path)
    elsewhere = _own_machine(load_settings(environ={"AVTOMAT_STORE": "memory:"}), tmp_path)

    assert chosen.link_secret == "s" * 32
    assert len(elsewhere.link_secret or "") == 64
    assert not (tmp_path / FOLDER / "link_secret").exists()
