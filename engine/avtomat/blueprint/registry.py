"""The set of blueprints that is current: an immutable snapshot, compiled and swapped as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avtomat.blueprint import codes_rules as codes
from avtomat.blueprint.compiler import Examined, examine_text
from avtomat.blueprint.files import find_blueprints, read_file
from avtomat.core.program import Program
from avtomat.diagnostics import Diagnostic, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Programs by the blueprint's name, and by their digest. `diagnostics` are warnings and notes about them."""

    programs: Mapping[str, Program] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()

    def version(self, name: str, digest: str) -> Program | None:
        """The program of this name, if its current version has this digest."""
        program = self.programs.get(name)
        return program if program is not None and program.digest == digest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Where a blueprint's name is written."""

    name: str
    file: str
    line: int
    column: int


def compile_folder(*paths: Path) -> Registry | list[Diagnostic]:
    """Compile all blueprints in these folders and files; one error refuses them all, and all errors are returned."""
    diagnostics: list[Diagnostic] = []
    good: list[tuple[str, Examined]] = []
    names: list[Named] = []
    for found in find_blueprints(paths):
        content = found if isinstance(found, Diagnostic) else read_file(found)
        if isinstance(content, Diagnostic):
            diagnostics.append(content)
            continue
        examined = examine_text(content)
        diagnostics += [finding.in_file(str(found)) for finding in examined.findings]
        names += name_in(examined, str(found))
        good += [(str(found), examined)] if examined.is_good else []
    diagnostics += duplicate_names(names)
    programs: dict[str, Program] = {}
    for file, examined in good:
        built = examined.built()
        if isinstance(built, Program):
            programs[built.name] = built
        else:
            diagnostics.append(built.in_file(file))
    if any(each.severity is Severity.ERROR for each in diagnostics):
        return sorted(diagnostics, key=lambda each: each.order)
    return Registry(programs=programs, diagnostics=tuple(diagnostics))


def name_in(examined: Examined, file: str) -> Iterator[Named]:
    """The name of the blueprint in a file, if it has one."""
    if examined.name is not None:
        span = examined.name.span
        yield Named(name=examined.name.text, file=file, line=span.line, column=span.column)


def duplicate_names(names: Iterable[Named]) -> Iterator[Diagnostic]:
    """Findings about names that stand in more than one file, at each but the first."""
    first: dict[str, Named] = {}
    for each in sorted(names, key=lambda named: named.file):
        other = first.setdefault(each.name, each)
        if other is not each:
            yield Diagnostic(
                code=codes.DUPLICATE_BLUEPRINT.number,
                severity=codes.DUPLICATE_BLUEPRINT.severity,
                message=f"there is another blueprint `{each.name}` in {other.file}, line {other.line}",
                file=each.file,
                line=each.line,
                column=each.column,
                hint="give one of them another name",
            )
