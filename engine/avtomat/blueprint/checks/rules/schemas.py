"""The rule about JSON Schemas that authors write."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.blueprint.checks.rules.subject import Subject
from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.schemas.checked import check_schema
from avtomat.blueprint.schemas.cycles import endless_references
from avtomat.blueprint.schemas.defaults import wrong_defaults
from avtomat.blueprint.yaml.nodes import Mapping, Node


def schemas_are_valid(subject: Subject) -> Iterator[Finding]:
    """`input`, `result`, `expects` and `form` are JSON Schemas, with known keywords only, without circles, and good
    defaults.
    """
    nodes: list[Node | None] = [subject.blueprint.part("input"), subject.blueprint.part("result")]
    nodes += [node for key in ("expects", "form") for _state, node in subject.parts(key)]
    for node in nodes:
        if isinstance(node, Mapping):
            for fault in check_schema(node) or endless_references(node) or wrong_defaults(node):
                yield codes.BAD_SCHEMA.at(fault.span, fault.message, fault.hint)
