"""Run the contract on every store, with one partition and with three."""

from __future__ import annotations

import pytest

from tests.storage.contract import CONTRACT
from tests.storage.stores import STORES

KINDS = [pytest.param((name, partitions), id=f"{name}-P{partitions}") for name in STORES for partitions in (1, 3)]


@pytest.fixture(params=KINDS)
def store_kind(request: pytest.FixtureRequest) -> tuple[str, int]:
    """The store's name and its number of partitions."""
    name, partitions = request.param
    return name, partitions


globals().update(
    {f"Test{promises.__name__}": type(f"Test{promises.__name__}", (promises,), {}) for promises in CONTRACT}
)
