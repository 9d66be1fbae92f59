"""What times, durations and texts do beside each other, and what a fault of the engine becomes."""

from typing import Any

import pytest

from avtomat.blueprint import functions
from avtomat.blueprint.limits import Frame
from tests.blueprint.evaluating import compiled, environment, evaluate, failure, render_failure

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


def _broken(_frame: Frame, _value: Any) -> Any:
    raise TypeError("a secret of the engine")


def test_a_fault_of_the_engine_fails_the_evaluation_and_never_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(functions.FUNCTIONS, "abs", functions._function(_broken, "abs(x)", 1))
    whole = failure("abs(input.total + 5.25)")
    lone, text = render_failure("{{ abs(input.total + 6.25) }}"), render_failure("n {{ abs(input.total + 7.25) }}")
    assert [whole.code, lone.code, text.code] == ["EXPRESSION_ERROR", "EXPRESSION_ERROR", "TEMPLATE_ERROR"]
    assert all(each.message.endswith("could not evaluate this: TypeError") for each in (whole, lone, text))


def test_no_base_exception_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_frame: Frame, _value: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setitem(functions.FUNCTIONS, "abs", functions._function(stopped, "abs(x)", 1))
    template = compiled("n {{ abs(input.total + 0.125) }}")
    with pytest.raises(KeyboardInterrupt):
        template.render(environment())
