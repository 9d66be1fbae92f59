"""Know the workers that are near this replica: what they registered, what they were handed here, their sockets.

A seat is kept while its worker is heard of here, and leaves with the worker's registration. All that it holds is
bounded: by number, and what was registered by bytes, for each worker and in all.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Final
from weakref import WeakValueDictionary

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.work.matching import cost_of
from avtomat.runtime.work.matchmaker import Profile, Standing
from avtomat.runtime.work.strategies import Merit
from avtomat.storage.port.codec import dumps, loads

SEATS_MAX: Final = 10_000
REGISTRATION_BYTES_MAX: Final = 64 * 1024
REGISTRATIONS_BYTES_MAX: Final = 64 * 1024 * 1024
"""What the workers that are near one replica may have registered, in all."""

REGISTER_RETRY_AFTER_S: Final = 30
UNANSWERED_MAX: Final = 100
HOT_MAX: Final = 500
HELD_MAX: Final = 100
"""So many of the newest attempts are known for each worker: one whose answer was lost is among them."""

LEAVING: Final = frozenset({"draining", "offline"})
"""Statuses of a worker that takes no more tasks: it ends those that it has, or it is gone."""

_DEVICE: Final = ("type", "model", "properties")
_SKILL: Final = ("name", "type", "version")
_ARTIFACT: Final = ("name", "version")
_CAPABILITIES: Final = ("cost_per_skill", "extra")

Send = Callable[[Mapping[str, Json]], None]


@dataclass(slots=True)
class Seat:
    """What this replica knows of one worker.

    `kinds` and `profile` are what it registered (`digest` None: nothing, as far as is known); `asked_ms` is when that
    was last heard of. `held` was handed to it here, each under a nonce, the newest last; `unanswered` are the nonces of
    claims whose answers were lost, and `brought` is the last claim under a nonce of its own that brought something,
    each with its partition; `standings` are its polls here; `leaving` is what it said of itself last, where that is
    that it stops (LEAVING). `taking` is what a poll named last, with the profile then and what it could take: a worker
    names the same in each poll. In the partitions of `reserved` attempts may be reserved for it. `merit` is what counts
    when several workers wait.
    """

    profile: Profile
    merit: Merit = field(default_factory=Merit)
    kinds: tuple[str, ...] = ()
    skills_hash: Json = None
    digest: bytes | None = None
    registered_bytes: int = 0
    asked_ms: int = 0
    heard_ms: int = 0
    until_ms: int = 0
    taking: tuple[tuple[str, ...], Profile | None, tuple[str, ...]] = (), None, ()
    polled_kinds: tuple[str, ...] = ()
    polled_ms: int = 0
    held: OrderedDict[str, str] = field(default_factory=OrderedDict)
    sockets: list[Send] = field(default_factory=list)
    unanswered: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=UNANSWERED_MAX))
    brought: tuple[int, str] | None = None
    standings: set[Standing] = field(default_factory=set)
    leaving: str | None = None
    reserved: set[int] = field(default_factory=set)
    is_kept: bool = True

    def hold(self, task_id: str, nonce: str) -> None:
        """The attempt was handed to it here, under this nonce."""
        self.held[task_id] = nonce
        if len(self.held) > HELD_MAX:
            self.held.popitem(last=False)

    def not_received(self, holding: Container[str], nonce: str) -> list[str]:
        """What was handed to it and is not among what it holds, but for what comes again to a poll under this nonce."""
        return [held for held, under in self.held.items() if held not in holding and under != nonce]

    def repeated_in(self, nonce: str) -> set[int]:
        """The partitions in which a poll under this nonce (of a worker that names none: any) repeats a claim."""
        if not self.unanswered:
            return {self.brought[0]} if self.brought is not None and self.brought[1] == nonce else set()
        claims = {claim for claim in self.unanswered if nonce in ("", claim[1])}
        if self.brought is not None and self.brought[1] == nonce:
            claims.add(self.brought)
        return {partition for partition, _ in claims}

    def unanswered_in(self, partition: int, nonce: str) -> str | None:
        """Take the nonce of a claim in this partition whose answer was lost: this nonce, or any where it is empty."""
        if not self.unanswered:
            return None
        found = next((claim for claim in self.unanswered if claim[0] == partition and nonce in ("", claim[1])), None)
        if found is None:
            return None
        self.unanswered.remove(found)
        return found[1]

    def takes(self, named: tuple[str, ...]) -> tuple[str, ...]:
        """Of the kinds that a poll names (none: all that are registered), those that the worker registered. A worker
        that registered none takes what it names; the name of a queue is no kind.
        """
        if not named:
            return self.kinds
        before, profile, taken = self.taking
        if named != before or profile is not self.profile:
            known = self.profile.kinds
            fit = [kind for kind in named if "#" not in kind and (not known or kind in known)]
            taken = tuple(dict.fromkeys(fit))
            self.taking = named, self.profile, taken
        return taken


class Seats:
    """The seats of one replica, those that were heard of longest ago first. `kept_ms` is how long one is kept; `hot`
    counts the workers that are hot for a kind.
    """

    def __init__(self, now_ms: Callable[[], int], hot: Counter[str], *, kept_ms: int) -> None:
        self._now_ms = now_ms
        self._hot = hot
        self._kept_ms = kept_ms
        self._seats: OrderedDict[str, Seat] = OrderedDict()
        self._profiles: WeakValueDictionary[tuple[frozenset[str], bytes], Profile] = WeakValueDictionary()
        self._nothing = self._profile({}, ())
        self._bytes = 0
        self._coming_bytes = 0

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[tuple[str, Seat]]:
        return iter(self._seats.items())

    def find(self, worker: str) -> Seat | None:
        """The worker's seat, if it has one."""
        return self._seats.get(worker)

    def of(self, worker: str) -> Seat:
        """The seat of a worker that is heard of now."""
        now_ms = self._now_ms()
        seat = self._seats.get(worker)
        if seat is None:
            self._clear(now_ms)
            seat = self._seats[worker] = Seat(profile=self._nothing)
        else:
            self._seats.move_to_end(worker)
        seat.heard_ms, seat.until_ms = now_ms, now_ms + self._kept_ms
        return seat

    @contextmanager
    def room_for(self, worker: str, record: bytes) -> Iterator[None]:
        """Hold room for a registration until it is `registered`, so that those which come at once count together.

        Raises RequestRefused for one that is too large: 413 by itself, 429 with those that are there.
        """
        self._check(worker, record)
        self._coming_bytes += len(record)
        try:
            yield
        finally:
            self._coming_bytes -= len(record)

    def _check(self, worker: str, record: bytes) -> None:
        if len(record) > REGISTRATION_BYTES_MAX:
            text = f"the registration is {len(record)} bytes; at most {REGISTRATION_BYTES_MAX} are kept"
            raise RequestRefused(
                text, status=413, code="registration.too_large", hint="leave out what no blueprint asks for"
            )
        if self._bytes_beside(worker) + len(record) > REGISTRATIONS_BYTES_MAX:
            self._clear(self._now_ms())
        if self._bytes_beside(worker) + len(record) > REGISTRATIONS_BYTES_MAX:
            raise RequestRefused(
                f"the registrations of all workers have more than {REGISTRATIONS_BYTES_MAX} bytes",
                status=429,
                code="registration.too_many",
                retry_after_s=REGISTER_RETRY_AFTER_S,
            )

    def registered(self, seat: Seat, record: bytes | None) -> bool:
        """The worker's registration is this (None: it has none). Returns whether that changes what it may take."""
        seat.asked_ms = self._now_ms()
        digest = None if record is None else blake2b(record, digest_size=16).digest()
        if digest == seat.digest:
            return False
        told = {} if record is None else loads(record)
        size = 0 if record is None else len(record)
        if seat.is_kept:
            self._bytes += size - seat.registered_bytes
        before = seat.profile
        seat.digest, seat.registered_bytes, seat.skills_hash = digest, size, told.get("skills_hash")
        seat.kinds = kinds_of(told)
        seat.profile = self._profile(told, seat.kinds)
        seat.merit.costs = {kind: cost for kind in _costs(told) if (cost := cost_of(told, kind)) is not None}
        self.is_hot_for(seat, told.get("hot_skills") or ())
        return seat.profile is not before

    def is_hot_for(self, seat: Seat, kinds: Iterable[Json]) -> None:
        """The worker is hot for these kinds, and no others."""
        hot = frozenset(islice((kind for kind in kinds if isinstance(kind, str)), HOT_MAX))
        if hot != seat.merit.hot:
            if seat.is_kept:
                self._count_hot(seat, -1)
            seat.merit.hot = hot
            if seat.is_kept:
                self._count_hot(seat, 1)

    def _count_hot(self, seat: Seat, change: int) -> None:
        for kind in seat.merit.hot:
            self._hot[kind] += change
            if not self._hot[kind]:
                del self._hot[kind]

    def _bytes_beside(self, worker: str) -> int:
        seat = self._seats.get(worker)
        return self._bytes + self._coming_bytes - (0 if seat is None else seat.registered_bytes)

    def _profile(self, record: Mapping[str, Json], kinds: tuple[str, ...]) -> Profile:
        """What of a registration counts for matching; the same object for equal ones."""
        place = frozenset(kinds), dumps(_matched(record))
        profile = self._profiles.get(place)
        if profile is None:
            profile = self._profiles[place] = Profile(*place)
        return profile

    def _clear(self, now_ms: int) -> None:
        """Let those go that were not heard of for too long; one with a poll or a socket here stays."""
        for worker, seat in list(self._overdue(now_ms)):
            if seat.sockets or seat.standings:
                self._seats.move_to_end(worker)
                seat.until_ms = now_ms + self._kept_ms
            else:
                self._drop(worker)
        while len(self._seats) >= SEATS_MAX:
            self._drop(next(iter(self._seats)))

    def _overdue(self, now_ms: int) -> Iterator[tuple[str, Seat]]:
        for worker, seat in self._seats.items():
            if seat.until_ms > now_ms:
                return
            yield worker, seat

    def _drop(self, worker: str) -> None:
        seat = self._seats.pop(worker)
        self._count_hot(seat, -1)
        seat.is_kept = False
        self._bytes -= seat.registered_bytes


