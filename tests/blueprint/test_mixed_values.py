"""What times, durations and texts do beside each other."""

from typing import Any

import pytest

from tests.blueprint.evaluating import evaluate, failure

VALUES: list[tuple[str, Any]] = [
    ("sorted([now, '2026-01-01T00:00:00Z'])", ["2026-01-01T00:00:00Z", "2026-01-31T23:00:00.000Z"]),
    ("sorted([duration('90m'), '1h', '2h'], null, 'desc')", ["2h", "1h30m", "1h"]),
    ("[x.n for x in sorted([{'a': now, 'n': 1}, {'a': '2026-01-01', 'n': 2}], 'a')]", [2, 1]),
    ("max(now, '2026-03-01T01:00:00+01:00')", "2026-03-01T00:00:00.000Z"),
    ("min(['120s', duration('3m')])", "2m"),
    ("[now == 'soon', now != 'soon', now == 1, duration('1h') == '1h', duration('1h') == 'x']",
     [False, True, False, True, False]),
    ("[now in ['soon'], now in ['2026-02-01T00:00:00+01:00']]", [False, True]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "value"), VALUES)
def test_texts_beside_times_are_read_as_times(source: str, value: Any) -> None:
    assert evaluate(source) == value


@pytest.mark.parametrize(
    "source",
    [
        "sorted([now, 'soon'])",
        "sorted(['a', 'b', duration('1h')])",
        "sorted(['2026-01-01', '1h', now])",
        "format_time(now, '%G-%m-%d')",
        "{input.from: 1, 'home': 2}",
    ],
)
def test_what_has_no_meaning_is_an_expression_error(source: str) -> None:
    assert failure(source).code == "EXPRESSION_ERROR"
