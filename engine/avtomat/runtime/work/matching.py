"""Tell what a worker lacks of what a task asks of it.

Requirements and registrations are the JSON of the worker protocol; what is not registered, a worker does not have. Of
numbers it needs at least what is asked, of lists all (one of `{any: […]}`), of models a part of the name, of software
and artifacts the version; each asked device is one of its own. What it lacks is given in words, one item after the
other, so that whoever only wants to know whether it fits stops at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from avtomat.core.formula import Json

SHOWN_CHARACTERS_MAX: Final = 80
DEVICES_ASKED_MAX: Final = 32
"""A blueprint asks for so many devices at most."""

_ANY_VERSION: Final = ("any", "*")


def fulfils(worker: Mapping[str, Json], asked: Mapping[str, Json], kind: str) -> bool:
    """Tell whether the worker with this registration may take tasks of `kind` that ask for `asked`."""
    return next(lacks(worker, asked, kind), None) is None


def lacks(worker: Mapping[str, Json], asked: Mapping[str, Json], kind: str) -> Iterator[str]:
    """What the worker with this registration lacks for tasks of `kind` that ask for `asked`."""
    if "type" in asked and worker.get("worker_type") != asked["type"]:
        yield f"type is {_shown(worker.get('worker_type'))}, not {asked['type']}"
    capabilities = _map(worker.get("capabilities"))
    yield from _lacks_skill(skill_of(worker, kind), _map(asked.get("skill")))
    yield from _lacks_resources(_map(worker.get("resources")), _map(asked.get("resources")))
    yield from _lacks_software(_map(worker.get("installed_software")), _map(asked.get("software")))
    yield from _lacks_artifacts(_list(worker.get("installed_artifacts")), _map(asked.get("artifacts")))
    yield from _lacks_values("extra", _map(capabilities.get("extra")), _map(asked.get("extra")), _is_equal)
    yield from _costs_too_much(cost_of(worker, kind), asked.get("max_cost"), kind)


def skill_of(worker: Mapping[str, Json], kind: str) -> Mapping[str, Json]:
    """What the worker registered of this kind of task."""
    skills = (_map(skill) for skill in _list(worker.get("supported_skills")))
    return next((skill for skill in skills if skill.get("name") == kind), {})


def cost_of(worker: Mapping[str, Json], kind: str) -> float | None:
    """The worker's cost for this kind of task; None where it gives none."""
    cost: Json = _map(_map(worker.get("capabilities")).get("cost_per_skill")).get(kind)
    return float(cost) if _is_number(cost) and cost >= 0 else None


def _lacks_skill(has: Mapping[str, Json], asked: Mapping[str, Json]) -> Iterator[str]:
    for name, value in asked.items():
        if has.get(name) != value:
            yield f"skill.{name} is {_shown(has.get(name))}, not {value}"


def _lacks_resources(has: Mapping[str, Json], asked: Mapping[str, Json]) -> Iterator[str]:
    flat = {name: value for name, value in asked.items() if name not in ("devices", "properties")}
    properties = {**_map(asked.get("properties")), **flat}
    yield from _lacks_values("resources", _map(has.get("properties")), properties, _is_enough)
    devices = [device for device in _list(has.get("devices")) if isinstance(device, dict)]
    yield from _lacks_devices(devices, _list(asked.get("devices"))[:DEVICES_ASKED_MAX])


# --- devices ----------------------------------------------------------------------------------------------------------


def _lacks_devices(devices: Sequence[Mapping[str, Json]], asked: Sequence[Json]) -> Iterator[str]:
    """Those that are asked for and cannot be had beside the others: a device stands for one of them only."""
    fitting = [[place for place, has in enumerate(devices) if _is_device(has, want)] for want in asked]
    given: dict[int, int] = {}
    for number, want in enumerate(asked):
        if not _give_device(number, fitting, given, set()):
            yield f"resources.devices has none{' left' if fitting[number] else ''} that is {_shown(want)}"


def _give_device(number: int, fitting: Sequence[Sequence[int]], given: dict[int, int], tried: set[int]) -> bool:
    """Assign a device that fits to this demand, if need be one of another demand that takes another one then."""
    for place in fitting[number]:
        if place not in tried:
            tried.add(place)
            if place not in given or _give_device(given[place], fitting, given, tried):
                given[place] = number
                return True
    return False


def _is_device(device: Mapping[str, Json], want: Json) -> bool:
    if not isinstance(want, dict):
        return False
    lacking = _lacks_values("", _map(device.get("properties")), _map(want.get("properties")), _is_enough)
    return (
        ("type" not in want or device.get("type") == want["type"])
        and str(want.get("model", "")).casefold() in str(device.get("model", "")).casefold()
        and next(lacking, None) is None
    )


# --- values -----------------------------------------------------------------------------------------------------------


def _lacks_values(
    what: str, has: Mapping[str, Json], asked: Mapping[str, Json], fits: Callable[[Json, Json], bool]
) -> Iterator[str]:
    for name, value in asked.items():
        if name not in has or not _has_all(has[name], value, fits):
            yield f"{what}.{name} is {_shown(has.get(name))}, not {_shown(value)}"


def _has_all(has: Json, asked: Json, fits: Callable[[Json, Json], bool]) -> bool:
    """All values of a list, one of `{any: […]}`, or the one value; one value of a worker is a list of it."""
    given = has if isinstance(has, list) else [has]
    if isinstance(asked, dict) and asked.keys() == {"any"}:
        wanted = asked["any"] if isinstance(asked["any"], list) else [asked["any"]]
        return any(fits(each, value) for value in wanted for each in given)
    wanted = asked if isinstance(asked, list) else [asked]
    return all(any(fits(each, value) for each in given) for value in wanted)


def _is_enough(has: Json, asked: Json) -> bool:
    if _is_number(has) and _is_number(asked):
        return bool(has >= asked)
    return _is_equal(has, asked)


def _is_equal(has: Json, asked: Json) -> bool:
    return isinstance(has, bool) == isinstance(asked, bool) and bool(has == asked)


# --- software, artifacts, costs ---------------------------------------------------------------------------------------


def _lacks_software(has: Mapping[str, Json], asked: Mapping[str, Json]) -> Iterator[str]:
    for name, version in asked.items():
        if name not in has or version not in (*_ANY_VERSION, has[name]):
            yield f"software.{name} is {_shown(has.get(name))}, not {version}"


def _lacks_artifacts(has: Sequence[Json], asked: Mapping[str, Json]) -> Iterator[str]:
    """An artifact may be there in several versions."""
    for name, version in asked.items():
        versions = [_map(each).get("version") for each in has if name in (each, _map(each).get("name"))]
        if not versions:
            yield f"artifacts.{name} is not given, not {version}"
        elif version not in (*_ANY_VERSION, *versions):
            yield f"artifacts.{name} is {_shown(', '.join(map(_shown, versions)))}, not {version}"


def _costs_too_much(cost: float | None, cost_max: Json, kind: str) -> Iterator[str]:
    if cost_max is None:
        return
    if cost is None:
        yield f"its cost for {kind} is not given, and max_cost is {cost_max}"
    elif cost > cost_max:
        yield f"its cost for {kind} is {cost:g}, over max_cost {cost_max}"


def _shown(value: Json) -> str:
    """A value of a registration in a sentence."""
    return "not given" if value is None else str(value)[:SHOWN_CHARACTERS_MAX]


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
