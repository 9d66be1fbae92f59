"""The examples of docs/testing.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.rehearsal.stage import DECISIONS_MAX, JOB
from tests.rehearsal.told import found_in

PAGE = Path(__file__).parents[2] / "docs/testing.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FILES = {text.split("\n", 1)[0].removeprefix("# "): text for kind, text in BLOCKS if text.startswith("# ")}
CASES = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith("- name")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "order")
    return tmp_path


def write(folder: Path, example: str) -> None:
    for name, text in FILES.items():
        if name.startswith(example):
            (folder / name).write_text(text, "utf-8")


def test_the_first_example_prints_what_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (printed,) = (text for kind, text in BLOCKS if kind == "console")

    assert main(["test", "--coverage", "."]) == 0

    told = capsys.readouterr()
    assert f"$ avtomat test --coverage .\n{told.out}{told.err}" == printed


def test_the_example_of_signals_is_good(tmp_path: Path) -> None:
    write(tmp_path, "payment")

    assert found_in(tmp_path / "payment.test.yaml") == "\n"


def test_the_example_of_approvals_is_good(tmp_path: Path) -> None:
    write(tmp_path, "offer")

    assert found_in(tmp_path / "offer.test.yaml") == "\n"


def test_the_example_of_children_is_good(tmp_path: Path) -> None:
    write(tmp_path, "hire")

    assert found_in(tmp_path / "hire.test.yaml") == "\n"


@pytest.mark.parametrize("number", range(len(CASES) - 1))
def test_the_other_cases_are_good(folder: Path, number: int) -> None:
    assert found_in(with_cases(folder, CASES[number])) == "\n"


def test_a_wrong_guess_is_told_as_the_page_says(folder: Path) -> None:
    (expected,) = (text for kind, text in BLOCKS if kind == "text")

    told = found_in(with_cases(folder, CASES[-1]))

    assert re.sub(r":\d+:", ":5:", re.sub(r"^ +\d+ \|", "    5 |", told, flags=re.MULTILINE), count=1) == expected


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert f"after {DECISIONS_MAX:,} decisions" in TEXT
    assert f"`job.id` is `{JOB}`" in TEXT


def with_cases(folder: Path, cases: str) -> Path:
    """The first example's file with these cases instead of its own."""
    head, _, _ = FILES["order.test.yaml"].partition("cases:\n")
    (folder / "order.test.yaml").write_text(f"{head}cases:\n{cases}", "utf-8")
    return folder / "order.test.yaml"
