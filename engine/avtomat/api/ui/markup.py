"""Make HTML of elements: what users sent is text, and never markup."""

from __future__ import annotations

from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already. Only this module and drawings of our own make it."""

    __slots__ = ()


Child = str | int | float | None
"""What may stand in an element; a text that is no Markup is escaped, None is nothing."""


def element(tag: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """An element; attributes are written `class_`, `data_x`, and left out where they are None or False."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{joined(*children)}</{tag}>")


def joined(*children: Child) -> Markup:
    """Several things one after the other."""
    return Markup("".join(_text(child) for child in children if child is not None))


def _text(child: str | float) -> str:
    return child if isinstance(child, Markup) else escape(str(child))


def _attribute(key: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
