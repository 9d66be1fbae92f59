"""Turn the JSON Schema of a form into fields that a browser can show, and what a browser sends into a value.

A property of a simple type becomes a field of its own; whatever else a schema can describe is written as JSON. Fields
are named by their number, so that no name of an author's means anything to the page. What was sent is checked by the
schema itself, in another place: here a text that is not a number stays a text, which the schema then refuses in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.value import value
from avtomat.errors import RequestRefused
from avtomat.runtime.json_door import read_json

FIELDS_MAX: Final = 200
LONG_TEXT_CHARACTERS: Final = 200
"""A text that may be longer gets a box of several lines."""

WHOLE: Final = "whole"
"""The name of the field for a form that is not a map of properties."""

INPUTS: Final[Mapping[str, str]] = {"date": "date", "email": "email", "uri": "url", "time": "text"}


@value
class Field:
    """One field. `kind` is text, long, number, flag, choice, several or json; `options` are the values of a choice."""

    name: str
    key: str | None
    kind: str
    label: str
    help: str = ""
    input: str = "text"
    required: bool = False
    default: Json = None
    has_default: bool = False
    options: Sequence[Json] = ()

    @property
    def pointer(self) -> str:
        """Where its value stands in the form."""
        return "" if self.key is None else "/" + self.key.replace("~", "~0").replace("/", "~1")


Sent = Mapping[str, Sequence[str]]
"""What a browser sends: texts by the name of their field."""


def fields_of(schema: Json) -> Sequence[Field]:
    """The fields for a form: one for each property, or one for the whole where there are none."""
    if not isinstance(schema, Mapping):
        return ()
    properties = schema.get("properties")
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping) or len(properties) > FIELDS_MAX:
        return (_field(WHOLE, None, schema, required=True),)
    required = schema.get("required", ())
    return [
        _field(f"f{number}", key, part if isinstance(part, Mapping) else {}, required=key in required)
        for number, (key, part) in enumerate(properties.items())
    ]


def _field(name: str, key: str | None, schema: Mapping[str, Json], *, required: bool) -> Field:
    kind, options = _kind(schema)
    title, help_text = schema.get("title"), schema.get("description")
    return Field(
        name=name,
        key=key,
        kind=kind,
        label=title if isinstance(title, str) and title else key or "Form",
        help=help_text if isinstance(help_text, str) else "",
        input=INPUTS.get(str(schema.get("format")), "text") if kind == "text" else "text",
        required=required,
        default=schema.get("default"),
        has_default="default" in schema,
        options=options,
    )


def _kind(schema: Mapping[str, Json]) -> tuple[str, Sequence[Json]]:
    options = schema.get("enum")
    if isinstance(options, list) and len(options) <= FIELDS_MAX:
        return "choice", options
    match schema.get("type"):
        case "string":
            return ("long" if _may_have_lines(schema) else "text"), ()
        case "number" | "integer":
            return "number", ()
        case "boolean":
            return "flag", ()
        case "array":
            items = schema.get("items")
            listed = items.get("enum") if isinstance(items, Mapping) else None
            if isinstance(listed, list) and len(listed) <= FIELDS_MAX:
                return "several", listed
    return "json", ()


def _may_have_lines(schema: Mapping[str, Json]) -> bool:
    """A text that nothing says to be short."""
    if "maxLength" in schema:
        return bool(schema["maxLength"] > LONG_TEXT_CHARACTERS)
    return "pattern" not in schema and "format" not in schema


# --- what was sent ----------------------------------------------------------------------------------------------------


def value_of(fields: Sequence[Field], sent: Sent) -> Json:
    """The form's value. A field that was left empty is left out, unless it is a box that says no."""
    found: dict[str, Json] = {}
    for field in fields:
        texts = sent.get(field.name, ())
        if field.key is None:
            return _value(field, texts) if any(texts) else None
        if field.kind in {"flag", "several"} or any(texts):
            found[field.key] = _value(field, texts)
    return found


def _value(field: Field, texts: Sequence[str]) -> Json:
    text = texts[0].replace("\r\n", "\n") if texts else ""
    match field.kind:
        case "number":
            return _number(text.strip())
        case "flag":
            return text == "true"
        case "choice":
            return _option(field, text)
        case "several":
            return [_option(field, each) for each in texts]
        case "json":
            return _json(text)
        case _:
            return text


def _option(field: Field, text: str) -> Json:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    return field.options[number] if 0 <= number < len(field.options) else text


def _number(text: str) -> Json:
    found = _json(text)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else text


def _json(text: str) -> Json:
    """The value that the text is, by the rules of the API; the text itself where it is none."""
    try:
        return read_json(text.encode())
    except RequestRefused:
        return text
