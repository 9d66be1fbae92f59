"""Build a stored program again from its canonical form, without asking the rules of today: nothing of the checker."""

from __future__ import annotations

import orjson

from avtomat.blueprint.assemble import assemble
from avtomat.blueprint.readings import Readings
from avtomat.blueprint.sites import find_sites
from avtomat.blueprint.spec import read_spec
from avtomat.blueprint.yaml.nodes import Node, node_of
from avtomat.core.program import Program


def build_program(canonical: str) -> Program:
    """Build the Program of a canonical form."""
    root: Node = node_of(orjson.loads(canonical))
    blueprint = read_spec(root)
    assert blueprint is not None
    return assemble(blueprint, Readings(find_sites(blueprint)))
