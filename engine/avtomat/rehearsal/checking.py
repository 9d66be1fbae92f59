"""Check a file of tests without running its cases: its own text, and its names beside those of its blueprint."""

from __future__ import annotations

from pathlib import Path

from avtomat.blueprint.files import read_file
from avtomat.diagnostics import Diagnostic
from avtomat.rehearsal.reading import read_tests
from avtomat.rehearsal.runner import run_file


def check_tests(file: Path, content: bytes) -> list[Diagnostic]:
    """What is wrong with the file's text; what is wrong with its blueprint is for the blueprint's own check to say."""
    report = run_file(file, lambda _: False, content)
    return [each for each in report.diagnostics if each.file == str(file)]


def beside(file: Path, content: bytes) -> bytes:
    """The content of the blueprint that these tests are about; empty when it cannot be had."""
    tests = read_tests(content).tests
    found = None if tests is None else read_file(file.parent / tests.blueprint.text)
    return found if isinstance(found, bytes) else b""
