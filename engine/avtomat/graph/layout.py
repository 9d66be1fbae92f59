"""Place the nodes of a graph on a plane: top to bottom, blocks as frames around what is inside them.

A machine is laid out in rows. A node stands one row below the lowest of those that lead to it, ways back left out;
within a row nodes keep the order of the file, except that they move towards the nodes that lead to them. So a small
change of a blueprint moves little. All lengths are pixels; letters count as equally wide, whatever the font.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from avtomat.core.value import value
from avtomat.graph.model import END_ID, Edge, Graph, Node, Way

CHARACTER_WIDTH = 7.5
LABEL_CHARACTER_WIDTH = 6.2
LABEL_SHOWN_MAX = 28
NODE_HEIGHT = 44.0
NODE_WIDTH_MIN = 96.0
NODE_WIDTH_MAX = 260.0
PADDING = 14.0
ROW_GAP = 46.0
COLUMN_GAP = 36.0
FRAME_HEAD = 30.0
END_SIZE = 18.0


@value
class Box:
    """A node with its place: the corner at the top left, and its size. `inner` are the boxes inside a block."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    inner: tuple[Plan, ...] = ()


@value
class Line:
    """An edge with the points through which it goes; `back` leads to a row above or to itself."""

    edge: Edge
    points: tuple[tuple[float, float], ...]
    back: bool = False


@value
class Plan:
    """One machine with everything in its place. `end` is the middle of the mark of its end, where there is one."""

    address: str
    branch: str
    x: float
    y: float
    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    end: tuple[float, float] | None = None


def plan_of(graph: Graph, branch: str = "") -> Plan:
    """Lay a graph out; its corner is at 0, 0."""
    sizes = {node.id: _size(node) for node in graph.nodes}
    rows = _rows(graph)
    end_row = len(rows) if graph.ends else None
    widths = [sum(sizes[name].width for name in row) + COLUMN_GAP * (len(row) - 1) for row in rows]
    width = max([*widths, NODE_WIDTH_MIN])
    boxes: dict[str, Box] = {}
    y = 0.0
    for row, row_width in zip(rows, widths, strict=True):
        x, height = (width - row_width) / 2, max(sizes[name].height for name in row)
        for name in row:
            boxes[name] = _moved(sizes[name], x, y)
            x += sizes[name].width + COLUMN_GAP
        y += height + ROW_GAP
    end = (width / 2, y + END_SIZE / 2) if end_row is not None else None
    height = y + END_SIZE if end is not None else max(0.0, y - ROW_GAP)
    lines, right = _lines(graph, boxes, end, width)
    return Plan(
        address=graph.address,
        branch=branch,
        x=0,
        y=0,
        width=right,
        height=max([height, *(y for line in lines for _x, y in line.points)]),
        boxes=tuple(boxes[node.id] for node in graph.nodes),
        lines=lines,
        end=end,
    )


def _size(node: Node) -> Box:
    """The node at 0, 0, with what is inside it laid out side by side."""
    text = max(len(node.name), len(node.detail))
    width = min(NODE_WIDTH_MAX, max(NODE_WIDTH_MIN, text * CHARACTER_WIDTH + 2 * PADDING))
    if not node.inner:
        return Box(node=node, x=0, y=0, width=width, height=NODE_HEIGHT)
    inner, x, height = [], PADDING, 0.0
    for branch, graph in node.inner:
        plan = plan_of(graph, branch)
        inner.append(_shifted(plan, x, FRAME_HEAD + (18.0 if branch else 0.0)))
        x += plan.width + COLUMN_GAP
        height = max(height, plan.height + (18.0 if branch else 0.0))
    whole = max(width, x - COLUMN_GAP + PADDING)
    return Box(node=node, x=0, y=0, width=whole, height=FRAME_HEAD + height + PADDING, inner=tuple(inner))


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(graph: Graph) -> list[list[str]]:
    """The ids of nodes by row, each row in the order in which it is drawn."""
    order = {node.id: at for at, node in enumerate(graph.nodes)}
    ahead: dict[str, list[str]] = {name: [] for name in order}
    for edge in graph.edges:
        if edge.target in order:
            ahead[edge.source].append(edge.target)
    depth = _depths(graph, ahead)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in order:
        rows[depth[name]].append(name)
    behind: dict[str, list[str]] = {name: [] for name in order}
    for name, targets in ahead.items():
        for target in targets:
            if depth[target] > depth[name]:
                behind[target].append(name)
    place = {name: float(at) for row in rows for at, name in enumerate(row)}
    for row in rows[1:]:
        row.sort(key=lambda name: (_middle(behind[name], place, place[name]), order[name]))
        place.update((name, float(at)) for at, name in enumerate(row))
    return [row for row in rows if row]


def _middle(names: Sequence[str], place: Mapping[str, float], otherwise: float) -> float:
    return sum(place[name] for name in names) / len(names) if names else otherwise


