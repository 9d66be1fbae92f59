"""What can come after what in a machine."""

from __future__ import annotations

import random

import pytest

from avtomat.blueprint.checks import graph
from avtomat.blueprint.checks.reach import Reach
from avtomat.blueprint.compiler import examine_text

STATES = 3_000


@pytest.mark.parametrize("seed", range(40))
def test_it_is_what_walking_every_way_finds(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"s{number}" for number in range(dice.randint(1, 12))]
    edges = {name: frozenset(dice.sample(names, dice.randint(0, min(3, len(names))))) for name in names}

    reach = Reach(edges)

    for name in names:
        assert {other for other in names if reach.leads(name, other)} == graph.reachable(edges, edges[name]), edges


def codes_in(states: list[str]) -> list[str]:
    text = "\n".join(["avtomat: 1", "blueprint: long", "states:", *(f"  {state}" for state in states)])
    found = examine_text(text).findings
    assert all(len(finding.message) < 500 for finding in found)
    return [finding.code.number for finding in found]


def test_thousands_of_states_in_a_row_may_read_the_one_before() -> None:
    params = [f"params: {{x: '{{{{ outputs.s{n - 1} }}}}'}}, " if n else "" for n in range(STATES)]
    states = [f"s{n}: {{task: t, {params[n]}next: s{n + 1}}}" for n in range(STATES)]

    assert codes_in([*states, f"s{STATES}: {{succeed: 1}}"]) == []


def test_a_cycle_of_thousands_is_told_once_and_briefly() -> None:
    assert codes_in([f"s{n}: {{task: t, next: s{(n + 1) % STATES}}}" for n in range(STATES)]) == ["AVT203"]
    assert codes_in([f"s{n}: {{next: s{(n + 1) % STATES}}}" for n in range(STATES)]) == ["AVT204"]


def test_a_long_way_into_a_cycle_is_told_once() -> None:
    states = [f"s{n}: {{task: t, next: s{n + 1}}}" for n in range(STATES)]

    assert codes_in([*states, f"s{STATES}: {{task: t, next: s{STATES}}}"]) == ["AVT203"]
