"""The state that makes an HTTP request: a task of a kind of the engine's own, which replicas take under leases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from avtomat.core.formula import Environment, Failure, Json, Rendered, SecretRef, Template
from avtomat.core.kinds.task import TaskState
from avtomat.core.program import Program
from avtomat.core.value import value

RESERVED: Final = "avtomat."
"""Names of kinds of task, and of workers, that begin so are the engine's own: nobody else has them."""

CALL: Final = "avtomat.call"
"""The kind of task of all requests. Its params are the request: method, accept, and what is rendered of the rest."""

HEADERS_OF_THE_ENGINE: Final = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that no blueprint sets, in lower case: they are about the connection, or say where the request goes."""

ACTS_ONCE: Final = frozenset({"POST", "PATCH"})
"""Methods whose requests may not be repeated as long as they may have had their effect."""


@value
class CallState(TaskState):
    """Makes one request; its output is the answer, {status, headers, body}."""


@value
class RequestTemplate:
    """The params of a request: the method and the statuses that count as success, and templates of all else.

    `origin` is its url up to the path, where that is written out; it tells whether the host is allowed.
    """

    method: str
    parts: Mapping[str, Template]
    origin: str | None = None
    accept: tuple[int, ...] = ()

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """See `Template`."""
        return frozenset(path for part in self.parts.values() for path in part.reads)

    @property
    def needs(self) -> frozenset[tuple[str, ...]]:
        """See `Template`."""
        return frozenset(path for part in self.parts.values() for path in part.needs)

    @property
    def secrets(self) -> frozenset[str]:
        """See `Template`."""
        return frozenset(name for part in self.parts.values() for name in part.secrets)

    @property
    def fixed(self) -> Rendered | None:
        """See `Template`: a request is put together anew each time."""
        return None

    @property
    def acts_once(self) -> bool:
        """Whether the request is repeated by default only where it surely had no effect."""
        return self.method in ACTS_ONCE

    def render(self, env: Environment) -> Rendered | Failure:
        """See `Template`."""
        request: dict[str, Json] = {"method": self.method}
        if self.accept:
            request["accept"] = [*self.accept]
        secrets: list[SecretRef] = []
        for name, part in self.parts.items():
            rendered = part.render(replace(env, seed=f"{env.seed} {name}"))
            if isinstance(rendered, Failure):
                return rendered
            request[name] = rendered.value
            secrets += [replace(ref, pointer=f"/{name}{ref.pointer}") for ref in rendered.secrets]
        return Rendered(value=request, secrets=tuple(secrets))


def origins_called(program: Program) -> list[str]:
    """The beginnings of the urls that the program calls, undos too, as far as they are written out."""
    params = [state.params for state in program.states if isinstance(state, CallState)]
    params += [state.undo.params for state in program.states if state.undo is not None]
    requests = (request for request in params if isinstance(request, RequestTemplate))
    return sorted({request.origin for request in requests if request.origin is not None})
