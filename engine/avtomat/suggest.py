"""Say which known word an unknown one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` is a likely slip for."""
    from difflib import get_close_matches  # not worth its import until somebody mistypes

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), None)
