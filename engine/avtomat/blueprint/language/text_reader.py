"""Compile the pieces of a text to parts that write it; `{% if %}` and `{% for %}` mean what they mean in Jinja."""

from collections.abc import Callable, Sequence

from avtomat.blueprint.language import operators
from avtomat.blueprint.language.evaluation import Code
from avtomat.blueprint.language.expression import secret_name
from avtomat.blueprint.language.expression_reader import ExpressionReader
from avtomat.blueprint.language.faults import Read
from avtomat.blueprint.language.functions.text import written
from avtomat.blueprint.language.limits import CHARS_PER_STEP, NODES_MAX, OUTPUT_CHARS_MAX, Frame, LimitError
from avtomat.blueprint.language.loops import Loop, bind, rounds
from avtomat.blueprint.language.parser import Parser, UnreadableError
from avtomat.blueprint.language.scope import NOTHING, SECRETS, Scope
from avtomat.blueprint.language.syntax import Name, Node
from avtomat.blueprint.language.text_lexer import Kind, Piece

_OUTPUT_STEPS = 4
_IF_STEPS = 4
_FOR_STEPS = 40
_LOOP_STATE_STEPS = 12
_WRITE_STEPS = 4

_IF_STOPS = frozenset({"elif", "else", "endif"})
_FOR_STOPS = frozenset({"else", "endfor"})
_NOWHERE = frozenset({"endif", "endfor", "else", "elif", "endraw"})
_REFUSED = frozenset(
    {"set", "macro", "call", "filter", "block", "extends", "include", "import", "from", "with", "autoescape"}
)
_TAGS_HINT = "texts have {% if %}, {% elif %}, {% else %}, {% for %} and {% raw %}"
_MEANT = {
    **dict.fromkeys(("elseif", "elsif"), "write {% elif %}"),
    **dict.fromkeys(("foreach", "each"), "write {% for x in list %}"),
    "unless": "write {% if not … %}",
    "end": "write {% endif %} or {% endfor %}",
}


