"""Tell what a worker lacks of what a task asks: numbers at least, lists by inclusion, models by part, software by
version.

Requirements and registrations are the JSON of the worker protocol; what a worker does not tell, it does not have. What
it lacks is told in words, one finding after the other, so that whoever only wants to know whether it fits stops at the
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from avtomat.core.formula import Json

TOLD_CHARACTERS_MAX = 80


def fulfils(worker: Mapping[str, Json], asked: Mapping[str, Json], kind: str) -> bool:
    """Tell whether the worker with this registration may take tasks of `kind` that ask for `asked`."""
    return next(lacks(worker, asked, kind), None) is None


def lacks(worker: Mapping[str, Json], asked: Mapping[str, Json], kind: str) -> Iterator[str]:
    """What the worker with this registration lacks for tasks of `kind` that ask for `asked`."""
    if "type" in asked and worker.get("worker_type") != asked["type"]:
        yield f"type is {_told(worker.get('worker_type'))}, not {asked['type']}"
    yield from _lacks_resources(_map(worker.get("resources")), _map(asked.get("resources")))
    yield from _lacks_software(_map(worker.get("installed_software")), _map(asked.get("software")))
    yield from _costs_too_much(worker, asked.get("max_cost"), kind)


def _lacks_resources(has: Mapping[str, Json], asked: Mapping[str, Json]) -> Iterator[str]:
    devices = [device for device in _list(has.get("devices")) if isinstance(device, dict)]
    properties = {
        **_map(asked.get("properties")),
        **{k: v for k, v in asked.items() if k not in ("devices", "properties")},
    }
    yield from _lacks_properties(_map(has.get("properties")), properties)
    for want in _list(asked.get("devices")):
        if not isinstance(want, dict) or not any(_is_device(device, want) for device in devices):
            yield f"resources.devices has none that is {_told(want)}"


def _is_device(device: Mapping[str, Json], want: Mapping[str, Json]) -> bool:
    model, type_ = str(device.get("model", "")), want.get("type")
    return (
        (type_ is None or device.get("type") == type_)
        and str(want.get("model", "")).lower() in model.lower()
        and next(_lacks_properties(_map(device.get("properties")), _map(want.get("properties"))), None) is None
    )


def _lacks_properties(has: Mapping[str, Json], asked: Mapping[str, Json]) -> Iterator[str]:
    for name, value in asked.items():
        if name not in has or not _is_enough(has[name], value):
            yield f"resources.{name} is {_told(has.get(name))}, not {_told(value)}"


def _is_enough(has: Json, asked: Json) -> bool:
    if _is_number(has) and _is_number(asked):
        return bool(has >= asked)
    if isinstance(has, list):
        wanted = asked if isinstance(asked, list) else [asked]
        return all(value in has for value in wanted)
    if isinstance(asked, list):
        return has in asked
    return bool(has == asked)


def _lacks_software(has: Mapping[str, Json], asked: Mapping[str, Json]) -> Iterator[str]:
    for name, version in asked.items():
        if name not in has or version not in ("any", "*", has[name]):
            yield f"software.{name} is {_told(has.get(name))}, not {version}"


def _costs_too_much(worker: Mapping[str, Json], cost_max: Json, kind: str) -> Iterator[str]:
    if cost_max is None:
        return
    cost = _map(_map(worker.get("capabilities")).get("cost_per_skill")).get(kind, 0)
    if not _is_number(cost) or cost > cost_max:
        yield f"its cost for {kind} is {_told(cost)}, over max_cost {cost_max}"


def _told(value: Json) -> str:
    """A value of a registration in a sentence."""
    return "not told" if value is None else str(value)[:TOLD_CHARACTERS_MAX]


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
