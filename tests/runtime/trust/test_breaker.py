"""The rules of one breaker: when it opens, what its probe decides, what of it is kept."""

from __future__ import annotations

import pytest

from avtomat.runtime.trust.breaker import (
    LOG_KEPT_MS,
    LOG_MAX,
    SLICES,
    Breaker,
    Count,
    Rules,
    State,
    answered,
    breaker_of,
    closed,
    counted,
    is_over,
    left_open,
    probed,
)
from avtomat.runtime.trust.outcomes import Outcome, Word

RULES = Rules(rate=50, attempts_min=10, window_ms=60_000, open_for_ms=30_000)
NOW = 1_800_000_000_000


def counts(well: int, failed: int, at_ms: int = NOW) -> dict[int, Count]:
    return {RULES.slice_at(at_ms): Count(well=well, failed={"WORKER_LOST": failed} if failed else {})}


def end(word: Word, task_id: str = "probe") -> Outcome:
    return Outcome(kind="work", worker="w1", task_id=task_id, word=word, code="WORKER_LOST")


def opened() -> Breaker:
    return counted(Breaker(), counts(5, 5), RULES, NOW)


def probing() -> Breaker:
    breaker = probed(opened(), "probe", "w1", NOW + 30_000)
    assert breaker is not None
    return breaker


@pytest.mark.parametrize(
    ("well", "failed", "state"),
    [(5, 5, "open"), (6, 5, "closed"), (4, 5, "closed"), (0, 10, "open"), (0, 9, "closed"), (100, 0, "closed")],
)
def test_it_opens_at_the_rate_of_enough_attempts(well: int, failed: int, state: str) -> None:
    assert counted(Breaker(), counts(well, failed), RULES, NOW).state == state


def test_what_several_replicas_count_adds_up() -> None:
    breaker = Breaker()
    for _ in range(2):
        assert breaker.state is State.CLOSED
        breaker = counted(breaker_of(breaker.as_bytes()), counts(2, 3), RULES, NOW)
    assert breaker.state is State.OPEN
    assert breaker.reason == "6 of 10 attempts failed within 60 s: WORKER_LOST 6"
    assert (breaker.since_ms, breaker.probe_at_ms) == (NOW, NOW + 30_000)


def test_an_end_counts_no_longer_than_the_window() -> None:
    breaker = counted(Breaker(), counts(0, 9), RULES, NOW)
    late = NOW + RULES.window_ms
    assert counted(breaker, counts(0, 1, late), RULES, late).total().attempts == 1
    just = late - RULES.window_ms // SLICES
    assert counted(breaker, counts(0, 1, just), RULES, just).state is State.OPEN


def test_what_is_told_late_counts_by_when_it_was() -> None:
    late = NOW + RULES.window_ms
    assert counted(Breaker(), counts(0, 50), RULES, late).total().attempts == 0


def test_a_rate_of_one_percent_opens_for_no_success() -> None:
    rules = Rules(rate=1, attempts_min=1, window_ms=60_000, open_for_ms=1)
    assert counted(Breaker(), counts(5, 0), rules, NOW).state is State.CLOSED


def test_an_open_breaker_counts_nothing() -> None:
    assert counted(opened(), counts(1_000, 1_000), RULES, NOW + 1_000) == opened()


def test_one_probe_goes_out_after_its_time_and_no_other() -> None:
    assert probed(opened(), "early", "w1", NOW + 29_999) is None
    first = probing()
    assert (first.state, first.probe, first.prober, first.since_ms) == (State.PROBING, "probe", "w1", NOW)
    assert probed(first, "second", "w2", NOW + 99_000) is None
    assert probed(Breaker(), "needless", "w1", NOW) is None


def test_a_probe_that_was_given_back_may_go_to_another_worker() -> None:
    again = probed(probing(), "probe", "w2", NOW + 31_000)
    assert again is not None
    assert (again.probe, again.prober, again.log) == ("probe", "w2", probing().log)


@pytest.mark.parametrize("word", [Word.WELL, Word.OWN, Word.CONTRACT, Word.MALFORMED])
def test_a_probe_that_is_answered_closes_it(word: Word) -> None:
    breaker = answered(probing(), end(word), RULES, NOW + 31_000)
    assert (breaker.state, breaker.counts, breaker.reason) == (State.CLOSED, {}, "")
    assert [entry.word for entry in breaker.log] == ["opened", "probing", "closed"]


@pytest.mark.parametrize("word", [Word.LOST, Word.TIMEOUT, Word.PASSING])
def test_a_probe_that_fails_opens_it_again_for_as_long(word: Word) -> None:
    breaker = answered(probing(), end(word), RULES, NOW + 31_000)
    assert (breaker.state, breaker.since_ms, breaker.probe_at_ms) == (State.OPEN, NOW, NOW + 61_000)


def test_other_attempts_decide_nothing() -> None:
    assert answered(probing(), end(Word.WELL, "other"), RULES, NOW + 31_000) == probing()
    assert answered(opened(), end(Word.WELL, ""), RULES, NOW + 1) == opened()
    assert left_open(probing(), "other", NOW + 31_000) == probing()


def test_after_a_probe_without_an_end_another_may_go_out_at_once() -> None:
    breaker = left_open(probing(), "probe", NOW + 40_000)
    assert probed(breaker, "next", "w2", NOW + 40_000) is not None


def test_of_its_changes_the_newest_are_kept() -> None:
    breaker = Breaker()
    for number in range(LOG_MAX + 5):
        breaker = closed(breaker, "reset", str(number), NOW)
    assert [entry.text for entry in breaker.log] == [str(number) for number in range(5, LOG_MAX + 5)]


@pytest.mark.parametrize("breaker", [Breaker(), opened(), probing()])
def test_the_record_says_all_of_it(breaker: Breaker) -> None:
    assert breaker_of(breaker.as_bytes()) == breaker


def test_it_is_forgotten_when_it_counts_nothing_and_its_last_change_is_long_past() -> None:
    breaker = closed(opened(), "reset", "", NOW)
    assert not is_over(breaker, RULES, NOW + LOG_KEPT_MS)
    assert is_over(breaker, RULES, NOW + LOG_KEPT_MS + 1)
    assert not is_over(opened(), RULES, NOW + LOG_KEPT_MS * 2)
    assert is_over(counted(Breaker(), counts(3, 1), RULES, NOW), RULES, NOW + RULES.window_ms)
