"""What a worker's reputation is, by what became of its attempts."""

from __future__ import annotations

import pytest

from avtomat.runtime.trust.outcomes import Outcome, Word
from avtomat.runtime.trust.reputation import (
    FAULTS_SHOWN_MAX,
    Heard,
    Standing,
    after,
    reputation,
    standing_of,
)

HOUR = 3_600_000
NOW = 1_800_000_000_000


def heard(*, well: int = 0, **faults: int) -> Heard:
    found = Heard(good=well)
    for word, times in faults.items():
        for number in range(times):
            outcome = Outcome(kind="work", worker="w1", task_id=f"{word}{number}", word=Word(word))
            found = found.with_fault(outcome, NOW + number)
    return found


def score(standing: Standing, at_ms: int = NOW) -> float:
    return round(reputation(standing, HOUR, at_ms), 3)


def standing(**ends: int) -> Standing:
    return after(Standing(at_ms=NOW), heard(**ends), HOUR, NOW)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({}, 1.0),
        ({"well": 500}, 1.0),
        ({"lost": 1}, 0.952),
        ({"timeout": 1}, 0.952),
        ({"contract": 1}, 0.833),
        ({"malformed": 1}, 0.833),
        ({"lost": 20}, 0.5),
        ({"well": 60, "lost": 20}, 0.8),
        ({"well": 1_000_000, "lost": 20}, 0.8),
    ],
)
def test_each_fault_has_its_weight_against_the_good_ends(ends: dict[str, int], expected: float) -> None:
    assert score(standing(**ends)) == expected


def test_it_recovers_with_time_and_faster_with_good_work() -> None:
    bad = standing(lost=60)
    assert score(bad) == 0.25
    assert score(bad, NOW + HOUR) == 0.4
    assert score(bad, NOW + 10 * HOUR) > 0.99
    assert score(after(bad, heard(well=40), HOUR, NOW)) == 0.5


def test_a_clock_that_stood_back_changes_nothing() -> None:
    bad = standing(lost=20)
    assert score(bad, NOW - HOUR) == score(bad)
    assert after(bad, heard(), HOUR, NOW - HOUR) == bad


def test_the_newest_faults_are_kept_as_reasons() -> None:
    found = standing(lost=FAULTS_SHOWN_MAX + 3)
    assert [fault.task_id for fault in found.faults] == [f"lost{number}" for number in range(3, FAULTS_SHOWN_MAX + 3)]


def test_the_record_says_all_of_it() -> None:
    found = standing(well=3, lost=2, contract=1)
    assert standing_of(found.as_bytes()) == found
    assert standing_of(None) == Standing()
