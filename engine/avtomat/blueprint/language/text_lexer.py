"""Cut a text into what is written as it stands, `{{ … }}`, tags and comments, as Jinja does.

`-` beside a brace takes away the white space on its side. A line that holds only tags or comments and white space
leaves no line; a `-` or `+` at its beginning or end does there what it does in Jinja instead. All in one pass.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from avtomat.blueprint.language.faults import Fault
from avtomat.blueprint.language.lexer import Token, plain_path, scan

TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor"})

_OPENING = re.compile(r"\{[{%#]")
_PLAIN_OUTPUT = re.compile(r"\{\{\s*+([A-Za-z][\w.]*+)\s*+\}\}", re.ASCII)
_TAG = re.compile(r"\{%([-+]?)\s*+([^\W\d]\w*+)?")
_RAW = re.compile(r"\{%([-+]?)\s*+raw\s*+(-?)%\}")
_END_OF_RAW = re.compile(r"\{%([-+]?)\s*+endraw\s*+([-+]?)%\}")
_BRACE = re.compile(r"[{}]")


class Kind(Enum):
    """What a piece of a text is; `raw` and `endraw` are comments when they have done their work."""

    DATA = auto()
    OUTPUT = auto()
    TAG = auto()
    COMMENT = auto()


@dataclass(slots=True)
class Piece:
    """From `at` to `end` in the source. `text` is what data writes, or the word of a tag, which stands at `word_at`.

    `left` and `right` are the marks beside its braces; `keys` are those of a plain path, `tokens` those of any other
    expression, none when the lexer found faults in it.
    """

    kind: Kind
    at: int
    end: int
    left: str = ""
    right: str = ""
    text: str = ""
    word_at: int = 0
    close: int = 0
    keys: tuple[str, ...] | None = None
    tokens: Sequence[Token] = field(default=())


class UnclosedError(Exception):
    """The rest of the text cannot be cut; the fault is noted."""


def cut(source: str, faults: list[Fault]) -> list[Piece] | None:
    """Return the pieces of a text, or None when something in it is not closed; faults are added to `faults`."""
    cutter = _Cutter(source, faults)
    try:
        pieces = list(cutter.pieces())
    except UnclosedError:
        return None
    _trim(pieces)
    return pieces


def not_closed(offset: int, opening: str, closing: str) -> Fault:
    """A `{{`, `{%` or `{#` without what closes it."""
    hint = f"add the closing {closing}; for braces as such write {{% raw %}}{opening}{{% endraw %}}"
    return Fault(code="template.syntax", message=f"`{opening}` is not closed", offset=offset, length=2, hint=hint)


class _Cutter:
    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source = source
        self.faults = faults

    def pieces(self) -> Iterator[Piece]:
        at = 0
        while (opening := _OPENING.search(self.source, at)) is not None:
            start = opening.start()
            if start > at:
                yield self._data(at, start)
            if opening.group() == "{%" and (raw := _RAW.match(self.source, start)) is not None:
                end = self._end_of_raw(raw)
                yield Piece(Kind.COMMENT, start, raw.end(), left=raw[1], right=raw[2])
                if end.start() > raw.end():
                    yield self._data(raw.end(), end.start())
                piece = Piece(Kind.COMMENT, end.start(), end.end(), left=end[1], right=end[2], close=end.end() - 2)
            else:
                piece = {"{{": self._output, "{%": self._tag, "{#": self._comment}[opening.group()](start)
            yield piece
            at = piece.end
        if at < len(self.source):
            yield self._data(at, len(self.source))

    def _data(self, at: int, end: int) -> Piece:
        return Piece(Kind.DATA, at, end, text=self.source[at:end], close=at)

    def _output(self, at: int) -> Piece:
        plain = _PLAIN_OUTPUT.match(self.source, at)
        keys = None if plain is None or plain[1].startswith("loop.") else plain_path(plain[1])
        if plain is not None and keys is not None:
            return Piece(Kind.OUTPUT, at, plain.end(), word_at=plain.start(1), close=plain.end() - 2, keys=keys)
        left = "-" if self.source.startswith("-", at + 2) else ""
        piece = Piece(Kind.OUTPUT, at, at, left=left)
        self._read_tokens(piece, at + 2 + len(left), "{{", "}}")
        return piece

    def _tag(self, at: int) -> Piece:
        found = _TAG.match(self.source, at)
        assert found is not None
        word = found[2] or ""
        piece = Piece(Kind.TAG, at, at, left=found[1], text=word, word_at=found.end() - len(word))
        if word in TAGS:
            self._read_tokens(piece, found.end(), "{%", "%}")
            return piece
        close = self.source.find("%}", found.end())
        if close < 0:
            self._stop(not_closed(at, "{%", "%}"))
        return self._closed(piece, close, 0)

    def _read_tokens(self, piece: Piece, start: int, opening: str, closing: str) -> None:
        scanned = scan(self.source, start, closing)
        self.faults += scanned.faults
        if scanned.close is None:
            if not scanned.faults:
                self.faults.append(not_closed(piece.at, opening, closing))
            raise UnclosedError
        if not scanned.faults:
            piece.tokens = scanned.tokens
        self._closed(piece, scanned.close, not self.source.startswith(closing, scanned.close))

    def _closed(self, piece: Piece, close: int, mark_chars: int) -> Piece:
        piece.close = close + mark_chars
        piece.right = self.source[close : close + mark_chars]
        piece.end = piece.close + 2
        return piece

    def _comment(self, at: int) -> Piece:
        close = self.source.find("#}", at + 2)
        if close < 0:
            self._stop(not_closed(at, "{#", "#}"))
        left = self.source[at + 2] if self.source[at + 2] in "-+" else ""
        start = at + 2 + len(left)
        right = self.source[close - 1] if close > start and self.source[close - 1] in "-+" else ""
        self._check_comment(at, start, close)
        return Piece(Kind.COMMENT, at, close + 2, left=left, right=right, close=close)

    def _check_comment(self, at: int, start: int, close: int) -> None:
        """Refuse what looks like braces of the text, such as `{#fff} and #}`: it would be lost without a word."""
        depth = 0
        for brace in _BRACE.finditer(self.source, start, close):
            depth += 1 if brace.group() == "{" else -1
            if depth < 0:
                message = "`{#` begins a comment, so all up to the next `#}` would be left out"
                hint = "for the braces as such write {% raw %}{#{% endraw %}; in a comment leave out the }"
                self.faults.append(Fault(code="template.syntax", message=message, offset=at, length=2, hint=hint))
                return

    def _end_of_raw(self, raw: re.Match[str]) -> re.Match[str]:
        found = _END_OF_RAW.search(self.source, raw.end())
        if found is None:
            message, hint = "{% raw %} is not closed", "add {% endraw %}"
            self._stop(Fault(code="template.syntax", message=message, offset=raw.start(), length=2, hint=hint))
        return found

    def _stop(self, fault: Fault) -> NoReturn:
        self.faults.append(fault)
        raise UnclosedError


# --- white space -----------------------------------------------------------------------------------------------------


def _trim(pieces: Sequence[Piece]) -> None:
    """Take away the white space that marks and lines of tags alone take away."""
    texts = {index: piece.text for index, piece in enumerate(pieces) if piece.kind is Kind.DATA}
    ends = {index: len(text) for index, text in texts.items()}
    starts = dict.fromkeys(texts, 0)
    index = 0
    while index < len(pieces):
        last = _end_of_run(pieces, index)
        if last is not None and _is_line(pieces, index, last):
            _drop_line(pieces, index, last, starts, ends)
        index = index + 1 if last is None else last + 1
    for index, text in texts.items():
        kept = text[starts[index] : max(starts[index], ends[index])]
        if index and pieces[index - 1].right == "-":
            kept = kept.lstrip()
        if index + 1 < len(pieces) and pieces[index + 1].left == "-":
            kept = kept.rstrip()
        pieces[index].text = kept


def _leaves_nothing(piece: Piece) -> bool:
    return piece.kind is Kind.TAG or piece.kind is Kind.COMMENT


def _is_gap(piece: Piece) -> bool:
    return piece.kind is Kind.DATA and "\n" not in piece.text and not piece.text.strip()


def _end_of_run(pieces: Sequence[Piece], first: int) -> int | None:
    """Return the last of the tags and comments with nothing but gaps between them that begin at `first`."""
    if not _leaves_nothing(pieces[first]):
        return None
    last = first
    for index in range(first + 1, len(pieces)):
        if _leaves_nothing(pieces[index]):
            last = index
        elif not _is_gap(pieces[index]):
            break
    return last


def _is_line(pieces: Sequence[Piece], first: int, last: int) -> bool:
    """Tell whether nothing else stands on the line before and after a run."""
    if first > 0:
        before = pieces[first - 1]
        _, newline, rest = before.text.rpartition("\n")
        is_start = before.kind is Kind.DATA and not rest.strip() and bool(newline or first == 1)
        if not is_start:
            return False
    if last + 1 == len(pieces):
        return True
    after = pieces[last + 1]
    rest, newline, _ = after.text.partition("\n")
    return after.kind is Kind.DATA and not rest.strip() and bool(newline or last + 2 == len(pieces))


def _drop_line(pieces: Sequence[Piece], first: int, last: int, starts: dict[int, int], ends: dict[int, int]) -> None:
    left, right = pieces[first].left, pieces[last].right
    for index in range(first + 1, last):
        ends[index] = 0
    before_is_taken = False
    if first > 0:
        newline = pieces[first - 1].text.rfind("\n")
        before_is_taken = left == "-" and newline >= starts[first - 1]
        if left != "+":
            ends[first - 1] = newline + 1
    if last + 1 < len(pieces) and right != "+":
        newline = pieces[last + 1].text.find("\n")
        end = len(pieces[last + 1].text) if newline < 0 else newline + 1
        starts[last + 1] = newline if before_is_taken and newline >= 0 else end
