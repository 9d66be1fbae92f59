"""Read a text with `{{ … }}` and `{% … %}`: Jinja's form, this language's expressions.

No template is ever turned into Python code, so there is no sandbox to leave, and nothing is worked out while it is
read. The values of a render are data and are never read as templates again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from avtomat.blueprint.language.faults import Fault, Read
from avtomat.blueprint.language.limits import TEMPLATE_CHARS_MAX, TEMPLATE_NODES_MAX, Frame
from avtomat.blueprint.language.parser import UnreadableError
from avtomat.blueprint.language.scope import Scope, TooComplexError
from avtomat.blueprint.language.text_lexer import cut
from avtomat.blueprint.language.text_reader import Output, Part, TextReader


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Text:
    """A checked text with templates in it."""

    source: str
    uses: tuple[Read, ...]
    part: Part
    failing: tuple[Fault, ...] = ()

    def write(self, frame: Frame) -> tuple[str, Sequence[tuple[int, str]]]:
        """Return the text, and the offset and name of each secret that is missing in it. Raises EvaluationError."""
        output = Output(frame)
        self.part(frame, output)
        return "".join(output.parts), output.secrets


def read_text(source: str, *, allow_secrets: bool) -> Text | tuple[Fault, ...]:
    """Return the checked text, or all that is wrong with it."""
    if len(source) > TEMPLATE_CHARS_MAX:
        return (_too_complex(f"a text with templates may have at most {TEMPLATE_CHARS_MAX:,} characters"),)
    scope = Scope("template", TEMPLATE_NODES_MAX)
    pieces = cut(source, scope.faults)
    if pieces is None:
        return scope.sorted_faults()
    try:
        part = TextReader(pieces, scope, allow_secrets=allow_secrets).whole()
    except UnreadableError:
        return scope.sorted_faults()
    except TooComplexError as problem:
        return (_too_complex(f"the text is too complex: {problem}"),)
    except RecursionError:
        return (_too_complex("the text is nested too deep"),)
    if scope.faults:
        return scope.sorted_faults()
    return Text(source=source, uses=tuple(scope.reads), part=part, failing=tuple(scope.failing))


def _too_complex(message: str) -> Fault:
    return Fault(code="template.limit", message=message, offset=0, hint="let a task write long texts")
