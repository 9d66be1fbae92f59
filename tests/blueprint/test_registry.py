"""What a folder holds: each blueprint for itself; files that are none of its business are left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avtomat.blueprint.pieces import compile_piece
from avtomat.blueprint.registry import Registry, read_texts, registry_of

GOOD = "avtomat: 1\nblueprint: {name}\nstates: {{a: {{task: t}}}}\n"


def compile_folder(folder: Path) -> Registry:
    texts = read_texts(folder)
    return registry_of(texts, {file: compile_piece(content) for file, content in texts.contents.items()}, {})


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def test_all_blueprints_of_a_folder_are_current_by_name(tmp_path: Path) -> None:
    write(tmp_path, "one.yaml", GOOD.format(name="one"))
    write(tmp_path, "below/two.yml", GOOD.format(name="two"))
    write(tmp_path, "one.test.yaml", "avtomat: 1\ntest: one.yaml\n")
    write(tmp_path, "catalogue.yaml", "avtomat: 1\ncatalogue: {}\n")
    write(tmp_path, ".hidden/three.yaml", "not: a blueprint\n")
    write(tmp_path, "notes.txt", "nothing\n")

    registry = compile_folder(tmp_path)

    assert sorted(registry.parts) == ["one", "two"]


def test_a_wrong_file_concerns_the_name_that_it_stands_for_and_all_findings_are_told(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", GOOD.format(name="a"))
    write(tmp_path, "b.yaml", "avtomat: 1\nblueprint: b\nstates: {a: {task: t, next: nowhere}}\n")
    write(tmp_path, "c.yaml", "a: {{ x }}\n")

    registry = compile_folder(tmp_path)

    assert list(registry.parts) == ["a"]
    assert sorted(registry.errors) == ["b", "c"]
    found = registry.diagnostics
    assert [(Path(each.file).name, each.code) for each in found if each.code != "AVT102"] == [
        ("b.yaml", "AVT201"),
        ("c.yaml", "AVT101"),
        ("c.yaml", "AVT004"),
    ]


def test_two_files_may_not_hold_the_same_blueprint(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", GOOD.format(name="same"))
    write(tmp_path, "b.yaml", GOOD.format(name="same"))

    registry = compile_folder(tmp_path)

    assert not registry.parts
    found = registry.errors["same"]
    assert [(Path(each.file).name, each.line, each.column, each.code) for each in found] == [
        ("b.yaml", 2, 12, "AVT501")
    ]
    assert "a.yaml, line 2" in found[0].message


def test_warnings_go_with_the_set(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", GOOD.format(name="a") + "policies: {p: {attempts: 2}}\n")

    registry = compile_folder(tmp_path)

    assert [each.code for each in registry.diagnostics] == ["AVT409"]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    secret = write(tmp_path, "outside/secret.yaml", GOOD.format(name="secret"))
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(secret)

    found = compile_folder(folder).diagnostics

    assert "leads out" in found[0].message


def test_links_within_the_folder_are_followed_as_a_config_map_has_them(tmp_path: Path) -> None:
    write(tmp_path, "..2026/a.yaml", GOOD.format(name="a"))
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")

    registry = compile_folder(tmp_path)

    assert list(registry.parts) == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")

    found = compile_folder(tmp_path).diagnostics

    assert "not a regular file" in found[0].message


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    found = compile_folder(tmp_path / "missing.yaml").diagnostics

    assert [each.code for each in found] == ["AVT001"]


def test_an_empty_folder_is_an_empty_set(tmp_path: Path) -> None:
    registry = compile_folder(tmp_path)

    assert not registry.parts


def test_a_file_whose_name_cannot_be_read_stands_for_the_one_that_it_held_else_for_its_stem(tmp_path: Path) -> None:
    one = write(tmp_path, "one.yaml", "a: {{ x }}\n")
    write(tmp_path, "two.yaml", "a: {{ x }}\n")
    texts = read_texts(tmp_path)
    compiled = {file: compile_piece(content) for file, content in texts.contents.items()}

    registry = registry_of(texts, compiled, {str(one): "held"})

    assert sorted(registry.errors) == ["held", "two"]
