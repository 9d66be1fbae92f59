"""Look at blueprints that run one another: those that are named and not there, circles without end, and groups.

Blueprints that are joined by `run` go live together: a group with an error in one of them keeps what it had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from avtomat.blueprint.findings import codes_rules as codes
from avtomat.blueprint.findings.finding import Code
from avtomat.blueprint.spec import BlueprintSpec, text_of
from avtomat.core.kinds.blocks import ParallelState
from avtomat.core.kinds.runs import RunState
from avtomat.core.program import END, Program, State
from avtomat.diagnostics import Diagnostic
from avtomat.suggest import did_you_mean

Run = tuple[str, int, int, bool]
"""The name of a blueprint that another one runs, the line and column where it is first written, and whether each job
of the other one runs it, whatever happens.
"""

_ROOT: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A blueprint by its file, and what it runs."""

    file: str
    runs: tuple[Run, ...]


def runs_of(blueprint: BlueprintSpec, program: Program) -> tuple[Run, ...]:
    """What a blueprint runs, each with its first place."""
    found: dict[str, Run] = {}
    always = always_runs(program)
    for state in blueprint.states:
        node = state.part("run")
        name = text_of(node)
        if node is not None and name is not None and name not in found:
            found[name] = (name, node.span.line, node.span.column, name in always)
    return tuple(found.values())


def always_runs(program: Program) -> frozenset[str]:
    """The blueprints that each job of the program waits for, on every way from its beginning to its end."""
    return frozenset(name for name in program.runs if not _avoids(program, _ROOT, name))


def _avoids(program: Program, address: str, name: str) -> bool:
    """Whether a machine may come to its end without running `name`."""
    machine = program.machines[address]
    seen: set[str] = set()
    ahead = [machine.start, *(arm.target for arm in program.catch if arm.target and address == _ROOT)]
    while ahead:
        at = ahead.pop()
        if at == END:
            return True
        if at in seen or at not in machine.states:
            continue
        seen.add(at)
        state = machine.states[at]
        if _always_enters(program, address, state, name):
            continue
        targets = _targets(state)
        if not targets:
            return True
        ahead += targets
    return False


def _always_enters(program: Program, address: str, state: State, name: str) -> bool:
    if isinstance(state, RunState):
        return state.HOLDS_JOBS and state.run == name
    if isinstance(state, ParallelState) and state.join.at_least is None:
        own = f"{address}.{state.name}" if address else state.name
        return any(not _avoids(program, body, name) for _, body in state.bodies(own))
    return False


def _targets(state: State) -> list[str]:
    """Where it leads, END where the machine may end with it; nothing for a state that ends its machine itself."""
    arms = [arm.target for arm in state.catch if arm.target is not None]
    ways = [transition.target for transition in state.transitions]
    return [*ways, *arms] if ways else ([END, *arms] if state.KEY not in {"succeed", "fail"} else [])


# --- several blueprints -----------------------------------------------------------------------------------------------


def findings(members: Mapping[str, Member], known: Collection[str]) -> Iterator[tuple[str, Diagnostic]]:
    """What is wrong between these blueprints, by the name of the one at which it stands. `known` are the names that are
    there, those with errors too.
    """
    for name, member in members.items():
        for run, line, column, _ in member.runs:
            if run not in known:
                meant = did_you_mean(run, sorted(known))
                hint = f"did you mean {meant}?" if meant else "put its file beside this one, or remove the state"
                text = f"there is no blueprint `{run}`"
                yield name, _diagnostic(codes.MISSING_BLUEPRINT, member.file, line, column, text, hint)
    for circle in _circles(members):
        name = circle[0]
        line, column = next((run[1], run[2]) for run in members[name].runs if run[0] == circle[1 % len(circle)])
        way = " → ".join((*circle, name))
        text = f"each job of {way} runs the next one, without an end"
        hint = "let one of them come to its end without running the other: a transition with `when`"
        for each in circle:
            first = (line, column) if each == name else (members[each].runs[0][1], members[each].runs[0][2])
            yield each, _diagnostic(codes.ENDLESS_FAMILY, members[each].file, *first, text, hint)


def held_back(members: Mapping[str, Member], wrong: Collection[str]) -> Iterator[tuple[str, Diagnostic]]:
    """Findings at blueprints that are good themselves, and joined by `run` with one that is not."""
    for group in groups({name: [run[0] for run in member.runs] for name, member in members.items()}, wrong):
        bad = sorted(name for name in group if name in wrong)
        for name in sorted(group - set(bad)) if bad else ():
            member = members[name]
            place = next(((run[1], run[2]) for run in member.runs if run[0] in bad), (1, 1))
            text = f"it is not taken, because `{bad[0]}`, with which it is joined by `run`, has errors"
            yield name, _diagnostic(codes.HELD_BACK, member.file, *place, text, f"mend `{bad[0]}`")


def groups(runs: Mapping[str, Iterable[str]], more: Iterable[str] = ()) -> list[set[str]]:
    """The names that are joined by running one another, those of `more` among them."""
    joined: dict[str, set[str]] = {name: {name} for name in (*runs, *more)}
    for name, others in runs.items():
        for other in others:
            if other in joined and joined[other] is not joined[name]:
                joined[name] |= joined[other]
                for each in joined[other]:
                    joined[each] = joined[name]
    return list({id(group): group for group in joined.values()}.values())


def _circles(members: Mapping[str, Member]) -> Iterator[list[str]]:
    """Circles of blueprints each of which always runs the next, each circle once."""
    ahead = {name: [run[0] for run in member.runs if run[3]] for name, member in members.items()}
    told: set[str] = set()
    for name in sorted(members):
        circle = None if name in told else _circle_from(name, ahead)
        if circle is not None and not told & set(circle):
            told |= set(circle)
            yield circle


def _circle_from(name: str, ahead: Mapping[str, list[str]]) -> list[str] | None:
    """The shortest way from a blueprint back to itself."""
    ways: dict[str, list[str]] = {name: [name]}
    waiting = [name]
    for at in waiting:
        for run in ahead.get(at, ()):
            if run == name:
                return ways[at]
            if run not in ways:
                ways[run] = [*ways[at], run]
                waiting.append(run)
    return None


def _diagnostic(code: Code, file: str, line: int, column: int, text: str, hint: str) -> Diagnostic:
    return Diagnostic(
        code=code.number, severity=code.severity, message=text, file=file, line=line, column=column, hint=hint
    )
