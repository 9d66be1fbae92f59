"""Check a file of tests without running its cases: its own text, and its names beside those of its blueprint."""

from __future__ import annotations

from pathlib import Path

from avtomat.blueprint.files import find_blueprints, read_file
from avtomat.diagnostics import Diagnostic
from avtomat.rehearsal.reading import read_tests
from avtomat.rehearsal.runner import run_file


def check_tests(file: Path, content: bytes) -> list[Diagnostic]:
    """What is wrong with the file's text; what is wrong with its blueprint is for the blueprint's own check to say."""
    report = run_file(file, lambda _: False, content)
    return [each for each in report.diagnostics if each.file == str(file)]


def beside(file: Path, content: bytes) -> bytes:
    """The content of the blueprint that these tests are about, and of all beside it where it runs others; empty when it
    cannot be had.
    """
    tests = read_tests(content).tests
    found = None if tests is None else read_file(file.parent / tests.blueprint.text)
    if not isinstance(found, bytes) or b"run" not in found:
        return found if isinstance(found, bytes) else b""
    others = (read_file(each) for each in find_blueprints([file.parent]) if not isinstance(each, Diagnostic))
    return b"\0".join([found, *(each for each in others if isinstance(each, bytes))])
