from __future__ import annotations

from pathlib import Path

from tests.benchmarks.decode_under_tui import Comparison, report_section
from tests.benchmarks.sections import replace_section, write_table


def test_a_section_is_added_once_and_then_replaced(tmp_path: Path) -> None:
    document = tmp_path / "BENCHMARKS.md"
    document.write_text("# Benchmarks\n\n<!-- begin: other -->\nkept\n<!-- end -->\n")
    replace_section(document, "command", "Title", "first")
    replace_section(document, "command", "Title", "second")
    text = document.read_text()
    assert text.count("## Title") == text.count("<!-- begin: command -->") == 1
    assert "second" in text and "first" not in text and "kept" in text


def test_a_table_has_a_row_of_marks() -> None:
    assert write_table(("a", "b"), [("x", "1")]).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| x | 1 |",
    ]


def test_the_ratio_under_the_app_is_formed_within_pairs() -> None:
    comparison = Comparison("llama.cpp", 100, (100.0, 50.0, 95.0), (100.0, 50.0, 100.0))
    assert comparison.ratio == 1.0
    section = report_section([comparison], "A machine")
    assert "| llama.cpp | 100 | 95.0 (50.0 to 100.0) | 100.0 (50.0 to 100.0) | 1.000 |" in section
