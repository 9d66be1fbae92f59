"""The documentation says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_table_of_settings_is_that_of_the_code() -> None:
    checked = subprocess.run([sys.executable, ROOT / "scripts/settings_table.py", "--check"], check=False)

    assert checked.returncode == 0, "run: make docs"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help differently from 3.12 on")
def test_the_page_of_commands_is_that_of_their_help() -> None:
    checked = subprocess.run([sys.executable, ROOT / "scripts/commands_page.py", "--check"], check=False)

    assert checked.returncode == 0, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]

    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert pages <= set(LINK.findall(index))
