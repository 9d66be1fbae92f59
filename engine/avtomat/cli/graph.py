"""`avtomat graph`: draw a blueprint as SVG, Mermaid, Graphviz dot or an outline."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from avtomat.blueprint.compiler import examine_text
from avtomat.blueprint.files import read_file
from avtomat.cli.frames import as_text, sources_of, wants_colour
from avtomat.diagnostics import Diagnostic
from avtomat.errors import NotFoundError
from avtomat.graph.model import Graph, final_graph_of, graph_of
from avtomat.graph.svg import svg_of
from avtomat.graph.text import dot_of, mermaid_of, outline_of

_REFUSED: Final = 1


def add_arguments(parser: ArgumentParser) -> None:
    """The file, and the form."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a blueprint")
    parser.add_argument(
        "-o",
        dest="form",
        choices=("svg", "mermaid", "dot", "ascii"),
        default="ascii",
        help="the form (default: ascii, an outline)",
    )
    parser.add_argument("--finally", dest="last", action="store_true", help="draw the machine of `finally` instead")


def run(args: Namespace) -> int:
    """Print it; the exit code is 1 when the blueprint has errors."""
    content = read_file(args.file)
    if isinstance(content, Diagnostic):
        raise NotFoundError(f"{args.file}: {content.message}")
    examined = examine_text(content)
    if not examined.is_good:
        found = [finding.in_file(str(args.file)) for finding in examined.findings]
        for line in as_text(found, sources_of(found), colour=wants_colour(sys.stderr)):
            print(line, file=sys.stderr)
        return _REFUSED
    program = examined.program()
    graph = final_graph_of(program) if args.last else graph_of(program)
    if graph is None:
        raise NotFoundError(f"{args.file} has no `finally`")
    print(_drawn(graph, args.form, program.name), end="")
    return 0


def _drawn(graph: Graph, form: str, name: str) -> str:
    match form:
        case "svg":
            return svg_of(graph, alone=True, title=name)
        case "mermaid":
            return mermaid_of(graph)
        case "dot":
            return dot_of(graph, name)
        case _:
            return outline_of(graph)
