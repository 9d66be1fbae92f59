"""The pages about the language are true: what is written from the code is up to date, and every example is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from avtomat.blueprint.compiler import examine_text
from avtomat.core.model import ENGINE_CODES, TASK_CODES
from avtomat.resources import schema_text
from tests.core.building import begun
from tests.core.test_semantics import decided, told, value_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLE = re.compile(r"```yaml\n(.*?)```\s*```trace\n(.*?)```", re.DOTALL)
PAGES = ("language/blocks.md", "language/errors.md", "cookbook.md", "coming-from.md")
EXAMPLES = [(page, *pair) for page in PAGES for pair in EXAMPLE.findall((DOCS / page).read_text("utf-8"))]


def test_keys_and_functions_are_those_of_the_code() -> None:
    script = ROOT / "scripts/language_pages.py"

    checked = subprocess.run([sys.executable, script, "--check"], check=False)

    assert checked.returncode == 0, "run: make docs"


def test_the_page_about_workers_shows_a_right_blueprint_and_names_each_key_and_strategy() -> None:
    page = (DOCS / "language/workers.md").read_text("utf-8")
    worker = json.loads(schema_text("blueprint"))["definitions"]["worker"]["properties"]
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)

    assert not examine_text(example).findings
    assert [f"`{word}`" for word in (*worker, *worker["strategy"]["enum"]) if f"`{word}`" not in page] == []


@pytest.mark.parametrize(("page", "blueprint", "trace"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_example_does_what_the_page_says(page: str, blueprint: str, trace: str) -> None:
    first, *rest = (re.split(r"\s+-> ", line) for line in trace.strip().splitlines())
    job = begun(blueprint, value_of(first[0].removeprefix("begin")))
    assert decided(job) == first[1], page

    for event, expected in rest:
        assert told(job, event) == expected, (page, event)


@pytest.mark.parametrize("page", PAGES)
def test_every_blueprint_on_the_page_has_a_trace(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")

    assert len(EXAMPLE.findall(text)) == text.count("```yaml") == text.count("```trace") > 1


@pytest.mark.parametrize("code", sorted(TASK_CODES | ENGINE_CODES))
def test_every_code_has_an_example_that_comes_to_it(code: str) -> None:
    _, _, section = (DOCS / "language/errors.md").read_text("utf-8").partition(f"\n### {code}\n")
    examples = EXAMPLE.findall(section.partition("\n### ")[0])

    assert [trace for _, trace in examples if re.search(rf"-> (failed|parked) {code} in \S+$", trace.strip())]
