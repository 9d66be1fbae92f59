"""`avtomat schema` prints what is shipped."""

from __future__ import annotations

import json

import pytest

from avtomat.cli.main import main
from avtomat.resources import schema_names


@pytest.mark.parametrize("name", schema_names())
def test_each_shipped_schema_is_printed_as_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0

    assert json.loads(capsys.readouterr().out)["$schema"].startswith("http")


def test_without_a_name_it_is_the_blueprints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    unnamed = capsys.readouterr().out
    assert main(["schema", "blueprint"]) == 0

    assert capsys.readouterr().out == unnamed


def test_the_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--list"]) == 0

    assert capsys.readouterr().out.split() == schema_names()


def test_a_misspelt_schema_is_not_found_and_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "bluprint"]) == 3

    assert "did you mean blueprint?" in capsys.readouterr().err
