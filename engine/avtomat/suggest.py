"""Say which known word an unknown one was probably meant to be.

The search has a budget: long words are no slips, and of many known words only those are compared that begin alike and
are about as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

WORD_CHARS_MAX: Final = 80
COMPARED_MAX: Final = 30


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that `word` is a likely slip for."""
    candidates = _comparable(word, known)
    if not candidates:
        return None
    from difflib import get_close_matches  # not worth its import until somebody mistypes

    return next(iter(get_close_matches(word, candidates, n=1, cutoff=cutoff)), None)


def _comparable(word: str, known: Iterable[str]) -> list[str]:
    """The words to compare with: all of a few, of many those that begin alike, at most COMPARED_MAX."""
    size = len(word)
    if size > WORD_CHARS_MAX:
        return []
    near = [each for each in known if len(each) <= 2 * size + 2 and 2 * len(each) + 2 >= size]
    if len(near) <= COMPARED_MAX:
        return near
    near = [each for each in near if each[:1] == word[:1] and abs(len(each) - size) <= 2]
    near.sort(key=lambda each: (-_common(each, word), abs(len(each) - size)))
    return near[:COMPARED_MAX]


def _common(one: str, other: str) -> int:
    """How many characters both have in common at their beginnings and their ends."""
    size = min(len(one), len(other))
    first = next((at for at in range(size) if one[at] != other[at]), size)
    return first + next((at for at in range(size - first) if one[-1 - at] != other[-1 - at]), size - first)
