"""Graphs of blueprints: every state and way is there, nothing lies over another, and what authors wrote stays text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from avtomat.blueprint.compiler import examine_text
from avtomat.core.program import Program
from avtomat.graph.layout import Box, Plan, plan_of
from avtomat.graph.model import Way, final_graph_of, graph_of, nodes_of
from avtomat.graph.svg import svg_of
from avtomat.graph.text import dot_of, mermaid_of, outline_of

WORKFLOWS = sorted(
    file for file in (Path(__file__).parents[2] / "workflows").glob("*.yaml") if not file.name.endswith(".test.yaml")
)
POLL = """
avtomat: 1
blueprint: poll
start: ask
states:
  ask:
    task: ask
    catch: [{errors: [GONE], to: lost}]
    transitions: [{when: output.ready, to: done}, {to: rest}]
  rest: {wait: 1m, next: ask}
  done: {succeed: "{{ outputs.ask }}"}
  lost: {fail: {code: LOST}}
"""


def program_of(text: str) -> Program:
    examined = examine_text(text.encode())
    assert examined.is_good, [finding.message for finding in examined.findings]
    return examined.program()


def boxes_of(plan: Plan) -> Iterator[Box]:
    for box in plan.boxes:
        yield box
        for inner in box.inner:
            yield from boxes_of(inner)


def plans_of(plan: Plan) -> Iterator[Plan]:
    yield plan
    for box in plan.boxes:
        for inner in box.inner:
            yield from plans_of(inner)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_state_of_every_machine_is_drawn_once(file: Path) -> None:
    program = program_of(file.read_text())
    graph = graph_of(program)

    states = sum(len(machine.states) for address, machine in program.machines.items() if not address.startswith("("))
    assert len({node.id for node in nodes_of(graph)}) == states
    drawn = ET.fromstring(svg_of(graph, alone=True, title=program.name))
    assert sum(each.tag.endswith("rect") for each in drawn.iter()) == states


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_node_lies_over_another_and_all_lies_inside_its_frame(file: Path) -> None:
    plan = plan_of(graph_of(program_of(file.read_text())))

    for each in plans_of(plan):
        for box in each.boxes:
            assert box.x >= each.x - 0.01
            assert box.x + box.width <= each.x + each.width + 0.01
            assert box.y + box.height <= each.y + each.height + 0.01
        pairs = [(a, b) for at, a in enumerate(each.boxes) for b in each.boxes[at + 1 :]]
        for a, b in pairs:
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            assert apart, (a.node.id, b.node.id)


def test_ways_have_their_conditions_and_errors() -> None:
    graph = graph_of(program_of(POLL))

    told = {(edge.source, edge.target, edge.way, edge.label) for edge in graph.edges}
    assert told == {
        ("ask", "done", Way.NEXT, "output.ready"),
        ("ask", "rest", Way.NEXT, ""),
        ("ask", "lost", Way.CATCH, "GONE"),
        ("rest", "ask", Way.NEXT, ""),
    }


def test_a_way_back_runs_beside_the_nodes_to_a_row_above() -> None:
    plan = plan_of(graph_of(program_of(POLL)))

    [back] = [line for line in plan.lines if line.back]
    assert (back.edge.source, back.edge.target) == ("rest", "ask")
    assert max(x for x, _y in back.points) > max(box.x + box.width for box in plan.boxes)


def test_what_authors_wrote_is_text_in_every_form() -> None:
    wild = POLL.replace("{when: output.ready, to: done}", """{when: "output.x == '<b>&'", to: done}""")
    graph = graph_of(program_of(wild))

    drawn = svg_of(graph, alone=True, title="<b>")
    assert "<b>" not in drawn
    ET.fromstring(drawn)
    assert "<b>" not in mermaid_of(graph)
    assert "'<b>&'" in dot_of(graph, "x")
    assert "when output.x" in outline_of(graph)


def test_a_jobs_way_is_laid_over_the_picture() -> None:
    drawn = ET.fromstring(svg_of(graph_of(program_of(POLL)), {"ask": "taken", "rest": "current"}, alone=True))

    words = {each.attrib["class"] for each in drawn.iter() if each.tag.endswith("}g")}
    assert words == {"node taken", "node current", "node untaken"}


def test_finally_has_a_graph_of_its_own() -> None:
    program = program_of(POLL + "finally: {task: sweep}\n")

    last = final_graph_of(program)
    assert last is not None
    assert [node.name for node in last.nodes] == ["sweep"]
    assert final_graph_of(program_of(POLL)) is None


def test_a_state_that_runs_another_blueprint_is_told_apart_in_every_form() -> None:
    graph = graph_of(
        program_of(
            "avtomat: 1\nblueprint: x\n"
            "states: {hire: {run: account, next: tell}, tell: {run: report, detach: true, next: end}}"
        )
    )

    assert [node.detail for node in graph.nodes] == ["run account", "run report, detached"]
    assert 'n0[["hire (run account)"]]' in mermaid_of(graph)
    assert 'n0 [label="hire (run account)", peripheries=2];' in dot_of(graph, "x")
    assert "* hire (run account)" in outline_of(graph)
    assert svg_of(graph).count('<path class="inside"') == 2
