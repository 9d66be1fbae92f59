"""JSON Schemas that authors write: checked when the file is read, compiled to check values.

Draft 2020-12. A keyword that the draft does not know is an error, because it would check nothing; `$ref` leads only to
places in the same schema; `format` is checked. A `pattern` is searched by the same engine as that of `matches()`, in
linear time, so that the language has one dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jsonschema_rs
import orjson

from avtomat.blueprint.language.functions.text import compiled_pattern, regex_problem
from avtomat.blueprint.language.spelling import nearest_hint
from avtomat.blueprint.schemas.explainer import explain
from avtomat.blueprint.yaml.nodes import Mapping, Node, Scalar, Sequence, Span
from avtomat.core.formula import Json, Problem

_SCHEMA = "schema"
_MAP = "map of schemas"
_LIST = "list of schemas"
_VALUE = "value"
ROOT = "urn:schema"
"""The address of a whole schema, for those that refer to its parts."""
_PATTERN = "pattern:"
"""Before a pattern that stands as a format."""

KEYWORDS = {
    **dict.fromkeys(("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
                     "unevaluatedItems", "unevaluatedProperties", "contentSchema"), _SCHEMA),
    **dict.fromkeys(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"), _MAP),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _LIST),
    **dict.fromkeys(("$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "$vocabulary",
                     "const", "contentEncoding", "contentMediaType", "default", "dependentRequired", "deprecated",
                     "description", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains",
                     "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength",
                     "minProperties", "minimum", "multipleOf", "pattern", "readOnly", "required", "title", "type",
                     "uniqueItems", "writeOnly"), _VALUE),
}  # fmt: skip
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_FOREIGN_TYPES = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "double": "number", "bool": "boolean",
    "dict": "object", "map": "object", "list": "array", "none": "null", "date": "string", "datetime": "string",
}  # fmt: skip
FORMATS = ("date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri",
           "iri-reference", "json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference",
           "uri-template", "uuid")  # fmt: skip
_FOREIGN_FORMATS = {
    "datetime": "date-time", "timestamp": "date-time", "rfc3339": "date-time", "iso8601": "date-time", "url": "uri",
    "mail": "email", "guid": "uuid", "ip": "ipv4", "ip-address": "ipv4", "host": "hostname", "host-name": "hostname",
}  # fmt: skip
_OTHER_DIALECT = re.compile(r"(?:[^\\\[]|\\[^sSbB]|\[(?!\[?:))*(\\[sSbB]|\[\[?:\w+:\])")
"""What two dialects of patterns understand differently beyond ASCII."""
_NAME_ALONE = re.compile(r"[(\[]?\s*([A-Za-z_]\w{0,63})\s*[)\]]?")
_PATTERN_HINT = "patterns are those of RE2, as in matches(): no look-around, no back references"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFault:
    """What is wrong with a schema, and where."""

    span: Span
    message: str
    hint: str | None = None


class SchemaCheck:
    """A compiled schema, as the core's `Check`. It is compiled when it is first asked."""

    def __init__(self, schema: Json) -> None:
        self.schema = schema
        self._keywords: dict[bytes, Any] = {}

    def problems(self, value: Json) -> list[Problem]:
        """Return what is wrong with `value`, at most a dozen findings; empty when it conforms."""
        return [] if self._validator.is_valid(value) else explain(self.schema, value, self._meets)

    def _meets(self, keyword: Json, value: Json) -> bool:
        """Whether `value` meets a schema of one keyword, as the whole validator decides it."""
        of_keyword = orjson.dumps(keyword)
        if of_keyword not in self._keywords:
            self._keywords[of_keyword] = compile_schema(keyword)
        return bool(self._keywords[of_keyword].is_valid(value))

    @cached_property
    def _validator(self) -> Any:
        return compile_schema(self.schema)


def compile_schema(schema: Json, root: Json = None) -> Any:
    """Compile a schema; with `root`, one that refers to parts of it as ROOT."""
    formats: dict[str, Callable[[str], bool]] = {}
    ours = _with_our_patterns(schema, formats)
    registry = None
    if root is not None:
        resources = [(ROOT, _with_our_patterns(root, formats))]
        registry = jsonschema_rs.Registry(resources, draft=jsonschema_rs.Draft202012)
    return jsonschema_rs.Draft202012Validator(
        ours,
        validate_formats=True,
        formats=formats,
        pattern_options=jsonschema_rs.RegexOptions(),
        offline=True,
        registry=registry,
    )


def _with_our_patterns(schema: Json, formats: dict[str, Callable[[str], bool]]) -> Json:
    """Return the schema with a format in place of each `pattern`: the library's own dialect knows other words."""
    if not isinstance(schema, dict):
        return schema
    ours = {key: _part_with_our_patterns(KEYWORDS.get(key), value, formats) for key, value in schema.items()}
    pattern = ours.get("pattern")
    if isinstance(pattern, str) and isinstance(ours.get("allOf", []), list) and regex_problem(pattern) is None:
        del ours["pattern"]
        formats[_PATTERN + pattern] = partial(_has, pattern)
        ours["allOf"] = [*ours.get("allOf", ()), {"format": _PATTERN + pattern}]
    return ours


