"""Words and signs of other languages, and what is written here instead."""

import keyword
import re

SIGNS: dict[str, tuple[str, str]] = {
    "=": ("`=` assigns, and nothing is assigned here", "write == to compare"),
    "===": ("there is no `===`", "write =="),
    "!==": ("there is no `!==`", "write !="),
    "<>": ("there is no `<>`", "write !="),
    "&&": ("there is no `&&`", "write and"),
    "||": ("there is no `||`", "write or; for what may be missing, default(a.b, 0)"),
    "!": ("there is no `!`", "write not"),
    "?": ("there is no `? :`", "write: this if condition else that"),
    "??": ("there is no `??`", "write default(a.b, 0)"),
    "?.": ("there is no `?.`", "write has(a.b.c) or default(a.b.c, 0)"),
    "=>": ("there are no functions to write here", "write a comprehension: [x.name for x in list if x.count > 1]"),
    "->": ("there are no functions to write here", "write a comprehension: [x.name for x in list if x.count > 1]"),
    ":=": ("nothing is assigned here", "put the value into `set` of a state before"),
    "&": ("there is no `&`", "write and"),
    "^": ("there is no `^`", "write ** for a power, != for one or the other"),
    "~": ("there is no `~`", "write + to join texts, str(x) + 'text' for what is not a text"),
    "<<": ("there is no `<<`", "write a * 2 ** n"),
    ">>": ("there is no `>>`", "write a // 2 ** n"),
    ";": ("there is one expression only", "leave out the `;`"),
    "#": ("there are no comments in expressions", "write the comment in YAML, outside of the quotes"),
    "$": ("`$` means nothing here", "write the name alone: input.total"),
    "@": ("`@` means nothing here", "write the name alone: input.total"),
    "`": ("a text stands in straight quotes", "write '…'"),
    "“": ("a text stands in straight quotes", "write '…'"),
    "”": ("a text stands in straight quotes", "write '…'"),
    "‘": ("a text stands in straight quotes", "write '…'"),
    "’": ("a text stands in straight quotes", "write '…'"),
    "\\": ("`\\` stands only in texts", "leave it out: an expression may go over several lines"),
    "'": ("this text is not closed", "add the closing ' on the same line"),
    '"': ("this text is not closed", 'add the closing " on the same line'),
}
FORBIDDEN_SIGNS = frozenset({":=", "=>", "->", "<<", ">>"})
NAMED_ARGUMENT = (
    "the arguments of functions have no names",
    "write == to compare; arguments are given in their order: round(x, 2)",
)

_HINTS = {
    "is": "",
    "None": "write null",
    "True": "write true",
    "False": "write false",
    "lambda": "write a comprehension: [x.name for x in list if x.count > 1]",
}
_WORDS_OF_EXPRESSIONS = frozenset({"and", "or", "not", "in", "if", "else", "for"})
FOREIGN_WORDS: dict[str, str] = {
    word: _HINTS.get(word, "expressions compute a value; a task does the rest")
    for word in keyword.kwlist
    if word not in _WORDS_OF_EXPRESSIONS
}

_TESTED = re.compile(r"[^\W\d]\w{0,60}(?:\.\w{1,60}|\[(?:\d{1,9}|'[^'\n]{0,60}')\]){0,20}\s*\Z")
_TESTED_CHARS_MAX = 200
_TEST = re.compile(r"is\s+(not\s+)?([^\W\d]\w*)")
_TESTS = {
    "defined": ("has({x})", "not has({x})"),
    "undefined": ("not has({x})", "has({x})"),
    **dict.fromkeys(("none", "null", "None"), ("==: {x} == null", "!=: {x} != null")),
    **dict.fromkeys(("true", "True"), ("==: {x} == true", "!=: {x} != true")),
    **dict.fromkeys(("false", "False"), ("==: {x} == false", "!=: {x} != false")),
    "string": ("is_text({x})", "not is_text({x})"),
    "number": ("is_number({x})", "not is_number({x})"),
    "mapping": ("is_map({x})", "not is_map({x})"),
    **dict.fromkeys(("sequence", "iterable"), ("is_list({x})", "not is_list({x})")),
    "odd": ("a comparison: {x} % 2 == 1", "a comparison: {x} % 2 == 0"),
    "even": ("a comparison: {x} % 2 == 0", "a comparison: {x} % 2 == 1"),
}
"""What Jinja's tests are here, and what their opposites are; `{x}` is what is tested."""


def hint_on_test(source: str, start: int, at: int) -> str:
    """Say how the test whose `is` stands at `at` is written here: `a.b is defined` is has(a.b)."""
    found = _TEST.match(source, at)
    forms = _TESTS.get(found.group(2)) if found else None
    if found is None or forms is None:
        return "write a comparison or a function: x == 1, has(a.b), is_text(x)"
    before = source[max(start, at - _TESTED_CHARS_MAX) : at]
    tested = _TESTED.search(before)
    if tested and tested.group().startswith("secrets"):
        return "write the secret out alone: nothing can be computed with it"
    written = forms[bool(found.group(1))].format(x=tested.group().strip() if tested else "x")
    return f"write {written}"
