"""The lines that tell people how a job goes on."""

from __future__ import annotations

from avtomat.runtime.people.narration import Narrator


def test_a_message_of_a_worker_holds_nothing_that_a_terminal_would_obey() -> None:
    entry = {"type": "TaskFailed", "at": "2026-01-01T00:00:00.000Z", "code": "X", "message": "\x1b[2Jgone"}

    [line] = Narrator().lines(entry)

    assert line.endswith("failed: X: \\x1b[2Jgone")
