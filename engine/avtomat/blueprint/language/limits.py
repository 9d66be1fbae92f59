"""The bounds of expressions and templates, and the meter that holds an evaluation within them.

The bounds on sources hold when a file is loaded, the others while a value is computed. Sizes are checked before
anything of that size is made. A step is what takes about 40 ns, so the whole budget is a tenth of a second, in which
the engine does nothing else. Prices are whole numbers for each kind of part, item and character, set by measuring the
dearest case of it; they never depend on what ran before, so a replay meets the same bounds.
"""

from collections.abc import Callable
from datetime import datetime

from avtomat.core.formula import Environment, Json

SOURCE_CHARS_MAX = 4_096
TEMPLATE_CHARS_MAX = 65_536
DEPTH_MAX = 50
NODES_MAX = 500
TEMPLATE_NODES_MAX = 4_000

STEPS_MAX = 2_500_000
TEXT_CHARS_MAX = 65_536
OUTPUT_CHARS_MAX = 262_144
RESULT_WEIGHT_MAX = 8_388_608
EXPONENT_MAX = 64
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
REGEX_TEXT_CHARS_MAX = 10_240
REGEX_PATTERN_CHARS_MAX = 1_024
REGEX_MEMORY_BYTES_MAX = 65_536
REGEX_COMPILE_STEPS = 6_000
REGEX_SEARCH_STEPS = 140
REGEX_CELLS_PER_STEP = 64

CHARS_PER_STEP = 64
"""Characters that are copied, compared or hashed for one step."""
SEARCHED_CHARS_PER_STEP = 16
"""Characters that are searched, cut or filled for one step."""
NEEDLE_CHARS = 8
"""A text is searched once more for so many characters of what is looked for, as far as a slow search may go."""
NEEDLE_CHARS_MAX = 128
TIME_STEPS = 50
"""To read a time from a text, or to write it."""
MISSING_STEPS = 25
"""To find out that a path leads nowhere."""
ROUND_STEPS = 4
"""To take the next item of a list, besides what is done with it."""
NODE_WEIGHT = 8
WALK_STEPS = 2
"""To look at one value inside another."""


class EvaluationError(Exception):
    """There is no value, and the author is told why. It never leaves `blueprint`: the doors answer with a Failure."""


class MissingError(EvaluationError):
    """A path leads nowhere; `has` and `default` accept this one, so its text is made only when it is read."""

    def __init__(self, explain: Callable[[], str]) -> None:
        super().__init__()
        self.explain = explain

    def __str__(self) -> str:
        return self.explain()


class LimitError(EvaluationError):
    """The value would cost more than any blueprint may."""


class Frame:
    """One evaluation under way: what it sees, what it has spent, and the variables of its loops."""

    __slots__ = (
        "identifiers",
        "items_max",
        "names",
        "now",
        "number",
        "patterns",
        "seed",
        "slots",
        "steps",
        "with_times",
    )

    def __init__(self, env: Environment) -> None:
        self.names = env.names
        self.now: datetime = env.now
        self.seed = env.seed
        self.number = env.number
        self.items_max = env.items_max
        self.slots: dict[int, Json] = {}
        self.steps = 0
        self.identifiers = 0
        self.with_times = False
        self.patterns: set[str] = set()

    def spend(self, steps: int) -> None:
        """Count `steps`, or refuse to go on when the budget is used up."""
        self.steps += steps
        if self.steps > STEPS_MAX:
            raise LimitError(f"this takes more than {STEPS_MAX:,} steps; loop over less, or let a task do it")

    def spend_on_search(self, text: str, needle: str) -> None:
        """Count the search for one text in another; the slowest goes over some of it again for each character."""
        again = 1 + min(len(needle), NEEDLE_CHARS_MAX) // NEEDLE_CHARS
        self.spend(1 + len(text) * again // SEARCHED_CHARS_PER_STEP)

    def spend_on_letters(self, text: str) -> None:
        """Count the change of each character to others; beyond ASCII each is looked up in tables."""
        self.spend(len(text) // SEARCHED_CHARS_PER_STEP if text.isascii() else len(text))

    def check_items(self, count: int) -> None:
        """Refuse a list of more than `items_max`."""
        if count > self.items_max:
            raise LimitError(f"a list of {count:,} items is longer than {self.items_max:,} (limits.items)")

    def allow_items(self, count: int) -> None:
        """Refuse to make a list of more than `items_max`, and count its items as steps."""
        self.check_items(count)
        self.spend(count)

    def allow_text(self, chars: int) -> None:
        """Refuse to make a text that is too long, and count it as steps."""
        if chars > TEXT_CHARS_MAX:
            raise LimitError(f"a text of {chars:,} characters is longer than {TEXT_CHARS_MAX:,}")
        self.spend(chars // CHARS_PER_STEP)


def weigh(frame: Frame, value: Json, weight_max: int) -> int:
    """Return about how many bytes `value` takes; one that is heavier than `weight_max` is refused early.

    Values may share parts, so a small one in memory can be huge when it is written. Hence the walk, which is paid for.
    """
    weight = NODE_WEIGHT + (len(value) if isinstance(value, str) else 0)
    pending = [value] if isinstance(value, list | dict) else []
    while pending:
        top = pending.pop()
        frame.spend(WALK_STEPS * (1 + len(top)))
        weight += len(top) * NODE_WEIGHT
        weight += sum(map(len, top)) if type(top) is dict else 0
        for each in top.values() if type(top) is dict else top:
            kind = type(each)
            if kind is str:
                weight += len(each)
            elif kind is list or kind is dict:
                pending.append(each)
        if weight > weight_max:
            raise LimitError(f"the value is larger than {weight_max:,} bytes when it is written out")
    return weight
