"""Cut the source of an expression into tokens.

It finds the `}}` or `%}` that closes an expression in a text (maps and texts may contain one), names the accidents of
authors who know other languages, and bounds size and nesting before anything else looks at the source. It takes time in
proportion to the length of the source.
"""

import re
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import NamedTuple

from avtomat.blueprint.language.faults import Fault
from avtomat.blueprint.language.lexer_accidents import (
    FORBIDDEN_SIGNS,
    FOREIGN_WORDS,
    NAMED_ARGUMENT,
    SIGNS,
    hint_on_test,
)
from avtomat.blueprint.language.limits import DEPTH_MAX, NODES_MAX, SOURCE_CHARS_MAX

TOKENS_MAX = 2 * NODES_MAX

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<name>[^\W\d]\w*)
    |(?P<text>'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")
    |(?P<number>(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)
    |(?P<sign>\*\*|//|===|!==|==|!=|<=|>=|<>|<<|>>|:=|->|=>|&&|\|\||\?\?|\?\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_USUAL = re.compile(
    r"""(?: [ ]++
    | [A-Za-z][A-Za-z0-9_]*+(?!['"])
    | (?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?![\w.])
    | '[^'\\\n\ud800-\udfff]*+'(?![ ]*+['"])
    | "[^"\\\n\ud800-\udfff]*+"(?![ ]*+['"])
    | \{(?![{%\#]) | \*\*?+ | //?+ | [=!<>]=(?!=) | [-+%()\[\]},.:|] | <(?![<>=]) | >(?![>=])
    )*+""",
    re.VERBOSE | re.ASCII,
)
"""A source in which the lexer has nothing to find, but perhaps about its brackets."""
_USUAL_TOKEN = re.compile(
    r"""[A-Za-z][A-Za-z0-9_]*+(?:\.[A-Za-z][A-Za-z0-9_]*+)*+ | \*\* | // | [=!<>]= | [-+*/%<>()\[\]{},.:|]
    | [0-9]++(?:\.[0-9]++)?+ | '[^']*+' | "[^"]*+"
    """,
    re.VERBOSE | re.ASCII,
)
_KINDS = {**dict.fromkeys(ascii_letters, "name"), **dict.fromkeys(digits, "number"), "'": "text", '"': "text"}
"""What a token of a usual source is, by its first character; all others are signs."""
_USUAL_CHARS_MAX = 1_000
_PLAIN_PATH = re.compile(r"\s*([A-Za-z]\w*(?:\.[A-Za-z]\w*){0,40})\s*", re.ASCII)
WORDS = frozenset({"and", "or", "not", "in", "if", "else", "for"})
_KEYWORDS = frozenset({*WORDS, *FOREIGN_WORDS})
_SPECIAL_WORDS = frozenset({*_KEYWORDS, "true", "false", "null", "omit", "now", "secrets", "length"})
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "/": "/"}
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = frozenset(_OPENING.values())


class Token(NamedTuple):
    """`kind` is name, word, text, number, sign or end; `text` is how it is written, `at` the offset in the source.

    Names with dots between them may come as one token of the kind path.
    """

    kind: str
    text: str
    at: int


@dataclass(slots=True)
class Scan:
    """The tokens from `start` to `end`; `close` is the offset of the closing `}}` or `%}` with its mark, or None."""

    start: int
    end: int
    close: int | None
    tokens: list[Token]
    faults: list[Fault]


def scan(source: str, start: int = 0, close: str = "") -> Scan:
    """Read tokens from `start` to the end, or to the `close` that ends the expression."""
    return _Lexer(source, start, close).run()


def usual_tokens(source: str) -> list[Token] | None:
    """Return the tokens of a source that is like nearly all; None is for `scan`.

    Nothing is known about its brackets: a source that the parser cannot read has faults that `scan` finds.
    """
    opened = source.count("(") + source.count("[") + source.count("{")
    if len(source) > _USUAL_CHARS_MAX or opened > DEPTH_MAX or _USUAL.fullmatch(source) is None:
        return None
    tokens: list[Token] = []
    before, new = "", tuple.__new__  # a NamedTuple's own way takes twice as long
    at = 0
    for text in _USUAL_TOKEN.findall(source):
        kind = _KINDS.get(text[0], "sign")
        if kind == "name":
            first, dot, _ = text.partition(".")
            if first in _KEYWORDS and before != ".":
                if dot or first not in WORDS:
                    return None
                kind = "word"
            elif dot:
                kind = "path"
        at = source.index(text, at)
        tokens.append(new(Token, (kind, text, at)))
        at += len(text)
        before = text
    tokens.append(Token("end", "", len(source)))
    return tokens


def plain_path(source: str) -> tuple[str, ...] | None:
    """Return the keys of a source that is nothing but `a.b.c` in plain words, as most are; None is for a parser."""
    found = _PLAIN_PATH.fullmatch(source)
    if found is None:
        return None
    keys = tuple(found.group(1).split("."))
    return None if not _SPECIAL_WORDS.isdisjoint(keys) else keys


def unescape(quoted: str) -> str:
    """Return the text that a literal with its quotes spells; an unknown escape such as `\\d` stays as it is."""
    body = quoted[1:-1]
    return _ESCAPE.sub(_unescaped, body) if "\\" in body else body


def _unescaped(found: re.Match[str]) -> str:
    code, character = found.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(character, found.group())


class _Lexer:
    def __init__(self, source: str, start: int, close: str) -> None:
        self.source = source
        self.start = start
        self.close = close
        self.tokens: list[Token] = []
        self.faults: list[Fault] = []
        self.brackets: list[tuple[str, int, bool]] = []
        """What closes each open bracket, where it stands, and whether it is that of a call."""
        self.before = ""
        self.is_garbled = False
        """Whether a text or the template is not closed, so that what follows means nothing."""

    def run(self) -> Scan:
        at, close = self.start, None
        source, size = self.source, len(self.source)
        while at < size and not self.is_garbled and not self._over_limit(at):
            if self.close and not self.brackets and self._closes(at):
                close = at
                break
            found = _TOKEN.match(source, at)
            assert found is not None, "the last alternative matches any character"
            if found.lastgroup != "space":
                self._take(found.lastgroup or "sign", found.group(), at)
            at = found.end()
        if not self.faults and not self._over_limit(at) and self.brackets:
            self._fault_unclosed()
        self.tokens.append(Token("end", "", at if self.tokens else self.start))
        return Scan(self.start, at, close, self.tokens, self.faults)

    def _closes(self, at: int) -> bool:
        at += self.source[at] == "-" or (self.source[at] == "+" and self.close == "%}")
        return self.source.startswith(self.close, at)

    def _over_limit(self, at: int) -> bool:
        if at - self.start > SOURCE_CHARS_MAX:
            problem = f"an expression may have at most {SOURCE_CHARS_MAX:,} characters"
        elif len(self.tokens) > TOKENS_MAX:
            problem = f"an expression may have at most {TOKENS_MAX:,} words and signs"
        elif len(self.brackets) > DEPTH_MAX:
            problem = f"brackets may be nested at most {DEPTH_MAX} deep"
        else:
            return False
        self._fault("expression.too_complex", problem, self.start, "compute parts of it in `set` of a state before", 1)
        return True

    def _take(self, kind: str, text: str, at: int) -> None:
        if kind == "text":
            self._check_text(text, at)
        elif kind == "name":
            kind = self._kind_of_name(text, at)
        elif kind == "number":
            self._check_number(text, at)
        else:
            self._take_sign(text, at)
        self.tokens.append(Token(kind, text, at))
        self.before = kind if kind in {"text", "number"} else text

    def _check_text(self, text: str, at: int) -> None:
        if self.before == "text":
            self._fault("expression.syntax", "two texts side by side", at, "put + or a comma between them", len(text))
        if any("\ud800" <= character <= "\udfff" for character in unescape(text)):
            self._fault("expression.syntax", "this is half of a character", at, "write the character itself", len(text))

    def _kind_of_name(self, name: str, at: int) -> str:
        if self.before == ".":
            return "name"
        if self.source[at + len(name) : at + len(name) + 1] in {"'", '"'} and len(name) <= 2:
            self._fault("expression.forbidden", f"texts have no prefix `{name}`", at, "leave it out", len(name))
        if name in FOREIGN_WORDS:
            hint = hint_on_test(self.source, self.start, at) if name == "is" else FOREIGN_WORDS[name]
            self._fault("expression.forbidden", f"`{name}` is not a word of expressions", at, hint, len(name))
        return "word" if name in WORDS else "name"

    def _check_number(self, text: str, at: int) -> None:
        following = self.source[at + len(text) : at + len(text) + 1]
        leading_zero = len(text) > 1 and text[0] == "0" and text[1].isdigit()
        if following.isalnum() or following == "_" or leading_zero:
            hint = "numbers are decimal, without leading zeros, units or _; a duration is duration('5m')"
            self._fault("expression.syntax", "this is not a number", at, hint, len(text))

    def _take_sign(self, sign: str, at: int) -> None:
        if sign in SIGNS:
            self._fault_accident(sign, at)
        elif sign in _OPENING:
            self._open(sign, at)
        elif sign in _CLOSING:
            self._close(sign, at)

    def _fault_accident(self, sign: str, at: int) -> None:
        message, hint = SIGNS[sign]
        self.is_garbled = sign in {"'", '"'}
        if sign == "=" and self._names_an_argument():
            message, hint = NAMED_ARGUMENT
        code = "expression.forbidden" if sign in FORBIDDEN_SIGNS else "expression.syntax"
        self._fault(code, message, at, hint, len(sign))

    def _names_an_argument(self) -> bool:
        """Whether a name alone stands before, as the first thing of an argument of a call."""
        inside_call = bool(self.brackets) and self.brackets[-1][2]
        return inside_call and self.tokens[-1].kind == "name" and self.tokens[-2].text in {"(", ","}

    def _open(self, sign: str, at: int) -> None:
        following = self.source[at + 1 : at + 2]
        if sign == "{" and following in {"{", "%", "#"}:
            hint = "leave it out, and what closes it: a `when`, and what stands inside `{{ }}`, is one expression"
            self._fault("expression.syntax", f"`{sign}{following}` has no place in an expression", at, hint, 2)
        is_call = sign == "(" and bool(self.tokens) and self.tokens[-1].kind == "name"
        self.brackets.append((_OPENING[sign], at, is_call))

    def _close(self, sign: str, at: int) -> None:
        if sign == "}" and self.close == "}}" and not self.brackets:
            self.is_garbled = True
            self._fault("expression.syntax", "one brace does not close a template", at, "write }}", 1)
            return
        if not self.brackets or self.brackets[-1][0] != sign:
            expected = f"`{self.brackets[-1][0]}` is expected first" if self.brackets else "nothing is open here"
            self._fault("expression.syntax", f"`{sign}` closes nothing: {expected}", at, None, 1)
        if self.brackets:
            self.brackets.pop()

    def _fault_unclosed(self) -> None:
        closing, at, _is_call = self.brackets[-1]
        self._fault("expression.syntax", f"`{self.source[at]}` is not closed", at, f"add the `{closing}`", 1)

    def _fault(self, code: str, message: str, offset: int, hint: str | None, length: int) -> None:
        self.faults.append(Fault(code=code, message=message, offset=offset, length=length, hint=hint))
