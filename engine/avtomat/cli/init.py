"""`avtomat init`: begin a small project that runs at once; a file that is there is never touched."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from avtomat.blueprint.files import is_file
from avtomat.errors import UsageError
from avtomat.resources import schema_text

_SETTINGS: Final = """\
# Settings of this project; `avtomat config` shows all of them, and where each comes from.
blueprints = "workflows"

# Constants that blueprints read as config.name.
[config]
team = "Platform"

# Secrets that blueprints may hand to tasks. Keep the texts elsewhere:
# [secrets]
# payments_key = {env = "PAYMENTS_KEY"}
"""

_BLUEPRINT: Final = """\
# yaml-language-server: $schema=../blueprint.schema.json
avtomat: 1
blueprint: hello
description: Greet somebody; a large crowd is greeted as one.
input:
  type: object
  required: [name]
  properties:
    name: {type: string, minLength: 1}
    crowd: {type: integer, minimum: 1, default: 1}

states:
  choose:
    transitions:
      - {when: input.crowd > 100, to: greet_all}
      - {to: greet}

  greet:
    task: greet
    params: {name: "{{ input.name }}"}
    timeout: 30s
    next: done

  greet_all:
    set: {text: "Hello, all {{ input.crowd }} of you!"}
    next: done_at_once

  done: {succeed: {text: "{{ outputs.greet.text }}", from: "{{ config.team }}"}}
  done_at_once: {succeed: {text: "{{ data.text }}", from: "{{ config.team }}"}}
"""

_TESTS: Final = """\
# yaml-language-server: $schema=../test.schema.json
# Run by `avtomat test`: no server, no workers, and no time that really passes.
avtomat: 1
test: hello.yaml
defaults:
  config: {team: Platform}
cases:
  - name: one person is greeted by name
    input: {name: Ada}
    tasks:
      greet: {output: {text: "Hello, Ada!"}} # what the worker answers
    expect:
      path: [choose, greet, done]
      params: {greet: {name: Ada}} # what the worker got
      result: {text: "Hello, Ada!", from: Platform}

  - name: a crowd is greeted as one
    input: {name: everybody, crowd: 200}
    expect:
      path: [choose, greet_all, done_at_once]
      result: {text: "Hello, all 200 of you!", from: Platform}

  - name: a worker that hangs is given up after its third attempt
    input: {name: Ada}
    tasks:
      greet: {silent: true}
    expect:
      status: failed
      error: TIMEOUT_ERROR
      tasks: {greet: 3}
      elapsed: {at_least: 90s, at_most: 95s}
"""

_WORKER: Final = """\
#!/bin/sh
# A worker's command: the task's params come as JSON on stdin, its output goes as JSON to stdout.
# Any language will do; this one finds the name with sed.
sed -E 's/.*"name" *: *"([^"]*)".*/{"text": "Hello, \\1!"}/'
"""

_IGNORED: Final = """\
# Jobs of `avtomat dev` and of the embedded default
.avtomat/
*.db
*.db-wal
*.db-shm
"""

_CI: Final = """\
# Checks the blueprints and runs their tests for each change; neither needs a server or a network.
name: blueprints
on: [push, pull_request]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install avtomat
      - run: avtomat validate --strict --settings avtomat.toml -o github
      - run: avtomat test --coverage -o github
"""

_README: Final = """\
# An Avtomat project

`workflows/` holds the blueprints, `avtomat.toml` the settings.

Check the blueprints; no server is needed:

    avtomat validate

Run their tests, which are in `name.test.yaml` beside them:

    avtomat test --coverage

Run one job to its end; the shell does the task:

    avtomat run workflows/hello.yaml --input '{"name": "Ada"}' --exec greet='sh greet.sh'

Run the engine with reload, and a worker beside it (in two terminals):

    avtomat dev
    avtomat worker --url http://127.0.0.1:8080 --exec greet='sh greet.sh'

Then submit a job, and wait for its end:

    curl 'http://127.0.0.1:8080/api/v1/blueprints/hello/jobs?wait=30' --json '{"input": {"name": "Ada"}}'

Editors check blueprints and tests while you write: the first line of each file names its schema, which lies beside
avtomat.toml. After an update of Avtomat, write them anew:

    avtomat schema > blueprint.schema.json
    avtomat schema test > test.schema.json

`.github/workflows/blueprints.yml` checks and tests each change at GitHub; other systems run the same two commands.
"""

_FILES: Final = {
    "avtomat.toml": _SETTINGS,
    "workflows/hello.yaml": _BLUEPRINT,
    "workflows/hello.test.yaml": _TESTS,
    "greet.sh": _WORKER,
    "README.md": _README,
    ".gitignore": _IGNORED,
    ".github/workflows/blueprints.yml": _CI,
}
_SCHEMAS: Final = {"blueprint.schema.json": "blueprint", "test.schema.json": "test"}
"""Files that are the schemas of this version, which the first lines of blueprints and tests name."""


def add_arguments(parser: ArgumentParser) -> None:
    """The folder of the new project."""
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="default: this folder")


def run(args: Namespace) -> int:
    """Write what is not there, and say what was done with each file."""
    schemas = {file: schema_text(name) for file, name in _SCHEMAS.items()}
    for name, text in (*_FILES.items(), *schemas.items()):
        path = args.folder / name
        print(f"{'wrote' if _write_new(path, text) else 'kept '}  {path}")
    there = "" if args.folder == Path() else f"cd {args.folder} && "
    print(f"\nREADME.md says how to go on; begin with: {there}avtomat validate && avtomat test")
    return 0


def _write_new(path: Path, text: str) -> bool:
    """Whether the file was written; one that is there stays as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if is_file(path):
            return False
        raise UsageError(f"{path} is in the way: it, or a folder above it, is not a regular file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return True
