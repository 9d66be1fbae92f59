"""Draw a laid-out graph as SVG: for pages, whose stylesheet gives the colours, or to stand alone."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from avtomat.graph.layout import END_SIZE, FRAME_HEAD, LABEL_SHOWN_MAX, Box, Line, Plan, label_of, plan_of
from avtomat.graph.model import Graph, Marks

MARGIN: Final = 12.0
NAME_CHARACTERS_MAX: Final = 30

STYLE: Final = """\
.graph { font: 13px system-ui, sans-serif; }
.graph rect { fill: #fff; stroke: #6b7280; stroke-width: 1.25; }
.graph .frame > rect { fill: #f6f7f9; stroke-dasharray: 4 3; }
.graph text { fill: #1f2937; } .graph .detail, .graph .label { fill: #5b6472; font-size: 11px; }
.graph .label { paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.graph path { fill: none; stroke: #6b7280; stroke-width: 1.25; }
.graph path.catch { stroke: #b42318; stroke-dasharray: 5 3; } .graph .label.catch { fill: #b42318; }
.graph .head { fill: #6b7280; stroke: none; } .graph .head.catch { fill: #b42318; }
.graph circle { fill: #fff; stroke: #6b7280; stroke-width: 2; }
.graph .taken > rect { stroke: #1a7f37; stroke-width: 2.5; }
.graph .current > rect { stroke: #0b57d0; stroke-width: 3; }
.graph .failed > rect { stroke: #b42318; stroke-width: 2.5; } .graph .untaken { opacity: .55; }
"""


def svg_of(graph: Graph, marks: Marks | None = None, *, alone: bool = False, title: str = "") -> str:
    """The picture. `marks` lays a job's way over it; with `alone` it carries its own style."""
    plan = plan_of(graph)
    width, height = plan.width + 2 * MARGIN, plan.height + 2 * MARGIN
    space = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    parts = [
        f'<svg class="graph"{space} role="img" viewBox="{-MARGIN:g} {-MARGIN:g} {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">',
        f"<title>{escape(title)}</title>" if title else "",
        f"<style>{STYLE}</style>" if alone else "",
        *_plan(plan, marks),
        "</svg>\n",
    ]
    return "".join(parts)


def _plan(plan: Plan, marks: Marks | None) -> Iterator[str]:
    if plan.branch:
        yield f'<text class="label" x="{plan.x:g}" y="{plan.y - 6:g}">{escape(plan.branch)}</text>'
    for line in plan.lines:
        yield _line(line)
    for box in plan.boxes:
        yield from _box(box, marks)
    if plan.end is not None:
        x, y = plan.end
        yield f'<circle cx="{x:g}" cy="{y:g}" r="{END_SIZE / 2:g}"/><circle cx="{x:g}" cy="{y:g}" r="4" class="head"/>'


def _box(box: Box, marks: Marks | None) -> Iterator[str]:
    word = "" if marks is None else marks.get(box.node.id, "untaken")
    names = " ".join(filter(None, ("frame" if box.inner else "node", "run" if box.node.runs else "", word)))
    yield f'<g class="{names}"><title>{escape(box.node.id)}</title>'
    yield f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="7"/>'
    if box.node.runs:
        sides = (box.x + 6, box.x + box.width - 6)
        drawn = "".join(f"M{x:g} {box.y:g}v{box.height:g}" for x in sides)
        yield f'<path class="inside" d="{drawn}"/>'
    middle = box.x + box.width / 2
    name, detail = escape(_cut(box.node.name)), escape(_cut(box.node.detail))
    if box.inner:
        yield f'<text x="{box.x + 12:g}" y="{box.y + FRAME_HEAD - 11:g}">{name} '
        yield f'<tspan class="detail">{detail}</tspan></text></g>'
        for plan in box.inner:
            yield from _plan(plan, marks)
        return
    if detail and detail != name:
        yield f'<text text-anchor="middle" x="{middle:g}" y="{box.y + 19:g}">{name}</text>'
        yield f'<text class="detail" text-anchor="middle" x="{middle:g}" y="{box.y + 34:g}">{detail}</text></g>'
    else:
        yield f'<text text-anchor="middle" x="{middle:g}" y="{box.y + 26:g}">{name}</text></g>'


def _line(line: Line) -> str:
    kind = line.edge.way.value
    (x, y), (goal_x, goal_y) = line.points[-2], line.points[-1]
    if len(line.points) == 2:
        bend = (goal_y - y) / 2
        path = f"M{x:g},{y:g}C{x:g},{y + bend:g} {goal_x:g},{goal_y - bend:g} {goal_x:g},{goal_y:g}"
        head = f"M{goal_x:g},{goal_y:g}l-4,-8h8z"
    else:
        path = "M" + "L".join(f"{px:g},{py:g}" for px, py in line.points)
        head = f"M{goal_x:g},{goal_y:g}" + ("l-4,-8h8z" if x == goal_x and y < goal_y else "l8,-4v8z")
    drawn = f'<path class="{kind}" d="{path}"/><path class="head {kind}" d="{head}"/>'
    if line.edge.label:
        label_x, label_y = label_of(line)
        shown = escape(_cut(line.edge.label, LABEL_SHOWN_MAX))
        drawn += f'<text class="label {kind}" x="{label_x:g}" y="{label_y:g}">{shown}'
        drawn += f"<title>{escape(line.edge.label)}</title></text>"
    return drawn


def _cut(text: str, most: int = NAME_CHARACTERS_MAX) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
