"""The cache of findings: a convenience that can be damaged, but never mislead."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.blueprint.cache import FindingsCache, Remembered
from avtomat.diagnostics import Diagnostic, Severity

FOUND = Remembered(
    diagnostics=(
        Diagnostic(
            code="AVT201", severity=Severity.ERROR, message="é", file="", line=3, column=4, hint=None, end_column=9
        ),
    ),
    name=("sample", 2, 12),
)


def saved(folder: Path) -> Path:
    cache = FindingsCache(folder)
    cache.put(b"text", FOUND)
    cache.save()
    (file,) = folder.iterdir()
    return file


def test_what_was_found_in_a_text_is_known_in_the_next_run(tmp_path: Path) -> None:
    saved(tmp_path)

    assert FindingsCache(tmp_path).get(b"text") == FOUND
    assert FindingsCache(tmp_path).get(b"other") is None


@pytest.mark.parametrize("place", [0, 5, 70, 100, -1])
def test_a_damaged_file_is_an_empty_one(tmp_path: Path, place: int) -> None:
    file = saved(tmp_path)
    content = bytearray(file.read_bytes())
    content[place] ^= 0x01
    file.write_bytes(content)

    assert FindingsCache(tmp_path).get(b"text") is None


def test_a_file_that_was_cut_off_is_an_empty_one(tmp_path: Path) -> None:
    file = saved(tmp_path)
    file.write_bytes(file.read_bytes()[:-3])

    assert FindingsCache(tmp_path).get(b"text") is None


def test_a_file_of_another_checker_is_not_used_and_goes(tmp_path: Path) -> None:
    file = saved(tmp_path)
    other = file.rename(tmp_path / "findings-0123456789abcdef.json")

    assert FindingsCache(tmp_path).get(b"text") is None
    saved_again = FindingsCache(tmp_path)
    saved_again.put(b"text", FOUND)
    saved_again.save()
    assert not other.exists()


def test_a_folder_that_cannot_be_written_is_nobodys_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FindingsCache(tmp_path / "file" / "below")
    cache.put(b"text", FOUND)

    cache.save()

    assert cache.get(b"text") == FOUND


def test_without_a_folder_nothing_is_kept() -> None:
    cache = FindingsCache(None)
    cache.put(b"text", FOUND)
    cache.save()

    assert FindingsCache(None).get(b"text") is None
