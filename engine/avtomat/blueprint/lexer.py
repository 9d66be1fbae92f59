"""Cut the source of an expression into tokens.

It finds the `}}` that closes an expression (maps and texts may contain one), decodes texts, names the accidents of
authors who know other languages, and bounds size and nesting before any parser sees the source. `masked` is the source
as Python's own parser may safely read it, character for character at the same offset: texts and keys are blanked, since
an escape there may warn, a key may be a Python keyword, and other letters would be normalised.
"""

import keyword
import re
from dataclasses import dataclass

from avtomat.blueprint.faults import Fault
from avtomat.blueprint.limits import DEPTH_MAX, NODES_MAX, SOURCE_CHARS_MAX

TOKENS_MAX = 2 * NODES_MAX

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>\*\*|//|===|!==|==|!=|<=|>=|<>|:=|->|=>|&&|\|\||\?\?|\?\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERAL = re.compile(r"""'[^'\\\n]*'|"[^"\\\n]*\"""")
_WORDS = frozenset({"and", "or", "not", "in", "if", "else", "for"})
_FORBIDDEN_WORDS = "|".join(sorted({*keyword.kwlist} - _WORDS))
_USUAL = re.compile(
    rf"""(?: [ ]++
    | (?!(?:{_FORBIDDEN_WORDS})\b)[A-Za-z_][A-Za-z0-9_]*+(?!['"])
    | (?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?![\w.])
    | '[^'\\\n\ud800-\udfff]*+'(?![ ]*+['"])
    | "[^"\\\n\ud800-\udfff]*+"(?![ ]*+['"])
    | \{{(?![{{%\#]) | \*\*?+ | //?+ | [=!<>]= | [-+%<>()\[\]}},.:|]
    )*+""",
    re.VERBOSE | re.ASCII,
)
"""A source in which the lexer has nothing to find or to blank but texts, whatever Python's parser makes of it."""
_USUAL_CHARS_MAX = 1_000
_PLAIN_PATH = re.compile(r"\s*([A-Za-z]\w*(?:\.[A-Za-z]\w*){0,40})\s*", re.ASCII)
_SPECIAL_WORDS = frozenset({*keyword.kwlist, "true", "false", "null", "omit", "now", "secrets", "length"})
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "/": "/"}
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = frozenset(_OPENING.values())