def kinds_of(record: Mapping[str, Json]) -> tuple[str, ...]:
    """The kinds of task that a registration names."""
    skills = (skill["name"] if isinstance(skill, dict) else skill for skill in record.get("supported_skills") or ())
    return tuple(dict.fromkeys(skill for skill in skills if isinstance(skill, str)))


def _matched(record: Mapping[str, Json]) -> dict[str, Json]:
    """What `matching.fulfils` reads of a registration; of devices without what makes each one special."""
    found = {name: record[name] for name in ("worker_type", "installed_software") if name in record}
    skills = [_part(skill, _SKILL) for skill in record.get("supported_skills") or () if _tells_more(skill)]
    if skills:
        found["supported_skills"] = skills
    artifacts = record.get("installed_artifacts")
    if isinstance(artifacts, list):
        found["installed_artifacts"] = [_part(each, _ARTIFACT) for each in map(_named, artifacts)]
    resources, capabilities = record.get("resources"), record.get("capabilities")
    if isinstance(resources, dict):
        devices = resources.get("devices")
        if isinstance(devices, list):
            devices = [_part(device, _DEVICE) for device in devices if isinstance(device, dict)]
        found["resources"] = {"properties": resources.get("properties"), "devices": devices}
    if isinstance(capabilities, dict):
        found["capabilities"] = _part(capabilities, _CAPABILITIES)
    return found


def _costs(record: Mapping[str, Json]) -> Iterable[str]:
    capabilities = record.get("capabilities")
    costs = capabilities.get("cost_per_skill") if isinstance(capabilities, dict) else None
    return costs if isinstance(costs, dict) else ()


def _tells_more(skill: Json) -> bool:
    return isinstance(skill, dict) and any(skill.get(name) is not None for name in _SKILL[1:])


def _named(artifact: Json) -> Mapping[str, Json]:
    return artifact if isinstance(artifact, dict) else {"name": artifact}


def _part(value: Mapping[str, Json], names: tuple[str, ...]) -> dict[str, Json]:
    return {name: value[name] for name in names if name in value}
