"""Write random blueprints that are right: as YAML, so that the compiler reads them like any other.

A machine is a row of states; each may lead to the one behind it, so that all can be reached and every cycle has a way
out. A new kind of state is one more method in `KINDS`.
"""

from __future__ import annotations

from io import StringIO
from random import Random
from typing import Any

from ruamel.yaml import YAML

RETRIED = (
    "TRANSIENT_ERROR",
    "CONTRACT_VIOLATION_ERROR",
    "OWN_CODE",
    "OTHER_CODE",
    "TIMEOUT_ERROR",
    "WORKER_LOST",
    "ANY",
)
CAUGHT = ("EXPRESSION_ERROR", "TEMPLATE_ERROR", "NO_TRANSITION", *RETRIED)
SIGNALS = ("paid", "told")
DEPTH_MAX = 2
OVER = "{{ time('2026-01-01') - now }}"
GUARDS = (
    "data.n % 2 == 0", "data.n > 3", "data.flag", "input.n > 1", "has(outputs.none_such)", "len(data.list) > 1",
    "default(input.n, 0) >= 0", "data.list[0] == 1", "has(outputs.s1.ok)", "default(outputs.s2.n, 0) > 1",
    "default(outputs.s3.ok, false)", "default(outputs.s5.n, 0) == 3",
)  # fmt: skip
GUARDS_OF_WORK = ("output.ok", "output.n > 1", "default(output.ok, false)", "default(output.n, 0) == 3")
VALUES_OF_ENDS = (
    "{{ job.status }}", "{{ job.error }}", "{{ job.result }}", "{{ job.error.code }}", "{{ default(job.result.n, 0) }}",
)  # fmt: skip
FAILURES = ("{{ failed }}", "{{ [each.error.code for each in failures] }}", "{{ len(failures) }}", "{{ failures[0] }}")
GUARDS_OF_TASKS = ("status == 'later'", "status != null")
VALUES = (
    1, None, 1.0, True, "text", {"a": [1, None]}, "{{ data.n + 1 }}", "{{ input.n }}", "{{ data.list }}",
    "n is {{ data.n }}", "{{ uuid() }}", "{{ now() }}", "{{ default(input.none_such, 'none') }}",
    "{{ default(outputs.s1, null) }}", "{{ default(outputs.s2.n, 0) }}", "{{ len(outputs) }}",
)  # fmt: skip


def random_blueprint(seed: str) -> str:
    """A blueprint; the same seed writes the same one."""
    text = StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 120
    yaml.dump(_Writer(Random(seed)).blueprint(), text)
    return text.getvalue()


