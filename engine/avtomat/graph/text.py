"""Write a graph as text: Mermaid, Graphviz dot, or an outline for terminals."""

from __future__ import annotations

import json
from collections.abc import Iterator

from avtomat.graph.model import END_ID, Edge, Graph, Node, Way


def mermaid_of(graph: Graph) -> str:
    """A Mermaid flowchart, top to bottom; blocks are subgraphs."""
    return "\n".join(["flowchart TD", *_mermaid(graph, "    ", _Numbers())]) + "\n"


def dot_of(graph: Graph, name: str) -> str:
    """A digraph for Graphviz; blocks are clusters."""
    lines = [f"digraph {json.dumps(name)} {{", "  rankdir=TB; node [shape=box, style=rounded];"]
    return "\n".join([*lines, *_dot(graph, "  ", _Numbers()), "}"]) + "\n"


def outline_of(graph: Graph) -> str:
    """The states in file order, indented by the blocks that they are in, with the ways on."""
    return "\n".join(_outline(graph, "")) + "\n"


class _Numbers:
    """Names without special characters for nodes, by their ids."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, node_id: str) -> str:
        return self._known.setdefault(node_id, f"n{len(self._known)}")


def _mermaid(graph: Graph, indent: str, numbers: _Numbers) -> Iterator[str]:
    for node in graph.nodes:
        name = numbers.of(node.id)
        if node.inner:
            yield f"{indent}subgraph {name}[{_quoted(_title(node))}]"
            for branch, inner in node.inner:
                if branch:
                    yield f"{indent}    subgraph {name}_{numbers.of(f'{node.id}.{branch}')}[{_quoted(branch)}]"
                yield from _mermaid(inner, indent + ("        " if branch else "    "), numbers)
                if branch:
                    yield f"{indent}    end"
            yield f"{indent}end"
        else:
            first, last = ("[[", "]]") if node.runs else ("[", "]")
            yield f"{indent}{name}{first}{_quoted(_title(node))}{last}"
    if graph.ends:
        yield f"{indent}{numbers.of(_end_of(graph))}((( )))"
    for edge in graph.edges:
        arrow = "-.->" if edge.way is Way.CATCH else "-->"
        label = f"|{_quoted(edge.label)}|" if edge.label else ""
        yield f"{indent}{numbers.of(edge.source)} {arrow}{label} {numbers.of(edge.target)}"


def _dot(graph: Graph, indent: str, numbers: _Numbers) -> Iterator[str]:
    for node in graph.nodes:
        name = numbers.of(node.id)
        if not node.inner:
            border = ", peripheries=2" if node.runs else ""
            yield f"{indent}{name} [label={json.dumps(_title(node), ensure_ascii=False)}{border}];"
            continue
        yield f"{indent}subgraph cluster_{name} {{ label={json.dumps(_title(node), ensure_ascii=False)}; style=dashed;"
        yield f"{indent}  {name} [shape=point, style=invis];"
        for branch, inner in node.inner:
            cluster, label = numbers.of(f"{node.id}.{branch} "), json.dumps(branch, ensure_ascii=False)
            yield f"{indent}  subgraph cluster_{name}_{cluster} {{ label={label};"
            yield from _dot(inner, indent + "    ", numbers)
            yield f"{indent}  }}"
        yield f"{indent}}}"
    if graph.ends:
        yield f'{indent}{numbers.of(_end_of(graph))} [shape=doublecircle, label="", width=0.15];'
    for edge in graph.edges:
        style = ", style=dashed, color=firebrick" if edge.way is Way.CATCH else ""
        label = json.dumps(edge.label, ensure_ascii=False)
        yield f"{indent}{numbers.of(edge.source)} -> {numbers.of(edge.target)} [label={label}{style}];"


def _outline(graph: Graph, indent: str) -> Iterator[str]:
    ways: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        ways.setdefault(edge.source, []).append(edge)
    for node in graph.nodes:
        mark = "*" if node.id == graph.start else "-"
        yield f"{indent}{mark} {_title(node)}"
        for branch, inner in node.inner:
            if branch:
                yield f"{indent}    {branch}:"
            yield from _outline(inner, indent + ("      " if branch else "    "))
        for edge in ways.get(node.id, ()):
            taken = f"  when {edge.label}" if edge.label and edge.way is Way.NEXT else ""
            caught = f"  catches {edge.label}" if edge.way is Way.CATCH else ""
            yield f"{indent}    -> {edge.target.rpartition('.')[2]}{taken}{caught}"


def _title(node: Node) -> str:
    return node.name if node.detail in ("", node.name) else f"{node.name} ({node.detail})"


def _end_of(graph: Graph) -> str:
    place = graph.start.rpartition(".")[0]
    return f"{place}.{END_ID}" if place else END_ID


def _quoted(text: str) -> str:
    """A text in Mermaid's quotes: its own signs as entities."""
    return '"' + text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") + '"'