_ACCIDENTS: dict[str, tuple[str, str]] = {
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
    "~": ("there is no `~`", "write + to join texts"),
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
_FOREIGN_WORDS = {
    "is": "write ==, !=, has(a.b) or is_text(x)",
    "None": "write null",
    "True": "write true",
    "False": "write false",
    "lambda": "write a comprehension: [x.name for x in list if x.count > 1]",
}


@dataclass(slots=True)
class Scan:
    """What the lexer found from `start` to `end`; `close` is the offset of the closing `}}`, or None.

    `originals` has the text or the name that was blanked in `masked`, by its offset in it.
    """

    start: int
    end: int
    close: int | None
    masked: str
    originals: dict[int, str]
    faults: list[Fault]


def scan(source: str, start: int = 0, *, until_close: bool = False) -> Scan:
    """Read tokens from `start` to the end, or to the `}}` that closes the expression."""
    lexer = _Lexer(source, start, until_close=until_close)
    return lexer.run()


def usual_scan(source: str) -> Scan | None:
    """Return the scan of a source that is like nearly all; None is for `scan`.

    Nothing is known about its brackets: what Python's parser refuses has faults that `scan` finds.
    """
    opened = source.count("(") + source.count("[") + source.count("{")
    if len(source) > _USUAL_CHARS_MAX or opened > DEPTH_MAX or _USUAL.fullmatch(source) is None:
        return None
    masked, originals = source, {}
    if "'" in source or '"' in source:
        originals = {found.start(): found.group()[1:-1] for found in _LITERAL.finditer(source)}
        masked = _LITERAL.sub(_blank, source)
    return Scan(0, len(source), None, masked, originals, [])


def _blank(literal: re.Match[str]) -> str:
    return f"'{'x' * (len(literal.group()) - 2)}'"


def plain_path(source: str) -> tuple[str, ...] | None:
    """Return the keys of a source that is nothing but `a.b.c` in plain words, as most are; None is for a parser."""
    found = _PLAIN_PATH.fullmatch(source)
    if found is None:
        return None
    keys = tuple(found.group(1).split("."))
    return None if not _SPECIAL_WORDS.isdisjoint(keys) else keys


def token_length(source: str, offset: int) -> int:
    """Return how many characters the token at `offset` has."""
    found = _TOKEN.match(source, offset)
    return len(found.group()) if found else 1


def unescape(quoted: str) -> str:
    """Return the text that a literal with its quotes spells; an unknown escape such as `\\d` stays as it is."""
    body = quoted[1:-1]
    return _ESCAPE.sub(_unescaped, body) if "\\" in body else body


def _unescaped(found: re.Match[str]) -> str:
    code, character = found.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(character, found.group())


class _Lexer:
    def __init__(self, source: str, start: int, *, until_close: bool) -> None:
        self.source = source
        self.start = start
        self.until_close = until_close
        self.masked: list[str] = []
        self.originals: dict[int, str] = {}
        self.faults: list[Fault] = []
        self.brackets: list[tuple[str, int]] = []
        self.before = ""
        self.tokens = 0

    def run(self) -> Scan:
        at, close = self.start, None
        while at < len(self.source) and not self._over_limit(at):
            if self.until_close and not self.brackets and self.source.startswith("}}", at):
                close = at
                break
            found = _TOKEN.match(self.source, at)
            assert found is not None, "the last alternative matches any character"
            self._take(found.lastgroup or "sign", found.group(), at)
            at = found.end()
        if not self.faults and not self._over_limit(at) and self.brackets:
            self._fault_unclosed()
        return Scan(self.start, at, close, "".join(self.masked), self.originals, self.faults)

    def _over_limit(self, at: int) -> bool:
        if at - self.start > SOURCE_CHARS_MAX:
            problem = f"an expression may have at most {SOURCE_CHARS_MAX:,} characters"
        elif self.tokens > TOKENS_MAX:
            problem = f"an expression may have at most {TOKENS_MAX:,} words and signs"
        elif len(self.brackets) > DEPTH_MAX:
            problem = f"brackets may be nested at most {DEPTH_MAX} deep"
        else:
            return False
        self._fault("expression.too_complex", problem, self.start, "compute parts of it in `set` of a state before", 1)
        return True

    def _take(self, kind: str, text: str, at: int) -> None:
        if kind == "space":
            self.masked.append(" " * len(text))
            return
        self.tokens += 1
        mask = text
        if kind == "text":
            mask = self._take_text(text, at)
        elif kind == "name":
            mask = self._take_name(text, at)
        elif kind == "number":
            self._check_number(text, at)
        else:
            mask = self._take_sign(text, at)
        self.masked.append(mask)
        self.before = kind if kind in {"text", "number"} else text

    def _take_text(self, text: str, at: int) -> str:
        if self.before == "text":
            self._fault("expression.syntax", "two texts side by side", at, "put + or a comma between them", len(text))
        value = unescape(text)
        if any("\ud800" <= character <= "\udfff" for character in value):
            self._fault("expression.syntax", "this is half of a character", at, "write the character itself", len(text))
        self.originals[at - self.start] = value
        return f"'{'x' * (len(text) - 2)}'"

    def _take_name(self, name: str, at: int) -> str:
        if self.source[at + len(name) : at + len(name) + 1] in {"'", '"'} and len(name) <= 2:
            self._fault("expression.forbidden", f"texts have no prefix `{name}`", at, "leave it out", len(name))
        is_key = self.before == "."
        if keyword.iskeyword(name) and name not in _WORDS and not is_key:
            hint = _FOREIGN_WORDS.get(name, "expressions compute a value; a task does the rest")
            self._fault("expression.forbidden", f"`{name}` is no word of expressions", at, hint, len(name))
        if not name.isascii() or (is_key and keyword.iskeyword(name)):
            self.originals[at - self.start] = name
            return "k" * len(name)
        return name

    def _check_number(self, text: str, at: int) -> None:
        following = self.source[at + len(text) : at + len(text) + 1]
        leading_zero = len(text) > 1 and text[0] == "0" and text[1].isdigit()
        if following.isalnum() or following == "_" or leading_zero:
            hint = "numbers are decimal, without leading zeros, units or _; a duration is duration('5m')"
            self._fault("expression.syntax", "this is no number", at, hint, len(text))

    def _take_sign(self, sign: str, at: int) -> str:
        if sign in _ACCIDENTS:
            self._fault_accident(sign, at)
        elif sign in _OPENING:
            self._open(sign, at)
        elif sign in _CLOSING:
            self._close(sign, at)
        return sign if sign.isascii() else "?" * len(sign)

    def _fault_accident(self, sign: str, at: int) -> None:
        if self.source[at : at + 3] in {"'''", '"""'}:
            sign = self.source[at]
        message, hint = _ACCIDENTS[sign]
        code = "expression.forbidden" if sign in {":=", "=>", "->"} else "expression.syntax"
        self._fault(code, message, at, hint, len(sign))

    def _open(self, sign: str, at: int) -> None:
        following = self.source[at + 1 : at + 2]
        if sign == "{" and following in {"{", "%", "#"}:
            hint = "leave it out, and what closes it: a `when`, and what stands inside `{{ }}`, is one expression"
            self._fault("expression.syntax", f"`{sign}{following}` has no place in an expression", at, hint, 2)
        self.brackets.append((_OPENING[sign], at))

    def _close(self, sign: str, at: int) -> None:
        if not self.brackets or self.brackets[-1][0] != sign:
            expected = f"`{self.brackets[-1][0]}` is expected first" if self.brackets else "nothing is open here"
            self._fault("expression.syntax", f"`{sign}` closes nothing: {expected}", at, None, 1)
        if self.brackets:
            self.brackets.pop()

    def _fault_unclosed(self) -> None:
        closing, at = self.brackets[-1]
        self._fault("expression.syntax", f"`{self.source[at]}` is not closed", at, f"add the `{closing}`", 1)

    def _fault(self, code: str, message: str, offset: int, hint: str | None, length: int) -> None:
        self.faults.append(Fault(code=code, message=message, offset=offset, length=length, hint=hint))
