"""Each module imports only what lies below it, and a command loads only what it uses.

    cli > conformance > api > runtime | graph > storage | access > blueprint > core
    cli > rehearsal | embedding > runtime

Names joined by `|` never import each other. All but `core` may import the shared modules. The worker SDK stands alone,
and is used by `cli` and `embedding`, which put a worker into the engine's own process. The package itself names
`embedding` alone, and imports it when it is asked for.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[1] / "engine"
PACKAGE = "the package avtomat itself"
SHARED = frozenset(
    {"diagnostics", "errors", "logs", "resources", "secrets", "setting_kinds", "settings", "settings_loader", "suggest"}
)
BELOW: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "storage": frozenset({"core"}),
    "blueprint": frozenset({"core"}),
    "graph": frozenset({"core"}),
    "access": frozenset({"core", "blueprint"}),
    "runtime": frozenset({"core", "storage", "blueprint", "access"}),
    "api": frozenset({"core", "storage", "blueprint", "access", "runtime", "graph"}),
    "conformance": frozenset({"core", "runtime", "api"}),
    "rehearsal": frozenset({"core", "storage", "blueprint", "runtime"}),
    "embedding": frozenset({"core", "storage", "blueprint", "runtime", "avtomat_worker"}),
    "cli": frozenset(
        {
            "core",
            "storage",
            "blueprint",
            "access",
            "runtime",
            "api",
            "conformance",
            "rehearsal",
            "embedding",
            "avtomat_worker",
            "graph",
        }
    ),
    "__main__": frozenset({"cli"}),
    PACKAGE: frozenset({"embedding"}),
    "avtomat_worker": frozenset(),
} | dict.fromkeys(SHARED, frozenset({"core"}))
FILES = sorted(ENGINE.rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(ENGINE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str | None:
    """The layer of one of our modules; the package `avtomat` itself and others' modules have none."""
    first, _, rest = module.partition(".")
    if first == "avtomat":
        return rest.partition(".")[0] or None
    return first if first == "avtomat_worker" else None


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that the file imports, wherever the import stands."""
    module = module_of(file)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            # `from avtomat import core` imports avtomat.core
            names = [f"avtomat.{alias.name}" for alias in node.names] if source == "avtomat" else [source]
            yield from ((node.lineno, name) for name in names)


def allowed_of(layer: str) -> frozenset[str]:
    shared = frozenset() if layer in {"core", "avtomat_worker"} else SHARED
    return BELOW[layer] | shared | {layer}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_module_imports_only_what_lies_below_it(file: Path) -> None:
    allowed = allowed_of(layer_of(module_of(file)) or PACKAGE)
    ours = [(line, name) for line, name in imports_of(file) if layer_of(name) is not None]
    wrong = [f"{file}:{line}: {name}" for line, name in ours if layer_of(name) not in allowed]

    assert not wrong


@pytest.mark.parametrize("file", [file for file in FILES if layer_of(module_of(file)) == "core"], ids=module_of)
def test_the_core_imports_only_itself_and_the_standard_library(file: Path) -> None:
    impure = {"asyncio", "logging", "os", "random", "secrets", "socket", "subprocess", "threading", "time"}
    known = (sys.stdlib_module_names - impure) | {"avtomat"}
    wrong = [f"{file}:{line}: {name}" for line, name in imports_of(file) if name.partition(".")[0] not in known]

    assert not wrong


def test_every_module_has_a_layer() -> None:
    layers = {layer_of(module_of(file)) for file in FILES} - {None}

    assert layers <= BELOW.keys()


def modules_after(*arguments: str) -> set[str]:
    """The modules that a command leaves loaded in a fresh interpreter, without those that an idle one has."""
    program = (
        "import sys; idle = set(sys.modules); sys.argv = ['avtomat', *sys.argv[1:]]\n"
        "from avtomat.cli.main import main\n"
        "code = main()\n"
        "import json; print('\\n' + json.dumps([code, sorted(set(sys.modules) - idle)]))"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stdout + done.stderr
    return set(modules)


def test_validate_loads_neither_a_web_server_nor_redis(tmp_path: Path) -> None:
    blueprint = tmp_path / "hello.yaml"
    blueprint.write_text("avtomat: 1\nblueprint: hello\nstates:\n  greet: {task: greet}\n")

    packages = {name.partition(".")[0] for name in modules_after("validate", str(blueprint))}

    assert not packages & {"aiohttp", "redis", "hiredis", "sqlite3", "uvloop", "fakeredis"}


def test_the_runner_of_tests_loads_neither_a_web_server_nor_redis(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text("avtomat: 1\nblueprint: hello\nstates:\n  greet: {task: greet}\n")
    tests = tmp_path / "hello.test.yaml"
    tests.write_text("avtomat: 1\ntest: hello.yaml\ncases: [{name: good, tasks: {greet: {}}}]\n")

    packages = {name.partition(".")[0] for name in modules_after("test", str(tests))}

    assert not packages & {"aiohttp", "redis", "hiredis", "sqlite3", "uvloop", "fakeredis"}


def test_an_engine_that_serves_loads_no_description_of_its_api() -> None:
    program = "import sys; import avtomat.api.app; print([name for name in sys.modules if 'openapi' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_help_loads_no_other_package_and_no_command() -> None:
    modules = modules_after("--help")
    ours = {name for name in modules if name.partition(".")[0] in {"avtomat", "avtomat_worker"}}

    assert {name.partition(".")[0] for name in modules} - {"avtomat"} <= sys.stdlib_module_names
    own = {"avtomat.cli", "avtomat.cli.commands", "avtomat.cli.main"}
    assert ours <= {"avtomat", *own, "avtomat.errors", "avtomat.suggest"}


def test_the_package_itself_loads_nothing_until_a_name_of_it_is_used() -> None:
    program = "import sys; import avtomat; print([name for name in sys.modules if name.startswith('avtomat')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['avtomat']"
