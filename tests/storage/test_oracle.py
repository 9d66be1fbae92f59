"""Walk at random over the oracle and each store; AVTOMAT_ORACLE_WALKS asks for more walks, new ones each time."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from avtomat.storage.port.store import Store
from tests.storage.oracle_choices import PARTITIONS
from tests.storage.oracle_machine import OracleMachine
from tests.storage.stores import STORES
from tests.storage.world import Clock

WALKS = 24
STEPS = 40
ASKED = int(os.environ.get("AVTOMAT_ORACLE_WALKS", "0"))

WALK = settings(
    max_examples=ASKED or WALKS,
    stateful_step_count=STEPS,
    derandomize=not ASKED,
    database=None,
    deadline=None,
    phases=(Phase.generate,) if not ASKED else (Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0 if ASKED else 300)
@pytest.mark.parametrize("name", STORES)
def test_each_step_does_the_same_to_the_store_as_to_the_oracle(name: str, request: pytest.FixtureRequest) -> None:
    def opened(clock: Clock) -> AbstractAsyncContextManager[Store]:
        return STORES[name](request, PARTITIONS, clock, False)

    machine = type(f"Walks{name.title()}", (OracleMachine,), {"opened": staticmethod(opened)})
    run_state_machine_as_test(machine, settings=WALK)
