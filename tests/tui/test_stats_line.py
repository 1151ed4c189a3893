from __future__ import annotations

from dataclasses import replace

import pytest

from tui.stats_line import Figures, Phase, bytes_text, rate_text, seconds_text, stats_line

FULL = Figures(
    profile="Chat",
    model="Qwen3-8B",
    engine="mlx",
    quantization="4-bit",
    phase=Phase.DECODE,
    ttft_s=0.42,
    decode_tps=53.1,
    bandwidth_ceiling_tps=130.0,
    effective_tps=48.0,
    kv_used_bytes=12_000_000,
    kv_reserved_bytes=24_000_000,
    kv_type="f16",
    context_length_tokens=312,
    context_window_tokens=4096,
    has_draft=True,
    acceptance_rate=0.72,
    gain=1.8,
    process_bytes=320_000_000,
    model_bytes=4_700_000_000,
)
PREFILL = replace(
    FULL,
    phase=Phase.PREFILL,
    ttft_s=None,
    decode_tps=None,
    prefill_done_tokens=1200,
    prefill_tokens=5000,
    prefill_remaining_s=3.2,
)
EVERY = (
    FULL,
    PREFILL,
    Figures(),
    Figures(profile="Chat"),
    replace(FULL, is_demo=True),
    replace(FULL, profile="a very long name of a profile indeed", model="m" * 70),
    replace(FULL, next_profile="Coding"),
    replace(FULL, phase=Phase.LOADING, load_stage="reading the weights", load_fraction=0.3),
    replace(FULL, phase=Phase.FAILED),
    replace(FULL, phase=Phase.QUEUED),
    replace(FULL, profile="日本語", model="模型"),
)


def test_shows_everything_where_there_is_room() -> None:
    assert stats_line(FULL, 250).plain == (
        "Chat · Qwen3-8B · mlx 4-bit │ TTFT 420 ms │ 53.1 tok/s · 41 % of 130"
        " │ effective 48.0 │ KV 12 MB of 24 MB f16 │ context 312/4,096"
        " │ draft 72 % accepted · gain 1.80x │ memory 320 MB · model 4.7 GB"
    )


def test_at_80_columns_the_four_most_important_stay() -> None:
    line = stats_line(FULL, 78).plain
    for figure in ("Chat · Qwen3-8B", "TTFT 420 ms", "53.1 tok/s", "312/4,096"):
        assert figure in line
    prefill = stats_line(PREFILL, 78).plain
    for figure in ("Chat · Qwen3-8B", "TTFT —", "prefill 24 % · 3.2 s left", "312/4,096"):
        assert figure in prefill


@pytest.mark.parametrize("figures", EVERY)
def test_never_wider_than_asked_and_only_whole_segments(figures: Figures) -> None:
    parts = {part for width in range(300, 500) for part in _parts(stats_line(figures, width).plain)}
    whole = " ".join(parts).split()
    for width in range(1, 300):
        line = stats_line(figures, width)
        assert line.cell_length <= width
        assert "\n" not in line.plain
        if len(_parts(line.plain)) > 1:
            cut = [word for word in line.plain.split() if word not in whole]
            assert set(cut) <= {"│", "ctx", "eff", "demo", "loading", "failed"}, line.plain


def _parts(line: str) -> list[str]:
    return line.split(" │ ")


def test_an_unknown_figure_is_a_dash() -> None:
    line = stats_line(Figures(profile="Chat", has_draft=True), 250).plain
    assert "0" not in line
    for figure in ("TTFT —", "— tok/s", "effective —", "KV — of —", "context —/—", "memory —"):
        assert figure in line
    assert "draft — accepted · gain —" in line


def test_a_cache_that_grows_has_no_reserve() -> None:
    assert "KV 12 MB grows f16" in stats_line(replace(FULL, kv_reserved_bytes=0), 250).plain


def test_the_demonstration_model_is_called_that() -> None:
    demo = replace(FULL, is_demo=True)
    assert "Chat · tiny demonstration model · mlx" in stats_line(demo, 250).plain
    assert "Chat · demo model" in stats_line(demo, 78).plain


def test_loading_and_failure_take_the_place_of_the_speed() -> None:
    loading = replace(FULL, phase=Phase.LOADING, load_stage="reading", load_fraction=0.3)
    assert "loading: reading 30 %" in stats_line(loading, 200).plain
    assert "tok/s" not in stats_line(loading, 200).plain
    assert "model not loaded" in stats_line(replace(FULL, phase=Phase.FAILED), 200).plain


def test_values_in_words() -> None:
    assert [rate_text(v) for v in (None, 3.14159, 99.96, 1234.5)] == ["—", "3.1", "100.0", "1,234"]
    assert [seconds_text(v) for v in (None, 0.0421, 1.25, 75.4)] == [
        "—", "42 ms", "1.2 s", "1 min 15 s",
    ]  # fmt: skip
    assert [bytes_text(v) for v in (None, 4000, 2_500_000, 4_720_000_000)] == [
        "—", "4 kB", "2 MB", "4.7 GB",
    ]  # fmt: skip
