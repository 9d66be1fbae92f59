"""Find the blueprints that a blueprint runs among the files beside it."""

from __future__ import annotations

from pathlib import Path

from avtomat.blueprint.compiler import examine_text
from avtomat.blueprint.files import find_blueprints, read_file
from avtomat.core.program import Program
from avtomat.diagnostics import Diagnostic


def beside(file: Path, program: Program) -> dict[str, Program]:
    """The blueprints that stand beside this one and that it, or one of them, runs; those with errors are left out."""
    found: dict[str, Program] = {}
    ahead = [*program.runs]
    texts: list[str | bytes] | None = None
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        texts = _texts(file.parent) if texts is None else texts
        for text in texts:
            run = _program_of(text, name)
            if run is not None:
                found[name] = run
                ahead += run.runs
                break
    return found


def _texts(folder: Path) -> list[str | bytes]:
    files = (each for each in find_blueprints([folder]) if not isinstance(each, Diagnostic))
    return [content for content in map(read_file, files) if not isinstance(content, Diagnostic)]


def _program_of(text: str | bytes, name: str) -> Program | None:
    """The program of a text, if that is the blueprint of this name and has no errors."""
    if name not in (text if isinstance(text, str) else text.decode(errors="replace")):
        return None
    examined = examine_text(text)
    if examined.name is None or examined.name.text != name or not examined.is_good:
        return None
    built = examined.built()
    return built if isinstance(built, Program) else None