def _depths(graph: Graph, ahead: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The row of each node: the longest way to it that never goes back."""
    finished, under_way, back = list[str](), set[str](), set[tuple[str, str]]()
    seen: set[str] = set()
    for root in (graph.start, *(node.id for node in graph.nodes)):
        if root in seen or root not in ahead:
            continue
        seen.add(root)
        under_way.add(root)
        stack = [(root, iter(ahead[root]))]
        while stack:
            name, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                stack.pop()
                under_way.discard(name)
                finished.append(name)
            elif target in under_way:
                back.add((name, target))
            elif target not in seen:
                seen.add(target)
                under_way.add(target)
                stack.append((target, iter(ahead[target])))
    depth = dict.fromkeys(finished, 0)
    for name in reversed(finished):
        for target in ahead[name]:
            if (name, target) not in back:
                depth[target] = max(depth[target], depth[name] + 1)
    return depth


# --- lines ------------------------------------------------------------------------------------------------------------


def _lines(
    graph: Graph, boxes: Mapping[str, Box], end: tuple[float, float] | None, width: float
) -> tuple[tuple[Line, ...], float]:
    """The edges as lines, and the width of the whole: ways back and past rows run to the right of the nodes."""
    found: list[Line] = []
    lane = width + COLUMN_GAP / 2
    for edge in _merged(graph.edges):
        source = boxes[edge.source]
        target = boxes.get(edge.target)
        if target is None:
            goal = end if end is not None and edge.target.rpartition(".")[2] == END_ID else None
            if goal is None:
                continue
            top, middle = goal[1] - END_SIZE / 2, goal[0]
        else:
            top, middle = target.y, target.x + target.width / 2
        start = (source.x + source.width / 2, source.y + source.height)
        gap = top - start[1]
        if 0 < gap <= ROW_GAP * 1.5 or (gap > 0 and not _crosses(boxes.values(), start, (middle, top), edge)):
            found.append(Line(edge=edge, points=(start, (middle, top))))
            continue
        arrival = _entry(target, boxes) if target is not None else ((middle, top), (middle, top))
        departure = _exit(source, boxes)
        points = (*departure, (lane, departure[-1][1]), (lane, arrival[0][1]), *arrival)
        found.append(Line(edge=edge, points=points, back=gap <= 0))
        lane += 14.0
    beyond = lane + 4.0 if lane > width + COLUMN_GAP / 2 else width
    return tuple(found), max([beyond, *(label_of(line)[0] + label_width(line.edge) for line in found)])


def _exit(box: Box, boxes: Mapping[str, Box]) -> tuple[tuple[float, float], ...]:
    """How a line leaves a node to the right: by its side, or below where another node stands beside it."""
    if not _has_neighbour(box, boxes):
        return ((box.x + box.width, box.y + min(box.height, NODE_HEIGHT) / 2),)
    x, y = box.x + box.width * 0.75, box.y + box.height
    return ((x, y), (x, y + ROW_GAP / 3))


def _entry(box: Box, boxes: Mapping[str, Box]) -> tuple[tuple[float, float], ...]:
    """How a line comes to a node from the right: to its side, or from above."""
    if not _has_neighbour(box, boxes):
        y = box.y + min(box.height, NODE_HEIGHT) / 2
        return ((box.x + box.width, y), (box.x + box.width, y))
    x = box.x + box.width * 0.75
    return ((x, box.y - ROW_GAP / 3), (x, box.y))


def _has_neighbour(box: Box, boxes: Mapping[str, Box]) -> bool:
    return any(other.y == box.y and other.x > box.x for other in boxes.values())


def label_of(line: Line) -> tuple[float, float]:
    """Where the text of an edge begins."""
    (x, y), (goal_x, goal_y) = line.points[0], line.points[-1]
    return ((x + goal_x) / 2 + 5, (y + goal_y) / 2 + 4) if len(line.points) == 2 else (x + 5, y - 5)


def label_width(edge: Edge) -> float:
    """How wide the text of an edge is."""
    return min(len(edge.label), LABEL_SHOWN_MAX) * LABEL_CHARACTER_WIDTH


def _crosses(boxes: Iterable[Box], start: tuple[float, float], goal: tuple[float, float], edge: Edge) -> bool:
    """Whether a straight line would run over a node."""
    for box in boxes:
        if box.node.id in {edge.source, edge.target} or not start[1] < box.y + box.height / 2 < goal[1]:
            continue
        share = (box.y + box.height / 2 - start[1]) / (goal[1] - start[1])
        x = start[0] + share * (goal[0] - start[0])
        if box.x - 8 <= x <= box.x + box.width + 8:
            return True
    return False


def _merged(edges: Sequence[Edge]) -> list[Edge]:
    """One line for all edges of a kind between the same two nodes, with their labels together."""
    found: dict[tuple[str, str, Way], list[str]] = {}
    for edge in edges:
        found.setdefault((edge.source, edge.target, edge.way), []).append(edge.label)
    return [
        Edge(source=source, target=target, way=way, label=" / ".join(filter(None, dict.fromkeys(labels))))
        for (source, target, way), labels in found.items()
    ]


# --- moving -----------------------------------------------------------------------------------------------------------


def _moved(box: Box, x: float, y: float) -> Box:
    return Box(
        node=box.node,
        x=x,
        y=y,
        width=box.width,
        height=box.height,
        inner=tuple(_shifted(plan, x, y) for plan in box.inner),
    )


def _shifted(plan: Plan, x: float, y: float) -> Plan:
    return Plan(
        address=plan.address,
        branch=plan.branch,
        x=plan.x + x,
        y=plan.y + y,
        width=plan.width,
        height=plan.height,
        boxes=tuple(_moved_by(box, x, y) for box in plan.boxes),
        lines=tuple(
            Line(edge=line.edge, points=tuple((px + x, py + y) for px, py in line.points), back=line.back)
            for line in plan.lines
        ),
        end=None if plan.end is None else (plan.end[0] + x, plan.end[1] + y),
    )


def _moved_by(box: Box, x: float, y: float) -> Box:
    return Box(
        node=box.node,
        x=box.x + x,
        y=box.y + y,
        width=box.width,
        height=box.height,
        inner=tuple(_shifted(plan, x, y) for plan in box.inner),
    )
