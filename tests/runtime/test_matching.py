"""What workers tell of themselves is anybody's JSON: whatever it is, it fits or it does not."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.runtime.work.matching import fulfils

GPU = {"devices": [{"type": "gpu", "model": "a100", "properties": {"vram_gb": 40}}]}
HOSTILE: list[Any] = [
    None,
    5,
    "gpu",
    {},
    [None],
    [5],
    ["gpu"],
    [[]],
    [{"model": None}],
    [{"model": {}, "properties": 3}],
]


def test_a_device_fits_by_type_part_of_its_model_and_at_least_its_properties() -> None:
    device = {"type": "gpu", "model": "NVIDIA A100", "properties": {"vram_gb": 80}}

    assert fulfils({"resources": {"devices": [device]}}, {"resources": GPU}, "render")
    assert not fulfils({"resources": {"devices": [{**device, "type": "tpu"}]}}, {"resources": GPU}, "render")
    assert not fulfils(
        {"resources": {"devices": [{**device, "properties": {"vram_gb": 24}}]}}, {"resources": GPU}, "render"
    )


@pytest.mark.parametrize("told", HOSTILE)
def test_a_worker_whose_devices_are_no_devices_has_none(told: Any) -> None:
    assert not fulfils({"resources": {"devices": told}}, {"resources": GPU}, "render")
    assert not fulfils({"resources": told}, {"resources": GPU}, "render")


def test_a_wish_for_what_is_no_device_is_fulfilled_by_nobody() -> None:
    assert not fulfils({"resources": {"devices": [{"type": "gpu"}]}}, {"resources": {"devices": ["gpu"]}}, "render")
