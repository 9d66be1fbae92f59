"""Write down what a fork's bodies see, and give each body its part: its machine, its item, and what is around it.

A fork is one small record with two kinds of values beside it: the variables and outputs around the block, once, and the
items of a foreach in pages. So a body costs one page at most, however many there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from avtomat.core.formula import Json
from avtomat.core.messages import ForkScopes
from avtomat.core.model import Error
from avtomat.core.scope import Around, Scope
from avtomat.core.value import value
from avtomat.storage.port.codec import dumps, loads, outputs_as_json, outputs_from_json
from avtomat.storage.port.writes import Fork

PAGE_BYTES_AIM = 32 * 1024

Fetch = Callable[[str], Awaitable[Json]]
"""Brings a value of the job by its id."""


@value
class WrittenFork:
    """The fork as the store gets it, with its values."""

    fork: Fork
    values: Mapping[str, bytes]


def encode_fork(order: ForkScopes, scope: Scope, around: Around) -> WrittenFork:
    """Encode a fork of `scope`, which itself has `around` around it."""
    name = f"{scope.path}@{scope.version}"
    seen: dict[str, Json] = {
        "data": {**around.data, **scope.data},
        **outputs_as_json({**around.outputs, **scope.outputs}),
        "names": around.names,
    }
    if (caught := scope.error or around.error) is not None:
        seen["error"] = caught.as_record()
    if (ending := order.ending or around.ending) is not None:
        seen["ending"] = ending
    values = {f"{name}.around": dumps(seen)}
    record: dict[str, Json] = {"name": name, "machines": order.machines, "places": order.places}
    if order.item_name is not None:
        pages = _pages(order)
        record["as"] = order.item_name
        record["per_page"] = len(pages[0])
        values.update({f"{name}.items.{number}": dumps(page) for number, page in enumerate(pages)})
    fork = Fork(
        number=order.number,
        total=order.total,
        need=order.need,
        tolerated=order.tolerated,
        window=order.window,
        environment=dumps(record),
    )
    return WrittenFork(fork=fork, values=values)


def _pages(order: ForkScopes) -> list[list[Json]]:
    items = list(order.items)
    per_page = max(1, len(items) * PAGE_BYTES_AIM // max(1, len(dumps(items))))
    return [items[at : at + per_page] for at in range(0, len(items), per_page)]


async def around_of(environment: bytes, path: str, fetch: Fetch) -> Around:
    """What the body at `path` sees around it."""
    record = loads(environment)
    index = int(path.rpartition(".")[2])
    seen = await fetch(f"{record['name']}.around")
    names, place, machine = seen["names"], record["places"][0], record["machines"][0]
    if "as" in record:
        page = await fetch(f"{record['name']}.items.{index // record['per_page']}")
        names = {**names, record["as"]: page[index % record["per_page"]], "index": index}
        place = f"{place}[{index}]"
    else:
        place, machine = record["places"][index], record["machines"][index]
    return Around(
        machine=machine,
        place=place,
        data=seen["data"],
        outputs=outputs_from_json(seen),
        names=names,
        error=Error.from_json(seen["error"]) if "error" in seen else None,
        ending=seen.get("ending"),
    )
