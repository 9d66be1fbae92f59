"""Addresses: which handler answers, and what each part is."""

from __future__ import annotations

import pytest

from avtomat.api.http.routing import Router

ROUTER = Router(
    [
        ("PATCH", "/workers/{worker}", "heartbeat"),
        ("POST", "/workers/register", "register"),
        ("POST", "/workers/{worker}", "other"),
        ("GET", "/workers/{worker}/tasks/next", "poll"),
        ("GET", "/jobs", "list"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/jobs", ("list", {})),
        ("POST", "/workers/register", ("register", {})),
        ("POST", "/workers/w1", ("other", {"worker": "w1"})),
        ("PATCH", "/workers/register", ("heartbeat", {"worker": "register"})),
        ("GET", "/workers/a%20b%2Fc/tasks/next", ("poll", {"worker": "a b/c"})),
        ("GET", "/workers//tasks/next", None),
        ("GET", "/jobs/", None),
        ("GET", "jobs", None),
        ("GET", "*", None),
        ("GET", "", None),
        ("PUT", "/jobs", None),
    ],
)
def test_an_address_leads_to_the_handler_with_most_literal_parts(method: str, path: str, expected: object) -> None:
    assert ROUTER.find(method, path) == expected


def test_an_address_knows_the_methods_of_all_routes_that_fit() -> None:
    assert ROUTER.methods("/workers/register") == ["PATCH", "POST"]
    assert ROUTER.methods("/nowhere") == []
