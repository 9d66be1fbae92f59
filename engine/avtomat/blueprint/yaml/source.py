"""Read YAML into values that know their places.

The subset is the language's (YAML 1.2, one document, no tags, no directives, text keys, decimal numbers), and every
limit holds before anything large is made. Nothing raises: what is wrong is a finding, and what could be read is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from avtomat.blueprint.findings import codes_source as codes
from avtomat.blueprint.findings.finding import Finding
from avtomat.blueprint.yaml.builder import Builder
from avtomat.blueprint.yaml.nodes import Node, Span

SOURCE_BYTES_MAX = 1_000_000

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Control characters, surrogates, and marks that turn the direction of writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that was read: its text with plain line ends, its value (None when there is none), and what was found."""

    text: str
    root: Node | None
    findings: tuple[Finding, ...] = ()


def read_source(content: str | bytes) -> Source:
    """Read one YAML file."""
    text = _decode(content)
    if isinstance(text, Finding):
        return Source(text="", root=None, findings=(text,))
    refused = [*_forbidden_characters(text)]
    if refused:
        return Source(text=text, root=None, findings=tuple(refused))
    builder = Builder(text)
    root = builder.build()
    if root is None and not builder.findings:
        empty = codes.UNREADABLE.at(Span(line=1, column=1), "the file is empty", "a blueprint begins with `avtomat: 1`")
        return Source(text=text, root=None, findings=(empty,))
    return Source(text=text, root=root, findings=tuple(builder.findings))


def _decode(content: str | bytes) -> str | Finding:
    start = Span(line=1, column=1)
    size = len(content)
    if size > SOURCE_BYTES_MAX:
        return codes.TOO_LARGE.at(start, f"the file has {size:,} bytes, more than {SOURCE_BYTES_MAX:,}", "split it up")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        span = Span(line=before.count(b"\n") + 1, column=error.start - before.rfind(b"\n"))
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        return codes.UNREADABLE.at(span, message, "save the file in the encoding UTF-8")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _forbidden_characters(text: str) -> list[Finding]:
    found = []
    for match in FORBIDDEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        name = f"U+{ord(match.group()):04X}"
        hint = "remove it; in double quotes it can be written as an escape"
        message = f"character {name} is not allowed"
        found.append(codes.FORBIDDEN_CHARACTER.at(Span(line=line, column=column), message, hint))
        if len(found) == 10:
            break
    return found
