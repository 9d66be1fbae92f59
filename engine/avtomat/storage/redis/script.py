"""Hold the Lua scripts: one file a state change, named by it, known to Redis by the SHA-1 of its text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

INCLUDE: Final = b"--@include "
LATER: Final = b"--@later "


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A Lua script and the name under which Redis caches it."""

    name: str
    source: bytes
    sha: bytes


def script_of(name: str, source: bytes) -> Script:
    """The script with this text."""
    # SHA-1 is what Redis names scripts by; nothing depends on its strength.
    sha = hashlib.sha1(source, usedforsecurity=False).hexdigest()
    return Script(name=name, source=source, sha=sha.encode())


@cache
def load_script(name: str) -> Script:
    """The script in `lua/<name>.lua`; a line `--@include <part>` is replaced by the text of `lua/parts/<part>.lua`.

    `--@later <part>` stands for a part that is made when a function of it is first called; see parts/base.lua.
    """
    lines = (_included(line) for line in _read(f"{name}.lua").split(b"\n"))
    return script_of(name, b"\n".join(lines))


def load_scripts() -> list[Script]:
    """All scripts."""
    names = sorted(file.name for file in _folder().iterdir() if file.name.endswith(".lua"))
    return [load_script(name.removesuffix(".lua")) for name in names]


def read_part(name: str) -> bytes:
    """The text of a part that scripts share."""
    return _read(f"parts/{name}.lua")


def _included(line: bytes) -> bytes:
    if line.startswith(INCLUDE):
        return read_part(line.removeprefix(INCLUDE).decode())
    if line.startswith(LATER):
        part = read_part(line.removeprefix(LATER).decode())
        return b"later[#later + 1] = function()\n" + part + b"end\n"
    return line


def _read(file: str) -> bytes:
    return _folder().joinpath(file).read_bytes()


def _folder() -> Traversable:
    return files("avtomat.storage.redis") / "lua"