class _Writer:
    """Writes one blueprint."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0
        self.compensates = random.random() < 0.5
        self.values = VALUES

    def blueprint(self) -> dict[str, Any]:
        random = self.random
        states = self._machine(depth=0)
        written: dict[str, Any] = {
            "avtomat": 1,
            "blueprint": "generated",
            "data": {"n": "{{ input.n }}", "flag": random.random() < 0.5, "list": random.choice(([], [1], [1, 2]))},
            "limits": {"transitions": random.choice((30, 1000)), "transitions_at_once": random.choice((6, 100))},
        }
        if random.random() < 0.4:
            written["limits"]["data_bytes"] = random.choice((60, 80, 100, 130, 160, 300))
        if random.random() < 0.3:
            written["timeout"] = random.choice(("1h", "3d"))
        if random.random() < 0.3:
            written["unhandled"] = "quarantine"
        if random.random() < 0.3:
            written["catch"] = [self._catch_arm(list(states), output=False)]
        if random.random() < 0.35:
            written["finally"] = self._finally()
        return {**written, "states": states}

    def _finally(self) -> dict[str, Any]:
        """What runs at the end; its time may be a template that fails."""
        self.compensates, self.values = False, (*VALUES, *VALUES_OF_ENDS)
        body = self._body(depth=1)
        if "states" in body and self.random.random() < 0.3:
            body["timeout"] = self.random.choice(("1m", "{{ input.pause }}", "{{ job.error.code }}", OVER))
        return body

    # --- machines -----------------------------------------------------------------------------------------------------

    def _machine(self, depth: int) -> dict[str, Any]:
        names = [self._name() for _ in range(self.random.randint(2, 6 if depth == 0 else 3))]
        states = {name: self._state(names, at, depth) for at, name in enumerate(names[:-1])}
        return {**states, names[-1]: self._last(depth)}

    def _name(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def _state(self, names: list[str], at: int, depth: int) -> dict[str, Any]:
        kinds = [
            self._pass,
            self._wait,
            self._signal,
            self._approval,
            self._run,
            *[self._task] * (6 if self.compensates else 3),
        ]
        kinds += [self._parallel, self._foreach] if depth < DEPTH_MAX else []
        kind = self.random.choice(kinds)
        state = kind(depth)
        works = any(key in state for key in ("task", "call", "signal", "approval", "run", "parallel", "foreach"))
        guards = [*GUARDS, *(GUARDS_OF_WORK if works else ()), *(GUARDS_OF_TASKS if "task" in state else ())]
        back = names if works or "wait" in state else names[at + 1 :]
        state["transitions"] = self._ways_out(guards, back, names[at + 1], works=works)
        if self.random.random() < 0.4:
            state["set"] = self._set(works=works)
        if self.random.random() < 0.35:
            state["catch"] = [self._catch_arm(names[at + 1 :], output=True) for _ in range(self.random.randint(1, 2))]
        if "foreach" in state or state.get("join", "all") != "all":
            self._read_failures(state)
        return state

    def _read_failures(self, state: dict[str, Any]) -> None:
        """Let arms of a block read which bodies failed."""
        if self.random.random() < 0.4:
            state.setdefault("set", {})["fails"] = self.random.choice(FAILURES)
        for arm in state.get("catch", ()):
            if "to" in arm and self.random.random() < 0.4:
                arm["set"] = {"fails": self.random.choice(FAILURES)}

    def _last(self, depth: int) -> dict[str, Any]:
        random = self.random
        if random.random() < 0.3:
            return {**self._task(depth), "next": "end"}
        if random.random() < 0.3:
            fail = {"code": random.choice(("OWN_CODE", "OTHER_CODE")), "message": "n {{ data.n }}"}
            declining = {**fail, "compensate": False} if depth == 0 else fail
            return {"fail": random.choice((fail, {}, declining))}
        return {"succeed": random.choice(self.values)}

    def _body(self, depth: int) -> dict[str, Any]:
        if self.random.random() < 0.6:
            return self._task(depth)
        if self.random.random() < 0.2:
            return self.random.choice((self._signal, self._approval, self._run))(depth)
        return {"states": self._machine(depth)}

    # --- kinds of states ----------------------------------------------------------------------------------------------

    def _pass(self, depth: int) -> dict[str, Any]:
        return {"set": self._set(works=False)}

    def _task(self, depth: int) -> dict[str, Any]:
        random = self.random
        state: dict[str, Any] = {"task": random.choice(("one", "two")), "params": {"x": random.choice(self.values)}}
        if random.random() < 0.25:
            state = {"call": self._call({"x": random.choice(self.values)})}
        if random.random() < 0.5:
            state["retry"] = self._retry()
        if random.random() < 0.3:
            state["timeout"] = random.choice(
                ("5s", {"queue": "5s"}, {"total": "1m", "attempt": "9s"}, "{{ input.pause }}", {"queue": OVER})
            )
        if random.random() < 0.1:
            state["expects"] = random.choice(({"type": "object"}, {"type": "object", "required": ["ok"]}))
        if self.compensates and random.random() < 0.8:
            state["compensate"] = self._undo()
        return state

    def _undo(self) -> dict[str, Any]:
        random = self.random
        undo: dict[str, Any] = {"task": "undo", "params": {"x": random.choice(VALUES), "n": self._count_up()}}
        if random.random() < 0.5:
            undo["after"] = "attempted"
        elif random.random() < 0.2:
            undo["params"]["x"] = "{{ output.n }}"
        elif random.random() < 0.5:
            undo["when"] = random.choice(("default(output.ok, false)", "output != null", "output.ok"))
        if random.random() < 0.5:
            several = [{"errors": ["OWN_CODE"], "attempts": 2}, {"attempts": 2}]
            undo["retry"] = random.choice(("none", {"attempts": 2}, several))
        if random.random() < 0.25:
            undo["call"] = self._call(undo.pop("params"))
            del undo["task"]
        return undo

    def _call(self, body: Any) -> dict[str, Any]:
        """A request with this body; one in a while cannot be rendered."""
        url = self.random.choice(
            ("https://a.example/", "https://a.example/{{ to_json(data.n) }}", "{{ input.missing }}")
        )
        method = self.random.choice(("POST", "PUT", "PATCH", "DELETE"))
        return {"method": method, "url": url, "json": body}

    def _count_up(self) -> int:
        self.count += 1
        return self.count

    def _wait(self, depth: int) -> dict[str, Any]:
        return {"wait": self.random.choice(("30s", "0s", "{{ input.pause }}", OVER, {"until": "2026-02-02T00:00:00Z"}))}

    def _signal(self, depth: int) -> dict[str, Any]:
        random = self.random
        state: dict[str, Any] = {"signal": random.choice(SIGNALS)}
        if random.random() < 0.5:
            state["key"] = random.choice(("k", "{{ input.n }}", "{{ data.n }}", "{{ data.list }}"))
        if random.random() < 0.5:
            state["expects"] = random.choice(({"type": "object"}, {"type": "object", "required": ["ok"]}))
        if random.random() < 0.4:
            state["timeout"] = random.choice(("1m", "0s", "{{ input.pause }}", OVER))
        return state

    def _approval(self, depth: int) -> dict[str, Any]:
        random = self.random
        state: dict[str, Any] = {"approval": random.choice(("sure", "n is {{ data.n }}", "{{ data.list }}"))}
        if random.random() < 0.5:
            state["assignees"] = random.choice((["ann", "bob"], "{{ data.list }}", "ann"))
        if random.random() < 0.3:
            state["choices"] = ["success", "other"]
        if random.random() < 0.4:
            state["remind"] = random.choice(("20s", "1m"))
        if random.random() < 0.5:
            state["timeout"] = random.choice(("1m", "45s", "{{ input.pause }}", OVER))
        return state

    def _run(self, depth: int) -> dict[str, Any]:
        random = self.random
        state: dict[str, Any] = {"run": random.choice(("other", "other", "third", "nobody"))}
        if random.random() < 0.6:
            state["input"] = {"x": random.choice(self.values)}
        if random.random() < 0.2:
            return {**state, "detach": True}
        if random.random() < 0.4:
            state["timeout"] = random.choice(("1m", "45s", "{{ input.pause }}", OVER))
        if random.random() < 0.5:
            state["retry"] = self._retry()
        return state

    def _parallel(self, depth: int) -> dict[str, Any]:
        random = self.random
        state: dict[str, Any] = {"parallel": {self._name(): self._body(depth + 1) for _ in range(random.randint(2, 3))}}
        if random.random() < 0.5:
            state["join"] = random.choice(("all", "any", {"at_least": 2}, {"at_least": "{{ input.n }}"}))
        return {**state, **self._block()}

    def _foreach(self, depth: int) -> dict[str, Any]:
        random = self.random
        state: dict[str, Any] = {"foreach": random.choice(("{{ input.items }}", "{{ data.list }}", "{{ [1, 2] }}"))}
        if random.random() < 0.3:
            state["tolerate"] = random.choice((1, "50%", "{{ input.n }}"))
        elif random.random() < 0.3:
            state["join"] = random.choice(("any", {"at_least": 1}))
        if random.random() < 0.4:
            state["concurrency"] = random.choice((1, 2, "{{ input.n }}"))
        if random.random() < 0.3:
            state["collect"] = random.choice((False, "{{ output }}", "{{ output.n }}"))
        return {**state, "do": self._body(depth + 1), **self._block()}

    def _block(self) -> dict[str, Any]:
        """What blocks of both kinds may have."""
        block: dict[str, Any] = {}
        if self.random.random() < 0.3:
            block["timeout"] = "1m"
        if self.random.random() < 0.3:
            block["retry"] = {"attempts": 2, "errors": ["ANY"], "delay": "40s"}
        return block

    # --- parts of states ----------------------------------------------------------------------------------------------

    def _retry(self) -> Any:
        random = self.random
        policy: dict[str, Any] = {"attempts": random.randint(1, 4), "delay": random.choice(("1s", "0s"))}
        if random.random() < 0.5:
            policy["errors"] = [random.choice(RETRIED)]
        if random.random() < 0.5:
            policy["jitter"] = random.choice(("none", "equal"))
        own, lost = {"errors": ["OWN_CODE"], "attempts": 2}, {"errors": ["WORKER_LOST"], "attempts": 3, "delay": "5m"}
        return random.choice(("none", policy, [own, policy], [own, lost, policy]))

    def _ways_out(self, guards: list[str], others: list[str], behind: str, *, works: bool) -> list[dict[str, Any]]:
        """Arms with guards to anywhere (back only from a state that waits), and one to the state behind it."""
        random = self.random
        arms: list[dict[str, Any]] = []
        for _ in range(random.choice((0, 0, 1, 2))):
            arm: dict[str, Any] = {"when": random.choice(guards), "to": random.choice([*others, "end"])}
            if random.random() < 0.3:
                arm["set"] = self._set(works=works)
            arms.append(arm)
        return [*arms, {"to": behind, **({"when": random.choice(guards)} if random.random() < 0.1 else {})}]

    def _set(self, *, works: bool) -> dict[str, Any]:
        random = self.random
        values: list[Any] = ["{{ data.n + 1 }}", "{{ data.n * 2 }}", 0, *(["{{ output.n }}"] if works else [])]
        some: dict[str, Any] = {"n": random.choice(values)}
        if random.random() < 0.3:
            some["flag"] = random.choice(("{{ not data.flag }}", True))
        if random.random() < 0.3:
            some["list"] = random.choice(("{{ data.list + [data.n] }}", []))
        if random.random() < 0.2:
            some["free"] = random.choice(VALUES)
        return some

    def _catch_arm(self, names: list[str], *, output: bool) -> dict[str, Any]:
        random = self.random
        arm: dict[str, Any] = {}
        if random.random() < 0.7:
            arm["errors"] = random.sample(CAUGHT, random.randint(1, 3))
        if random.random() < 0.2:
            arm["when"] = random.choice(("error.attempt > 0", "error.message == 'm'", "error.details.n == 1"))
        if output and random.random() < 0.4:
            return {**arm, "output": random.choice(({"n": 2, "ok": True}, None, "{{ error.details.n }}"))}
        if random.random() < 0.3:
            arm["set"] = {"n": "{{ error.attempt }}"}
        return {**arm, "to": random.choice([*names, "end"] if output else names)}
