"""The table of keys in the documentation, and the JSON Schema beside it.

python -m profiles.documentation docs     brings both up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from profiles.json_schema import SCHEMA_NAME, profile_json_schema_text
from profiles.schema import SETTINGS
from profiles.settings import Setting, Table

PAGE_NAME = "profiles.md"
BEGIN, END = "<!-- keys -->", "<!-- end of keys -->"


def keys_table() -> str:
    """Every key as a row: what it holds, what holds without it, and what it does."""
    rows = ["| Key | Value | Without it | |", "|---|---|---|---|"]
    for setting in SETTINGS.values():
        rows += _rows(setting)
    return "\n".join(rows) + "\n"


def with_keys_table(page: str) -> str:
    """The page with the table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{keys_table()}{END}{after}"


def _rows(setting: Setting, table: str = "") -> Iterator[str]:
    if isinstance(setting.kind, Table):
        for inner in setting.kind.settings:
            yield from _rows(inner, f"{setting.key}.")
        return
    cells = (f"`{table}{setting.key}`", setting.kind.words, setting.default, setting.description)
    yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def write_documentation(folder: Path) -> None:
    page = folder / PAGE_NAME
    page.write_text(with_keys_table(page.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / SCHEMA_NAME).write_text(profile_json_schema_text(), encoding="utf-8")


if __name__ == "__main__":
    write_documentation(Path(sys.argv[1]))
