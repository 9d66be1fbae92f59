"""Know all kinds of state. A kind is one of the language once it stands here and in `spec.KINDS`."""

from __future__ import annotations

from collections.abc import Mapping

from avtomat.blueprint.kinds.approvals import APPROVAL
from avtomat.blueprint.kinds.blocks import FOREACH, PARALLEL
from avtomat.blueprint.kinds.calls import CALL
from avtomat.blueprint.kinds.ends import FAIL, SUCCEED
from avtomat.blueprint.kinds.kind import Kind
from avtomat.blueprint.kinds.passing import PASS
from avtomat.blueprint.kinds.runs import RUN
from avtomat.blueprint.kinds.signals import SIGNAL
from avtomat.blueprint.kinds.task import TASK
from avtomat.blueprint.kinds.waits import WAIT
from avtomat.blueprint.spec import StateSpec

_KINDS: Mapping[str, Kind] = {
    kind.key: kind for kind in (TASK, CALL, PARALLEL, FOREACH, WAIT, SIGNAL, APPROVAL, RUN, SUCCEED, FAIL, PASS)
}


def kind_of(state: StateSpec) -> Kind:
    """The kind of a state."""
    return _KINDS[state.kind]
