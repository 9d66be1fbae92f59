"""The table of statuses, and the diagram that is drawn from it."""

from __future__ import annotations

from avtomat.core.lifecycle import FIRST, FOLLOWS, may_follow, mermaid
from avtomat.core.model import ENDED, Status


def test_every_status_has_its_line_and_can_be_reached() -> None:
    reached = {FIRST, *(after for followers in FOLLOWS.values() for after in followers)}

    assert set(FOLLOWS) == set(Status) == reached


def test_nothing_follows_an_end() -> None:
    assert all(FOLLOWS[status] == {} for status in ENDED)


def test_every_open_status_can_come_to_an_end() -> None:
    assert all(ENDED & set(FOLLOWS[status]) for status in Status if status not in ENDED)


def test_a_job_that_undoes_what_it_did_can_no_longer_finish() -> None:
    assert not may_follow(Status.COMPENSATING, Status.FINISHED)
    assert not may_follow(Status.COMPENSATING, Status.OPEN)


def test_a_status_may_stay_as_it_is() -> None:
    assert all(may_follow(status, status) for status in Status)


def test_the_diagram_shows_every_step_of_the_table() -> None:
    drawn = mermaid()

    assert drawn.startswith("stateDiagram-v2\n    [*] --> open\n")
    assert "    compensating --> failed: nothing is left to undo\n" in drawn
    assert drawn.count("-->") == 1 + sum(map(len, FOLLOWS.values())) + len(ENDED)
