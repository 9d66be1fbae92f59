"""What workers tell of themselves is anybody's JSON: whatever it is, it fits or it does not."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.runtime.work.matching import fulfils, lacks
from avtomat.runtime.work.seats import _matched

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


GPU_24 = {"type": "gpu", "model": "NVIDIA RTX 3090", "properties": {"vram_gb": 24}}
GPU_80 = {"type": "gpu", "model": "NVIDIA A100", "properties": {"vram_gb": 80}}


def lacking(worker: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """What a registration lacks; the same, whether all of it is looked at or what is kept of it for matching."""
    found = list(lacks(worker, asked, "render"))
    assert found == list(lacks(_matched(worker), asked, "render"))
    return found


def test_each_device_that_is_asked_for_is_one_of_its_own() -> None:
    asked = {"resources": {"devices": [{"type": "gpu"}, {"type": "gpu"}]}}

    assert lacking({"resources": {"devices": [GPU_24]}}, asked) == [
        "resources.devices has none left that is {'type': 'gpu'}"
    ]
    assert not lacking({"resources": {"devices": [GPU_24, GPU_80]}}, asked)


def test_a_device_that_only_one_wish_can_use_is_left_to_that_wish() -> None:
    devices = [{"type": "gpu"}, {"type": "gpu", "model": "rtx"}, {"properties": {"vram_gb": 30}}]

    for have in ([GPU_80, GPU_24, GPU_80], [GPU_24, GPU_80, GPU_80]):
        assert not lacking({"resources": {"devices": have}}, {"resources": {"devices": devices}})
    assert lacking({"resources": {"devices": [GPU_80, GPU_80, GPU_80]}}, {"resources": {"devices": devices}})


@pytest.mark.parametrize(
    ("told", "asked", "fits"),
    [
        (8, 8, True),
        (7.5, 8, False),
        (True, 1, False),
        (["en"], ["en", "fr"], False),
        (["en", "fr", "de"], ["en", "fr"], True),
        (["en"], {"any": ["en", "fr"]}, True),
        (["de"], {"any": ["en", "fr"]}, False),
        ("en", {"any": ["en", "fr"]}, True),
        (["en", "fr"], "fr", True),
        ("fr", ["fr"], True),
        ("fr", ["en", "fr"], False),
        (16, {"any": [32, 8]}, True),
        ({"any": 1}, {"any": [1]}, False),
        (None, None, True),
    ],
)
def test_numbers_are_at_least_and_of_lists_all_or_one_of_any(told: Any, asked: Any, fits: bool) -> None:
    worker = {"resources": {"properties": {"x": told}}}

    assert (not lacking(worker, {"resources": {"x": asked}})) == fits
    assert (not lacking(worker, {"resources": {"properties": {"x": asked}}})) == fits


def test_extra_is_compared_by_equality() -> None:
    worker = {"capabilities": {"extra": {"zone": "eu", "rack": 5, "tags": ["a", "b"]}}}

    assert not lacking(worker, {"extra": {"zone": "eu", "rack": 5, "tags": "a"}})
    assert not lacking(worker, {"extra": {"zone": {"any": ["us", "eu"]}}})
    assert lacking(worker, {"extra": {"rack": 4}}) == ["extra.rack is 5, not 4"]
    assert lacking(worker, {"extra": {"owner": "me"}}) == ["extra.owner is not given, not me"]


def test_an_artifact_fits_by_name_and_version_of_which_a_worker_may_have_several() -> None:
    worker = {"installed_artifacts": [{"name": "llama", "version": "2"}, {"name": "llama", "version": "3"}, "voice"]}

    assert not lacking(worker, {"artifacts": {"llama": "3", "voice": "any"}})
    assert lacking(worker, {"artifacts": {"llama": "1", "voice": "2", "mask": "any"}}) == [
        "artifacts.llama is 2, 3, not 1",
        "artifacts.voice is not given, not 2",
        "artifacts.mask is not given, not any",
    ]


def test_a_skill_fits_by_version_and_type_of_the_kind_in_question() -> None:
    worker = {"supported_skills": [{"name": "cut", "version": "1"}, {"name": "render", "version": "2", "type": "ai"}]}

    assert not lacking(worker, {"skill": {"version": "2", "type": "ai"}})
    assert lacking(worker, {"skill": {"version": "1"}}) == ["skill.version is 2, not 1"]
    assert lacking({"supported_skills": ["render"]}, {"skill": {"version": "1"}}) == [
        "skill.version is not given, not 1"
    ]


@pytest.mark.parametrize("cost", [None, "cheap", -1, {}, True])
def test_a_cost_that_is_not_told_is_too_high(cost: Any) -> None:
    worker = {} if cost is None else {"capabilities": {"cost_per_skill": {"render": cost}}}

    assert lacking(worker, {"max_cost": 5}) == ["its cost for render is not given, and max_cost is 5"]


def test_a_cost_is_at_most_what_may_be_paid() -> None:
    worker = {"capabilities": {"cost_per_skill": {"render": 1.5}}}

    assert not lacking(worker, {"max_cost": 1.5})
    assert lacking(worker, {"max_cost": 0}) == ["its cost for render is 1.5, over max_cost 0"]


@pytest.mark.parametrize("told", HOSTILE)
def test_whatever_a_worker_tells_of_itself_can_be_compared(told: Any) -> None:
    asked = {"software": {"a": "1"}, "artifacts": {"a": "1"}, "skill": {"version": "1"}, "extra": {"a": 1}}
    names = ("installed_software", "installed_artifacts", "capabilities", "resources")

    assert lacking(dict.fromkeys(names, told), {**asked, "max_cost": 1})
