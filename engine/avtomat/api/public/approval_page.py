"""Make the pages behind the link to an approval: plain HTML, no script, nothing of other hosts.

Whatever came from blueprints, jobs and people stands there as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from avtomat.api.public.form_fields import Field, Sent
from avtomat.core.formula import Json
from avtomat.runtime.people.asking import Asked

STYLE_PATH: Final = "/approve.css"
POLICY: Final = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""The Content-Security-Policy of the pages."""

STYLE: Final = """\
:root { color-scheme: light dark; --line: #c6cad1; --back: #fff; --text: #1b1e23; --dim: #5b626d; --bad: #b3261e; }
body { font: 17px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 0 auto; padding: 1.5rem 1rem 3rem;
  background: var(--back); color: var(--text); overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; white-space: pre-wrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; color: var(--dim); margin: 0 0 1.5rem; }
dd { margin: 0; }
label, legend { display: block; font-weight: 600; margin-top: 1rem; padding: 0; }
fieldset { border: 0; margin: 0; padding: 0; }
label.option { font-weight: 400; margin-top: .3rem; }
input:not([type=checkbox]), textarea, select { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem;
  border: 1px solid var(--line); border-radius: .4rem; background: var(--back); color: var(--text); }
.help { color: var(--dim); font-size: .9rem; }
.bad { color: var(--bad); font-weight: 600; }
.choices { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
button { font: inherit; font-weight: 600; padding: .7rem 1.4rem; border-radius: .4rem; border: 1px solid var(--line);
  background: var(--back); color: var(--text); cursor: pointer; flex: 1 1 8rem; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444b56; --back: #16181c; --text: #e4e6ea; --dim: #9aa2ae; --bad: #ff8a80; }
}
"""


_NO_ANSWER_BY_ENTER: Final = "<button disabled hidden></button>"
"""The form's first button is what Enter in a field presses: it must be none of the choices."""


def question_page(
    asked: Asked, who: str, fields: Sequence[Field], sent: Sent | None = None, errors: Sequence[Mapping[str, str]] = ()
) -> str:
    """The question with its form, as `sent` before if that was refused with `errors`."""
    shown = asked.as_json()
    facts = {"Job": f"{shown['job_id']} ({shown['blueprint']})", "Asked": f"{who}, since {shown['since']}"}
    if shown["deadline"]:
        facts["Until"] = str(shown["deadline"])
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    by_pointer: dict[str, list[str]] = {}
    for error in errors:
        by_pointer.setdefault(_field_of(error["pointer"], fields), []).append(error["message"])
    others = "".join(_problem(text) for text in by_pointer.get("", ()))
    inner = "".join(_shown(field, sent, by_pointer.get(field.name, ())) for field in fields)
    comment = escape(_first(sent, "comment"))
    buttons = "".join(
        f'<button name="choice" value="{escape(choice)}">{escape(choice)}</button>' for choice in asked.state.choices
    )
    return _page(
        asked.waiting.text,
        f"<h1>{escape(asked.waiting.text)}</h1>\n<dl>{listed}</dl>\n{others}"
        f'<form method="post">{inner}\n<label for="comment">Comment</label>'
        f'<textarea id="comment" name="comment" rows="2">{comment}</textarea>\n'
        f'<div class="choices">{_NO_ANSWER_BY_ENTER}{buttons}</div></form>',
    )


def told_page(title: str, *texts: str) -> str:
    """A page that asks nothing."""
    return _page(title, f"<h1>{escape(title)}</h1>" + "".join(f"<p>{escape(text)}</p>" for text in texts))


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<title>{escape(title[:80])}</title><link rel="stylesheet" href="..{STYLE_PATH}"></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _field_of(pointer: str, fields: Sequence[Field]) -> str:
    """The name of the field that a pointer into the decision is about; empty for none."""
    inner = pointer.removeprefix("/form")
    for field in fields:
        if pointer.startswith("/form") and (inner == field.pointer or inner.startswith(f"{field.pointer}/")):
            return field.name
    return ""


def _problem(text: str) -> str:
    return f'<p class="bad">{escape(text)}</p>'


# --- fields -----------------------------------------------------------------------------------------------------------


def _shown(field: Field, sent: Sent | None, problems: Sequence[str]) -> str:
    """A field with its label, help and problems."""
    mark = " *" if field.required and field.kind != "flag" else ""
    label, help_text = escape(field.label) + mark, f'<div class="help">{escape(field.help)}</div>' if field.help else ""
    told = "".join(_problem(text) for text in problems)
    if field.kind == "flag":
        checked = " checked" if _first(sent, field.name) == "true" or (sent is None and field.default is True) else ""
        box = f'<input type="checkbox" name="{field.name}" value="true"{checked}>'
        return f'<label class="option">{box} {label}</label>{help_text}{told}'
    if field.kind == "several":
        return f"<fieldset><legend>{label}</legend>{_boxes(field, sent)}</fieldset>{help_text}{told}"
    return f'<label for="{field.name}">{label}</label>{_control(field, sent)}{help_text}{told}'


def _control(field: Field, sent: Sent | None) -> str:
    place = f'id="{field.name}" name="{field.name}"'
    if field.kind == "choice":
        return f"<select {place}>{_options(field, sent)}</select>"
    text = escape(_first(sent, field.name) if sent is not None else _default(field))
    if field.kind in {"long", "json"}:
        return f'<textarea {place} rows="4">{text}</textarea>'
    if field.kind == "number":
        return f'<input {place} inputmode="decimal" value="{text}">'
    return f'<input {place} type="{field.input}" value="{text}">'


def _options(field: Field, sent: Sent | None) -> str:
    chosen = _first(sent, field.name) if sent is not None else _number_of(field, field.default)
    empty = "" if field.required and chosen else '<option value=""></option>'
    return empty + "".join(
        f'<option value="{number}"{" selected" if str(number) == chosen else ""}>{escape(_word(option))}</option>'
        for number, option in enumerate(field.options)
    )


def _boxes(field: Field, sent: Sent | None) -> str:
    usual = field.default if isinstance(field.default, list) else []
    chosen = [_number_of(field, each) for each in usual] if sent is None else sent.get(field.name, ())
    return "".join(
        f'<label class="option"><input type="checkbox" name="{field.name}" value="{number}"'
        f"{' checked' if str(number) in chosen else ''}> {escape(_word(option))}</label>"
        for number, option in enumerate(field.options)
    )


def _number_of(field: Field, option: Json) -> str:
    return str(field.options.index(option)) if field.has_default and option in field.options else ""


def _default(field: Field) -> str:
    return _word(field.default) if field.has_default else ""


def _word(option: Json) -> str:
    return option if isinstance(option, str) else json.dumps(option, ensure_ascii=False)


def _first(sent: Sent | None, name: str) -> str:
    return next(iter((sent or {}).get(name, ())), "")
