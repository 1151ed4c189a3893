from __future__ import annotations

from pathlib import Path

from tests.benchmarks.figures import Figures, Spread, percentile
from tests.benchmarks.report import replace_section, write_report


def figures(client: str, cpu_s: float) -> Figures:
    return Figures(
        client=client,
        scenario="a",
        tokens=500,
        first_paint_s=0.2,
        ready_s=0.3,
        cpu_per_1k_tokens_s=cpu_s,
        bytes_per_token=400.4,
        first_word_lag_s=0.01,
        tail_lag_s=None,
        keys_typed=3,
        peak_rss_bytes=50 * 1024**2,
        paints_per_s=15,
        key_echo_ms=(10.0, 20.0),
    )


def test_the_tables_hold_medians_and_ranges() -> None:
    runs = [figures("floor", 3.0), figures("floor", 1.0), figures("floor", 2.0)]
    report = write_report(runs, "A machine")

    row = next(line for line in report.splitlines() if "per token |" in line and "MiB" not in line)
    assert "| 3 | 0.20 (0.20 to 0.20) |" in row
    assert "2.00 (1.00 to 3.00) | 400 (400 to 400) | 10 / 20 (3 unseen) | — | 50" in report
    assert "### b" not in report


def test_percentiles_take_the_nearest_rank() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(list(range(101)), 95) == 95
    assert Spread.over([None]) is None


def test_writing_again_replaces_only_the_marked_section(tmp_path: Path) -> None:
    document = tmp_path / "BENCHMARKS.md"
    document.write_text("# Figures\n\nOf mine.\n")
    replace_section(document, "first")
    document.write_text(document.read_text() + "\n## Later\n")
    replace_section(document, "second")

    text = document.read_text()
    assert text.startswith("# Figures\n\nOf mine.\n") and text.endswith("\n## Later\n")
    assert "second" in text and "first" not in text
