"""What is gathered while a source is read: faults, reads, loop variables, and how large it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from avtomat.blueprint.language import evaluation
from avtomat.blueprint.language.evaluation import UNKNOWN, Code
from avtomat.blueprint.language.faults import Fault, Read
from avtomat.blueprint.language.functions.table import FORMS, FUNCTIONS, canonical, meant_by
from avtomat.blueprint.language.functions.text import regex_problem
from avtomat.blueprint.language.limits import DEPTH_MAX, NODES_MAX, EvaluationError
from avtomat.blueprint.language.operators import OMIT
from avtomat.blueprint.language.probing import probe
from avtomat.core.formula import Json

NOTHING: Code = evaluation.constant(None)
SECRETS = "secrets"
_CONSTANTS: dict[str, Json] = {"true": True, "false": False, "null": None, "omit": OMIT}
_ABSENT = object()


class TooComplexError(Exception):
    """The source is larger than any may be; reading stops there."""


class Scope:
    """The findings of one source. `kind` ("expression" or "template") begins the codes of its faults."""

    def __init__(self, kind: str, nodes_max: int) -> None:
        self.kind = kind
        self.nodes_max = nodes_max
        self.nodes = 0
        self.price = 0
        """What one evaluation of all that was read so far costs in steps, loops inside not gone through."""
        self.faults: list[Fault] = []
        self.failing: list[Fault] = []
        """Calls that can be read, but never give a value."""
        self.reads: list[Read] = []
        self._guards = 0
        self._slots = 0
        self._loop_states: set[int] = set()
        self._nodes_here_max = nodes_max
        self._variables: list[dict[str, int]] = []

    def fault(self, what: str, message: str, offset: int, length: int = 1, hint: str | None = None) -> Code:
        """Note a fault, and give a stand-in so that reading goes on and finds the others."""
        code = f"{self.kind}.{what}"
        self.faults.append(Fault(code=code, message=message, offset=offset, length=length, hint=hint))
        return NOTHING

    def fault_of_expression(self, message: str, offset: int, hint: str) -> None:
        """Note a fault that has one code wherever the expression stands."""
        self.faults.append(Fault(code="expression.syntax", message=message, offset=offset, hint=hint))

    def sorted_faults(self) -> tuple[Fault, ...]:
        """All that is wrong, in the order of the source."""
        return tuple(sorted(self.faults, key=lambda fault: fault.offset))

    def begin_expression(self, nodes_max: int) -> None:
        """Allow what is read next so many nodes, within those of the whole source."""
        self._nodes_here_max = min(self.nodes + nodes_max, self.nodes_max)

    def end_expression(self) -> None:
        """Go back to the bound of the whole source."""
        self._nodes_here_max = self.nodes_max

    def visit(self, depth: int, price: int = 1) -> None:
        """Count one node at `depth`, and its price."""
        self.nodes += 1
        self.price += price
        if depth > DEPTH_MAX:
            raise TooComplexError(f"it is nested more than {DEPTH_MAX} deep")
        if self.nodes > self._nodes_here_max:
            most = self.nodes_max if self.nodes > self.nodes_max else NODES_MAX
            raise TooComplexError(f"it has more than {most} parts")

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What is read inside may be missing."""
        self._guards += 1
        yield
        self._guards -= 1

    @contextmanager
    def variables(self) -> Iterator[None]:
        """Names bound inside are forgotten after."""
        self._variables.append({})
        yield
        self._variables.pop()

    def bind(self, name: str, offset: int) -> int:
        """Give a loop's variable its slot."""
        if name.startswith("_"):
            self.fault("forbidden", f"`{name}` begins with _", offset, len(name), "choose another name")
        elif name in _CONSTANTS or name in {SECRETS, "now"}:
            self.fault("forbidden", f"`{name}` is taken", offset, len(name), "choose another name for the variable")
        self._slots += 1
        self._variables[-1][name] = self._slots
        return self._slots

    def slot(self, name: str) -> int | None:
        """Return the slot of a variable, or None when `name` is none."""
        for names in reversed(self._variables):
            if name in names:
                return names[name]
        return None

    def bind_loop_state(self, offset: int) -> int:
        """Give `loop`, which tells how far the loop of a text is, its slot."""
        slot = self.bind("loop", offset)
        self._loop_states.add(slot)
        return slot

    def is_loop_state(self, name: str) -> bool:
        """Tell whether a name stands for how far the loop of a text is."""
        return self.slot(name) in self._loop_states

    def path(self, name: str, keys: Sequence[str], offset: int) -> Code:
        """Read a path that begins with a name."""
        slot = self.slot(name)
        if slot is not None:
            return evaluation.variable(slot) if not keys else evaluation.member_of_variable(slot, keys, name)
        value = _CONSTANTS.get(name, _ABSENT)
        if value is not _ABSENT:
            return self.members(evaluation.constant(value), keys, name)
        if name == "now":
            return self.members(evaluation.call(FUNCTIONS["now"], ()), keys, name)
        return self._read(name, keys, offset)

    def _read(self, name: str, keys: Sequence[str], offset: int) -> Code:
        if name.startswith("_"):
            return self.fault("forbidden", f"`{name}` begins with _", offset, len(name), "names begin with a letter")
        if name == SECRETS:
            hint = "let it stand alone, as {{ secrets.name }}, in params or in headers, auth or body of a call"
            return self.fault("forbidden", "a secret may be written out, not computed with", offset, len(name), hint)
        whole = (name, *keys)
        self.reads.append(Read(whole, offset, self._guards > 0))
        return evaluation.path(whole)

    @staticmethod
    def members(base: Code, keys: Sequence[str], label: str) -> Code:
        """Read one key after the other."""
        for key in keys:
            base = evaluation.member(base, key, label)
            label = f"{label}.{key}"
        return base

    def check_key(self, key: str, offset: int) -> None:
        """Refuse keys after a dot that are no keys in anyone's data, or that mean something else elsewhere."""
        if key.startswith("__"):
            hint = f"for a key of that name write ['{key}']"
            self.fault("forbidden", f"`.{key}` begins with __", offset, len(key), hint)
        elif key == "length":
            hint = "write len(x); for a key of that name write ['length']"
            self.fault("syntax", "there is no `.length`", offset, len(key), hint)

    def call(self, written: str, arguments: Sequence[Code], offset: int) -> Code:
        """Call a function of the table."""
        name = canonical(written)
        function = FUNCTIONS.get(name)
        if function is None:
            return self._unknown_function(written, offset)
        if not function.least <= len(arguments) <= function.most:
            message = f"{name}() takes {_count(function.least, function.most)}, not {len(arguments)}"
            return self.fault("arguments", message, offset, len(written), f"it is written {function.usage}")
        found = UNKNOWN if name == "matches" else probe(name, function, arguments)
        code = evaluation.call(function, arguments)
        if isinstance(found, EvaluationError):
            self._fails(str(found), offset, len(written), function.usage)
            return code
        return code if found is UNKNOWN else evaluation.known(code, found)

    def _fails(self, message: str, offset: int, length: int, usage: str) -> None:
        """Note a call that fails each time; inside `has` and `default` it may."""
        if not self._guards:
            fault = Fault(code=f"{self.kind}.arguments", message=message, offset=offset, length=length,
                          hint=f"it is written {usage}")  # fmt: skip
            self.failing.append(fault)

    def _unknown_function(self, written: str, offset: int) -> Code:
        if written.startswith("_"):
            return self.fault(
                "forbidden", f"`{written}` begins with _", offset, len(written), "names begin with a letter"
            )
        meant = meant_by(written)
        hint = f"did you mean {meant}?" if meant else "a key of a map is read as x.name or x['name']"
        return self.fault("unknown_function", f"there is no function {written}", offset, len(written), hint)

    def check_method(self, name: str, offset: int) -> Code:
        """Refuse `x.name(…)`."""
        meant = meant_by(name)
        hint = f"write {meant}" if meant else "functions stand before what they take: upper(x)"
        return self.fault("forbidden", f"there are no methods such as .{name}()", offset, len(name), hint)

    def form(self, name: str, count: int, offset: int) -> bool:
        """Tell whether `has` or `default` got as many arguments as it takes."""
        wanted = {"has": 1, "default": 2}[name]
        if count == wanted:
            return True
        message = f"{name}() takes {_count(wanted, wanted)}, not {count}"
        self.fault("arguments", message, offset, len(name), f"it is written {FORMS[name]}")
        return False

    def check_pattern(self, name: str, pattern: Json, offset: int) -> None:
        """Refuse a pattern that is known beforehand and cannot be searched for."""
        problem = regex_problem(pattern) if name == "matches" and isinstance(pattern, str) else None
        if problem is not None:
            hint = "patterns are those of RE2: no look-around and no back references"
            self.fault("regex", problem, offset, len(pattern) + 2, hint)


def _count(least: int, most: int) -> str:
    if most == 0:
        return "no argument"
    if least == most:
        return f"{least} argument{'s' if least > 1 else ''}"
    return f"{least} to {most} arguments"
