"""Find the handler of an address.

Addresses are compared part by part: a literal part is itself, `{name}` is any part but the empty one. Routes are kept
by method and number of parts, so that a request is compared with few of them, those with more literal parts first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar
from urllib.parse import unquote

PATHS_KNOWN_MAX = 512
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Pattern(Generic[T]):
    """The parts that must be there, with their positions; those that may be anything, by name; who is asked then."""

    literals: tuple[tuple[int, str], ...]
    names: tuple[tuple[int, str], ...]
    handler: T

    def parts_of(self, parts: Sequence[str]) -> Mapping[str, str] | None:
        """The variable parts of an address with as many parts, None when it is another one."""
        for position, text in self.literals:
            if parts[position] != text:
                return None
        found = {name: parts[position] for position, name in self.names}
        return None if "" in found.values() else found


class Router(Generic[T]):
    """Handlers by method and address."""

    def __init__(self, routes: Iterable[tuple[str, str, T]]) -> None:
        self._by_shape: defaultdict[tuple[str, int], list[_Pattern[T]]] = defaultdict(list)
        self.routes: list[tuple[str, str]] = []
        for method, path, handler in routes:
            pattern = _pattern_of(path, handler)
            self._by_shape[method, path.count("/")].append(pattern)
            self.routes.append((method, path))
        for patterns in self._by_shape.values():
            patterns.sort(key=lambda pattern: len(pattern.names))
        self.find = lru_cache(maxsize=PATHS_KNOWN_MAX)(self._find)  # the same few are asked again and again

    def _find(self, method: str, raw_path: str) -> tuple[T, Mapping[str, str]] | None:
        """The handler for a method at a path as it was sent, with the decoded variable parts; None: there is none."""
        parts = _parts_of(raw_path)
        for pattern in self._by_shape.get((method, len(parts)), ()):
            found = pattern.parts_of(parts)
            if found is not None:
                return pattern.handler, found
        return None

    def methods(self, raw_path: str) -> list[str]:
        """The methods that an address knows, sorted."""
        return sorted(set(self._methods_at(_parts_of(raw_path))))

    def _methods_at(self, parts: Sequence[str]) -> Iterator[str]:
        for (method, size), patterns in self._by_shape.items():
            if size == len(parts) and any(pattern.parts_of(parts) is not None for pattern in patterns):
                yield method


def _pattern_of(path: str, handler: T) -> _Pattern[T]:
    parts = list(enumerate(path.split("/")[1:]))
    return _Pattern(
        literals=tuple((position, part) for position, part in parts if not part.startswith("{")),
        names=tuple((position, part[1:-1]) for position, part in parts if part.startswith("{")),
        handler=handler,
    )


def _parts_of(raw_path: str) -> list[str]:
    parts = raw_path.split("/")[1:]
    return [unquote(part) for part in parts] if "%" in raw_path else parts
