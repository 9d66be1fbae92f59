"""Write the tables of checks in docs/worker-conformance.md from the checks themselves.

python scripts/conformance_page.py            write them
python scripts/conformance_page.py --check    end with 1 if they are not up to date (a test runs this)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from avtomat.conformance.suite import MODULES

PAGE: Final = Path(__file__).parents[1] / "docs" / "worker-conformance.md"
BEGIN: Final = "<!-- checks: written by scripts/conformance_page.py -->\n"
END: Final = "<!-- end of checks -->\n"


def main() -> int:
    """Write or check the page."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + "".join(_tables()) + END + after
    if "--check" in sys.argv[1:]:
        return int(page != wanted)
    PAGE.write_text(wanted, "utf-8")
    return 0


def _tables() -> Iterator[str]:
    for module in MODULES:
        yield f"\n{module.__doc__}\n\n| check | what it demands |\n|---|---|\n"
        yield from (f"| `{check.name}` | {check.demand} |\n" for check in module.CHECKS.all)
    yield "\n"


if __name__ == "__main__":
    sys.exit(main())
