"""Sections of a document that a command writes, between marks that name the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

END = "<!-- end -->"


def replace_section(document: Path, command: str, title: str, section: str) -> None:
    """Put `section` between the marks of `command` in `document`, at its end where it has none."""
    begin = f"<!-- begin: {command} -->"
    text = document.read_text() if document.exists() else "# Benchmarks\n"
    if begin not in text:
        text = f"{text.rstrip()}\n\n## {title}\n\n{begin}\n{END}\n"
    before, rest = text.split(begin, 1)
    _, after = rest.split(END, 1)
    document.write_text(f"{before}{begin}\n{section.strip()}\n{END}{after}")


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is words and the others figures."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
