"""Keep the settings of the machine that tests run on out of the commands that they call."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def without_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable AVTOMAT_… is set, but those for the tests themselves."""
    for variable in os.environ:
        if variable.startswith("AVTOMAT_") and not variable.startswith("AVTOMAT_TEST_"):
            monkeypatch.delenv(variable)