def _part_with_our_patterns(kind: str | None, value: Json, formats: dict[str, Callable[[str], bool]]) -> Json:
    if kind == _SCHEMA:
        return _with_our_patterns(value, formats)
    if kind == _MAP and isinstance(value, dict):
        return {name: _with_our_patterns(inner, formats) for name, inner in value.items()}
    if kind == _LIST and isinstance(value, list):
        return [_with_our_patterns(inner, formats) for inner in value]
    return value


def _has(pattern: str, text: str) -> bool:
    return compiled_pattern(pattern).search(text) is not None


# --- checking the schema itself --------------------------------------------------------------------------------------


def check_schema(node: Node) -> list[SchemaFault]:
    """Return what is wrong with a schema that an author wrote."""
    found = [*_faults(node)]
    if found:
        return found
    try:
        compile_schema(node.value)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return [_compile_fault(node, error)]
    return []


def _faults(node: Node) -> Iterator[SchemaFault]:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return
    if not isinstance(node, Mapping):
        hint = f"write {{type: {_FOREIGN_TYPES.get(node.value, node.value)}}}" if isinstance(node.value, str) else None
        yield SchemaFault(span=node.span, message="a JSON Schema is a map, or true or false", hint=hint)
        return
    for key, value in node.items.items():
        if key not in KEYWORDS:
            yield SchemaFault(
                span=node.keys[key].span, message=f"`{key}` is not a keyword of JSON Schema", hint=_hint(key, node)
            )
            continue
        match KEYWORDS[key]:
            case "schema":
                yield from _faults(value)
            case "map of schemas" if isinstance(value, Mapping):
                yield from _names_of_patterns(value) if key == "patternProperties" else ()
                for inner in value.items.values():
                    yield from _faults(inner)
            case "list of schemas" if isinstance(value, Sequence):
                for inner in value.items:
                    yield from _faults(inner)
            case _:
                yield from _value_faults(key, value)


def _value_faults(key: str, value: Node) -> Iterator[SchemaFault]:
    if key == "type":
        for each in value.items if isinstance(value, Sequence) else (value,):
            if each.value not in TYPES:
                meant = _FOREIGN_TYPES.get(str(each.value).lower())
                hint = f"write {meant}" if meant else f"types are {', '.join(TYPES)}"
                yield SchemaFault(span=each.span, message=f"`{each.value}` is not a type of JSON Schema", hint=hint)
    elif key == "format" and value.value not in FORMATS:
        yield SchemaFault(span=value.span, message=f"`{value.value}` is not a format: it would check nothing",
                          hint=_format_hint(str(value.value)))  # fmt: skip
    elif key == "pattern" and isinstance(value.value, str) and (problem := regex_problem(value.value)):
        yield SchemaFault(span=value.span, message=problem, hint=_PATTERN_HINT)
    elif key == "required" and not isinstance(value, Sequence):
        named = _NAME_ALONE.fullmatch(value.text) if isinstance(value, Scalar) else None
        hint = f"write a list beside properties: required: [{named[1] if named else 'order_id'}]"
        yield SchemaFault(span=value.span, message="`required` is a list of keys", hint=hint)
    elif key == "$ref" and not str(value.value).startswith("#"):
        hint = "write what it stands for, or put it under $defs: {$ref: '#/$defs/name'}"
        yield SchemaFault(span=value.span, message="`$ref` leads only to places in the same schema", hint=hint)


def _format_hint(written: str) -> str:
    meant = _FOREIGN_FORMATS.get(written.lower())
    return f"write {meant}" if meant else nearest_hint(written, FORMATS) or f"formats are {', '.join(FORMATS)}"


def _names_of_patterns(patterns: Mapping) -> Iterator[SchemaFault]:
    """Patterns of keys are searched by the library, so they hold nothing that it understands in its own way."""
    for pattern, key in patterns.keys.items():
        other = _OTHER_DIALECT.match(pattern)
        problem = regex_problem(pattern)
        if problem is not None:
            yield SchemaFault(span=key.span, message=problem, hint=_PATTERN_HINT)
        elif other is not None:
            message = f"`{other[1]}` cannot stand in patterns of keys"
            yield SchemaFault(span=key.span, message=message, hint="write the characters: [ \\t] or [a-z]")


def _hint(key: str, node: Mapping) -> str:
    value = node.items[key]
    is_schema = isinstance(value, Mapping) or str(value.value) in (*TYPES, *_FOREIGN_TYPES)
    near = None if is_schema else nearest_hint(key, KEYWORDS)
    if near:
        return near
    inner = _FOREIGN_TYPES.get(str(value.value), str(value.value)) if isinstance(value, Scalar) else "object"
    shown = f"{{type: {inner if inner in TYPES else 'string'}}}"
    return f"keys of a map stand under properties: {{type: object, properties: {{{key}: {shown}}}}}"


def _compile_fault(node: Node, error: Exception) -> SchemaFault:
    """Place what the library says; its path leads into the schema."""
    at: Node = node
    for step in getattr(error, "instance_path", ()):
        if isinstance(at, Mapping) and str(step) in at.items:
            at = at.items[str(step)]
        elif isinstance(at, Sequence) and isinstance(step, int) and step < len(at.items):
            at = at.items[step]
    message = str(getattr(error, "message", error)).strip().partition("\n")[0]
    return SchemaFault(span=at.span, message=f"this JSON Schema cannot be used: {message}")
