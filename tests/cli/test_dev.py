"""`avtomat dev` is for one's own machine; `tests/e2e/test_serving.py` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.cli.main import main


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
