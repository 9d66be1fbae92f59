"""Judge the server behind each new connection: may jobs be kept there, and is it the store that it was?

A store has an identity, a random word in `av:meta` that its first start writes. Whoever knows it refuses a server that
has another one, or none: it has lost what was acknowledged, or is another store. An operator who knows that says so by
`avtomat store accept`, which writes the word `accepted` beside the identity.
"""

from __future__ import annotations

import re
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.redis.wire.link import ServerInfo
from avtomat.storage.redis.wire.url import RedisAddress

VERSION_MIN: Final = (6, 2)
ACCEPT_HINT: Final = "restore it; or, if it is to be used as it is, run `avtomat store accept --yes`"


class Guard:
    """What is known of the server. `danger` says why no new job is safe there, `refusal` why it is not used at all."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._misfit: StoreError | None = None
        self._stranger: StoreError | None = None
        self.identity: str | None = None
        self.danger: StoreError | None = None
        self.refusal: StoreError | None = None

    def meet(self, server: ServerInfo) -> None:
        """Look at a server before the first call reaches it."""
        self._misfit = _cluster(server, self._address) or _too_old(server, self._address)
        self.danger = _eviction(server, self._address)
        if self.identity is not None:
            self.recognize(server.store_id)
        self.refusal = self._misfit or self._stranger

    def recognize(self, found: str) -> None:
        """Compare the identity that the server has now with the one that is known."""
        self._stranger = None if found == self.identity else self.stranger(found)
        self.refusal = self._misfit or self._stranger

    def refuse(self, error: StoreError) -> None:
        """Use the server no more, for this reason, until its identity is looked at again."""
        self._stranger = error
        self.refusal = self._misfit or error

    def stranger(self, found: str) -> StoreError:
        """The error for a store that is not the one that is known."""
        what = f"holds another store, {found}" if found else "is empty"
        return StoreError(
            f"Redis at {self._address} {what}: jobs of the store {self.identity} that were acknowledged are not there",
            code="store.replaced",
            hint=ACCEPT_HINT,
        )


def _cluster(server: ServerInfo, address: RedisAddress) -> StoreError | None:
    if server.fields.get("cluster_enabled", "0") == "0":
        return None
    return StoreError(
        f"Redis at {address} is a node of a Redis Cluster, which Avtomat does not support",
        code="store.cluster",
        hint="use a single Redis or Valkey (with replicas for failover if need be): cluster-enabled no",
    )


def _too_old(server: ServerInfo, address: RedisAddress) -> StoreError | None:
    version = server.fields.get("redis_version", "7.0")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= VERSION_MIN:
        return None
    return StoreError(f"Redis at {address} is version {version}; 6.2 or later is needed")


def _eviction(server: ServerInfo, address: RedisAddress) -> StoreError | None:
    policy = server.fields.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return None
    return StoreError(
        f"Redis at {address} has maxmemory-policy {policy} and would evict jobs when its memory is full",
        code="store.evicting",
        hint="set maxmemory-policy noeviction, and let the engine connect anew",
    )
