"""The example of docs/embedding.md does what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/embedding.md"


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    blueprint, program, printed = blocks
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/hello.yaml").write_text(blueprint)

    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.stderr, done.stdout) == ("", printed)
