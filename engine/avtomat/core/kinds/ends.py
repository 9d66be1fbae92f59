"""The states in which a machine ends: `succeed` and `fail`."""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.core.flow import code_of_failure, end_badly, end_well, make_error
from avtomat.core.formula import Template
from avtomat.core.kinds.state import ActiveState, Step, parts_of
from avtomat.core.program import Part
from avtomat.core.value import value
from avtomat.core.walk import Walk


@value
class SucceedState(ActiveState):
    """Ends its machine with a result."""

    KEY = "succeed"
    HAS_OUTPUT = False

    result: Template

    def enter(self, walk: Walk) -> Step:
        """The machine ends well."""
        return end_well(walk, walk.render(self.result, walk.names()).value)

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.result)


@value
class FailState(ActiveState):
    """Ends its machine as failed; without `code` it fails again with the error that was caught last."""

    KEY = "fail"
    HAS_OUTPUT = False

    code: Template | None = None
    message: Template | None = None
    details: Template | None = None
    compensate: bool = True

    def enter(self, walk: Walk) -> Step:
        """The machine fails; no `catch` takes that."""
        names = walk.names()
        if self.code is None:
            text = f"{self.name} fails again, but no error was caught"
            again = walk.caught or make_error(walk, "PERMANENT_ERROR", text)
            return end_badly(walk, again, compensate=self.compensate)
        said = walk.render(self.code, names).value
        message = "" if self.message is None else walk.render_text(self.message, names)
        details = None if self.details is None else walk.render(self.details, names).value
        code = code_of_failure(said)
        if code != said:
            details = {"code": said, "details": details}
        return end_badly(walk, make_error(walk, code, message, details), compensate=self.compensate)

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.code, self.message, self.details)
