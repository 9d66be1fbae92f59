"""Tell whether a worker fulfils what a task asks: numbers at least, lists by inclusion, models by part, software by
version.

Requirements and registrations are the JSON of the worker protocol; what a worker does not tell, it does not have.
"""

from __future__ import annotations

from collections.abc import Mapping

from avtomat.core.formula import Json


def fulfils(worker: Mapping[str, Json], asked: Mapping[str, Json], kind: str) -> bool:
    """Tell whether the worker with this registration may take tasks of `kind` that ask for `asked`."""
    return (
        ("type" not in asked or worker.get("worker_type") == asked["type"])
        and _has_resources(_map(worker.get("resources")), _map(asked.get("resources")))
        and _has_software(_map(worker.get("installed_software")), _map(asked.get("software")))
        and _is_cheap_enough(worker, asked.get("max_cost"), kind)
    )


def _has_resources(has: Mapping[str, Json], asked: Mapping[str, Json]) -> bool:
    devices = [device for device in has.get("devices", ()) if isinstance(device, dict)]
    wanted = asked.get("devices", [])
    properties = {
        **_map(asked.get("properties")),
        **{k: v for k, v in asked.items() if k not in ("devices", "properties")},
    }
    return _has_all(_map(has.get("properties")), properties) and all(
        any(_is_device(device, want) for device in devices) for want in wanted
    )


def _is_device(device: Mapping[str, Json], want: Mapping[str, Json]) -> bool:
    model, type_ = str(device.get("model", "")), want.get("type")
    return (
        (type_ is None or device.get("type") == type_)
        and str(want.get("model", "")).lower() in model.lower()
        and _has_all(_map(device.get("properties")), _map(want.get("properties")))
    )


def _has_all(has: Mapping[str, Json], asked: Mapping[str, Json]) -> bool:
    return all(name in has and _is_enough(has[name], value) for name, value in asked.items())


def _is_enough(has: Json, asked: Json) -> bool:
    if _is_number(has) and _is_number(asked):
        return bool(has >= asked)
    if isinstance(has, list):
        wanted = asked if isinstance(asked, list) else [asked]
        return all(value in has for value in wanted)
    if isinstance(asked, list):
        return has in asked
    return bool(has == asked)


def _has_software(has: Mapping[str, Json], asked: Mapping[str, Json]) -> bool:
    return all(name in has and version in ("any", "*", has[name]) for name, version in asked.items())


def _is_cheap_enough(worker: Mapping[str, Json], cost_max: Json, kind: str) -> bool:
    if cost_max is None:
        return True
    cost = _map(_map(worker.get("capabilities")).get("cost_per_skill")).get(kind, 0)
    return _is_number(cost) and bool(cost <= cost_max)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
