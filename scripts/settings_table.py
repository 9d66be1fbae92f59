"""Write the table of settings in docs/operations.md from the settings themselves.

python scripts/settings_table.py            write it
python scripts/settings_table.py --check    end with 1 if it is not up to date (a test runs this)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from avtomat.settings import DOC_OF, KIND_OF, Settings, variable_of

PAGE: Final = Path(__file__).parents[1] / "docs" / "operations.md"
BEGIN: Final = "<!-- settings: written by scripts/settings_table.py -->\n"
END: Final = "<!-- end of settings -->\n"


def main() -> int:
    """Write or check the page."""
    page = PAGE.read_text("utf-8")
    wanted = _page_with_table(page)
    if "--check" in sys.argv[1:]:
        return int(page != wanted)
    PAGE.write_text(wanted, "utf-8")
    return 0


def _page_with_table(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    head = "| key in avtomat.toml | variable | values | default | meaning |\n|---|---|---|---|---|\n"
    return before + BEGIN + head + "".join(map(_row, KIND_OF)) + END + after


def _row(name: str) -> str:
    kind = KIND_OF[name]
    default = kind.show(getattr(Settings(), name))
    shown_default = f"`{default}`" if default and default != "{}" else "–"
    return f"| `{name}` | {_variables(name)} | {kind.words} | {shown_default} | {DOC_OF[name]} |\n"


def _variables(name: str) -> str:
    if name == "secrets":
        return "`AVTOMAT_SECRET_…`"
    variable = variable_of(name)
    return f"`{variable}`, `…_FILE`" if KIND_OF[name].hidden else f"`{variable}`"


if __name__ == "__main__":
    sys.exit(main())