class Output:
    """A text in the making, and where secrets will go into it."""

    __slots__ = ("chars", "frame", "parts", "secrets")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.parts: list[str] = []
        self.chars = 0
        self.secrets: list[tuple[int, str]] = []

    def write(self, text: str) -> None:
        """Append `text`, within the bounds of a render."""
        self.chars += len(text)
        if self.chars > OUTPUT_CHARS_MAX:
            raise LimitError(f"the text becomes longer than {OUTPUT_CHARS_MAX:,} characters")
        self.frame.spend(_WRITE_STEPS + len(text) // CHARS_PER_STEP)
        self.parts.append(text)


Part = Callable[[Frame, Output], None]


class TextReader:
    """Reads the pieces of one text; what it finds is in `scope`."""

    def __init__(self, pieces: Sequence[Piece], scope: Scope, *, allow_secrets: bool) -> None:
        self.pieces = pieces
        self.scope = scope
        self.allow_secrets = allow_secrets
        self.index = 0
        self.refused: set[str] = set()
        self.expressions = ExpressionReader(scope)

    def whole(self) -> Part:
        """Read all pieces. Raises UnreadableError when a tag is not closed, TooComplexError past the limits."""
        return self._body(0, frozenset())

    def _body(self, depth: int, stops: frozenset[str]) -> Part:
        """Read pieces up to a tag of `stops`, or all."""
        parts: list[Part] = []
        while self.index < len(self.pieces):
            piece = self.pieces[self.index]
            if piece.kind is Kind.TAG and piece.text in stops:
                break
            self.index += 1
            if piece.kind is Kind.TAG:
                parts.append(self._tag(piece, depth))
            elif piece.kind is Kind.OUTPUT:
                self.scope.visit(depth, _OUTPUT_STEPS)
                parts.append(self._output(piece, depth + 1))
            elif piece.text:
                self.scope.visit(depth)
                parts.append(literal(piece.text))
        return sequence(parts)

    def _tag(self, piece: Piece, depth: int) -> Part:
        if piece.text == "if":
            self.scope.visit(depth, _IF_STEPS)
            return self._if(piece, depth + 1)
        if piece.text == "for":
            self.scope.visit(depth, _FOR_STEPS)
            return self._for(piece, depth + 1)
        self._refuse(piece)
        return literal("")

    def _refuse(self, piece: Piece) -> None:
        word, at = piece.text, piece.word_at
        if word in _REFUSED:
            self.refused.add(word)
            hint = "texts have {% if %}, {% for %} and {% raw %}; put values into `set` of a state before"
            self.scope.fault("forbidden", f"{{% {word} %}} cannot stand in a text", at, len(word), hint)
        elif word in _NOWHERE:
            message = f"{{% {word} %}} belongs to nothing that is open"
            self.scope.fault("syntax", message, at, 1, "add what it belongs to, or remove it")
        elif not word:
            self.scope.fault("syntax", "a tag begins with a word", at, 1, _TAGS_HINT)
        elif word.removeprefix("end") not in self.refused:
            self.scope.fault("syntax", f"there is no {{% {word} %}}", at, 1, _MEANT.get(word, _TAGS_HINT))

    def _if(self, piece: Piece, depth: int) -> Part:
        arms = [(self._condition(piece, depth), self._body(depth, _IF_STOPS))]
        while (tag := self._closing("if")).text == "elif":
            arms.append((self._condition(tag, depth), self._body(depth, _IF_STOPS)))
        otherwise = self._otherwise(tag, "if", depth)

        def run(frame: Frame, output: Output) -> None:
            for condition, part in arms:
                if operators.truth(condition(frame)):
                    return part(frame, output)
            return otherwise(frame, output)

        return run

    def _otherwise(self, tag: Piece, word: str, depth: int) -> Part:
        """Read what follows `{% else %}`, if `tag` is one, up to the end."""
        part = literal("")
        if tag.text == "else":
            self._check_alone(tag)
            part = self._body(depth, frozenset({f"end{word}"}))
            tag = self._closing(word)
        self._check_alone(tag)
        return part

    def _closing(self, word: str) -> Piece:
        """Return the tag that ends a body, and go over it."""
        if self.index == len(self.pieces):
            message, hint = f"{{% {word} %}} is not closed", f"add {{% end{word} %}}"
            self.scope.fault("syntax", message, self.pieces[-1].close, 1, hint)
            raise UnreadableError
        self.index += 1
        return self.pieces[self.index - 1]

    def _check_alone(self, tag: Piece) -> None:
        if tag.tokens and tag.tokens[0].kind != "end":
            word = tag.text
            is_elif = word == "else" and tag.tokens[0].text == "if"
            hint = "write {% elif … %}" if is_elif else f"write {{% {word} %}}"
            self.scope.fault("syntax", f"{{% {word} %}} stands alone", tag.tokens[0].at, 1, hint)

    def _for(self, piece: Piece, depth: int) -> Part:
        before = self.scope.price
        names, source, condition = self._head(piece)
        source_code = self._code(source, depth)
        with self.scope.variables():
            slots = tuple(self.scope.bind(each.name, each.at) for each in names)
            conditions = () if condition is None else (self._code(condition, depth),)
            state = self.scope.bind_loop_state(piece.word_at)
            part = self._body(depth, _FOR_STOPS)
        otherwise = self._otherwise(self._closing("for"), "for", depth)
        loop = Loop(slots=slots, source=source_code, conditions=conditions)
        return _looped(loop, state, part, otherwise, self.scope.price - before)

    def _head(self, piece: Piece) -> tuple[tuple[Name, ...], Node | None, Node | None]:
        """Return the variables, the source and the condition of a loop; none of them when it cannot be read."""
        if not piece.tokens:
            return (), None, None
        parser = Parser(piece.tokens, self.scope)
        try:
            names = parser.names()
            parser.expect("in")
            source, condition = parser.infix(), None
            if parser.text == "if":
                parser.advance()
                condition = parser.expression()
            if parser.text == "recursive":
                self.scope.fault("forbidden", "`recursive` cannot stand in a text", parser.at, 9, "leave it out")
            elif parser.kind != "end":
                parser.unexpected()
        except UnreadableError:
            return (), None, None
        return names, source, condition

    def _condition(self, piece: Piece, depth: int) -> Code:
        return self._code(self._tree(piece), depth)

    def _output(self, piece: Piece, depth: int) -> Part:
        if piece.keys is not None:
            self.scope.visit(depth)
            return value(self.scope.path(piece.keys[0], piece.keys[1:], piece.word_at))
        tree = self._tree(piece)
        name = secret_name(tree) if tree is not None and self.allow_secrets else None
        if tree is not None and name is not None:
            self.scope.reads.append(Read(path=(SECRETS, name), offset=tree.at, guarded=False))
            return secret(name)
        return value(self._code(tree, depth))

    def _tree(self, piece: Piece) -> Node | None:
        """Read the one expression of a piece; None when that is not possible, which is noted."""
        try:
            return Parser(piece.tokens, self.scope).whole() if piece.tokens else None
        except UnreadableError:
            return None

    def _code(self, tree: Node | None, depth: int) -> Code:
        if tree is None:
            return NOTHING
        self.scope.begin_expression(NODES_MAX)
        code = self.expressions.read(tree, depth)
        self.scope.end_expression()
        return code


def literal(text: str) -> Part:
    """Write the same text each time."""
    return lambda _frame, output: output.write(text)


def value(code: Code) -> Part:
    """Write a value, as JSON writes it."""

    def run(frame: Frame, output: Output) -> None:
        found = code(frame)
        output.write(found if type(found) is str else written(frame, found))

    return run


def sequence(parts: Sequence[Part]) -> Part:
    """Write one after the other."""
    if len(parts) == 1:
        return parts[0]

    def run(frame: Frame, output: Output) -> None:
        for each in parts:
            each(frame, output)

    return run


def secret(name: str) -> Part:
    """Leave a place for a secret."""
    return lambda _frame, output: output.secrets.append((output.chars, name))


def _looped(loop: Loop, state: int, part: Part, otherwise: Part, cost: int) -> Part:
    def run(frame: Frame, output: Output) -> None:
        items = list(rounds(frame, loop, cost if loop.conditions else 0))
        frame.allow_items(len(items))
        for index, each in enumerate(items):
            bind(frame, loop.slots, each)
            frame.slots[state] = _loop_state(index, len(items))
            frame.spend(cost + _LOOP_STATE_STEPS)
            part(frame, output)
        if not items:
            otherwise(frame, output)

    return run


def _loop_state(index: int, count: int) -> dict[str, int | bool]:
    return {
        "index": index + 1,
        "index0": index,
        "first": index == 0,
        "last": index == count - 1,
        "length": count,
        "revindex": count - index,
        "revindex0": count - index - 1,
    }
