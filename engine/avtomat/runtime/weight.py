"""Estimate from a JSON text what its value takes in memory: up to 37 times as much, where it is nothing but maps."""

from __future__ import annotations

from typing import Final

MAP_BYTES: Final = 64
LIST_BYTES: Final = 96
ITEM_BYTES: Final = 72
"""What an item costs beside its characters: its place in the container, and the head of the value."""

KEY_BYTES: Final = 176
"""The same of a key: its entry, with the room that maps keep free, and the head of its text."""

CHARACTER_BYTES_MAX: Final = 4

BYTES_A_BYTE_MAX: Final = 64
"""No JSON text weighs more for each of its bytes: the heaviest is full of empty lists."""


def weight_of(text: bytes) -> int:
    """Bytes that the value of the text takes, rather too many: what stands in texts is counted as if it stood outside.

    A character outside of ASCII, also an escaped one, can make every character of its text four bytes wide.
    """
    count = text.count
    wide = not text.isascii() or b"\\u" in text
    return (
        (len(text) * CHARACTER_BYTES_MAX if wide else len(text))
        + count(b"{") * MAP_BYTES
        + count(b"[") * LIST_BYTES
        + count(b",") * ITEM_BYTES
        + count(b":") * KEY_BYTES
    )
