"""The child process that compiles: what it makes, what ends it, and that a live engine never imports the checker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from avtomat.blueprint.pieces import compile_piece
from avtomat.runtime.blueprints.compiling import CompileChild

GOOD = b"avtomat: 1\nblueprint: one\nstates: {a: {task: t, next: end}}\n"
WRONG = b"avtomat: 1\nblueprint: two\nstates: {a: {task: t, next: nowhere}}\n"
LARGE = b"avtomat: 1\nblueprint: large\nstates:\n" + b"".join(
    b"  s%d: {task: t, params: {b: '{{ input.x == %d and (input.y + %d) * %d > input.z or input.w < %d }}', a: "
    b"'{{ input.x + %d }} of {{ input.y - %d }}'}, next: end}\n" % ((n,) * 7)
    for n in range(5_500)
)
MB = 1024**2

ENGINE = """
import asyncio, sys
from pathlib import Path
from avtomat.runtime.service import Service
from avtomat.settings import Settings

async def run(folder):
    engine = Service(Settings(store="memory:", blueprints=folder))
    await engine.start()
    before = engine.programs.current["one"].digest
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("task: t", "task: other"))
    assert await engine.reload()
    assert engine.programs.current["one"].digest != before
    await engine.stop()
    print(*sorted(name for name in sys.modules if name.startswith(("avtomat.blueprint.", "ruamel"))))

asyncio.run(run(Path(sys.argv[1])))
"""


async def test_a_child_makes_what_this_process_would(tmp_path: Path) -> None:
    child = CompileChild()

    made = await child.compile([GOOD, WRONG, b"{", GOOD])
    await child.close()

    assert made == [compile_piece(content) for content in (GOOD, WRONG, b"{", GOOD)]


async def test_a_text_that_takes_too_long_is_a_finding_of_its_own() -> None:
    child = CompileChild(patience_s=0)

    (made,) = await child.compile([GOOD])
    await child.close()

    assert made.digest is None
    assert [(each.code, each.line) for each in made.diagnostics] == [("AVT029", 1)]
    assert "took too long" in made.diagnostics[0].message


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
async def test_a_text_that_uses_up_its_cpu_time_ends_its_child_and_the_next_one_has_another() -> None:
    child = CompileChild(cpu_s=0)

    large, good = await child.compile([LARGE, GOOD])
    await child.close()

    assert [each.code for each in large.diagnostics] == ["AVT029"]
    assert "signal" in large.diagnostics[0].message
    assert good == compile_piece(GOOD)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
async def test_a_text_that_uses_up_its_memory_is_a_finding_of_its_own() -> None:
    child = CompileChild(memory_bytes=90 * MB)

    large, good = await child.compile([LARGE, GOOD])
    await child.close()

    assert [each.code for each in large.diagnostics] == ["AVT029"]
    assert good == compile_piece(GOOD)


def test_an_engine_that_reloads_does_not_import_the_checker(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_bytes(GOOD)

    done = subprocess.run([sys.executable, "-c", ENGINE, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    assert "avtomat.blueprint.building" in modules
    checker = ("avtomat.blueprint.compiler", "avtomat.blueprint.checks.", "ruamel")
    assert not [name for name in modules if f"{name}.".startswith(checker)]
