from __future__ import annotations

import pytest

from engines.errors import ModelLoadError
from engines.model_files.ggml_types import GGML_TYPES
from engines.quantization import (
    GGUF,
    MLX,
    READ_BY_MLX,
    describe_quantization,
    find_quantization,
    known_quantizations,
    mlx_bits_per_weight,
)

# arXiv 2601.14277, Llama-3.1-8B-Instruct on WikiText-2: perplexity and change against FP16.
GUIDE = {
    "F16": (16.0, 7.32, 0.0),
    "Q8_0": (8.5, 7.33, 0.14),
    "Q6_K": (6.6, 7.35, 0.41),
    "Q5_K_M": (5.7, 7.40, 1.09),
    "Q4_K_M": (4.9, 7.56, 3.28),
    "Q4_K_S": (4.6, 7.62, 4.10),
    "Q3_K_M": (3.9, 7.96, 8.74),
    "Q3_K_S": (3.4, 8.96, 22.40),
}


@pytest.mark.parametrize("name", GUIDE)
def test_the_quality_table(name: str) -> None:
    bits, perplexity, percent = GUIDE[name]
    known = find_quantization(name)
    assert known.perplexity == perplexity
    assert known.perplexity_change is not None
    assert 100 * known.perplexity_change == pytest.approx(percent, abs=0.01)
    assert known.bits_per_weight == pytest.approx(bits, rel=0.08)


def test_finer_quantizations_come_first_and_are_better() -> None:
    measured = [q for q in known_quantizations().values() if q.perplexity and q.name != "BF16"]
    assert [q.perplexity for q in measured] == sorted(q.perplexity or 0 for q in measured)
    bits = [q.bits_per_weight for q in measured]
    assert bits == sorted(bits, reverse=True)


@pytest.mark.parametrize("name", ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M"])
def test_a_file_has_at_least_the_bits_of_its_main_type(name: str) -> None:
    main = next(kind for kind in GGML_TYPES.values() if name.startswith(kind.name))
    assert (
        find_quantization(name).bits_per_weight >= 8 * main.block_bytes / main.block_elements - 0.01
    )


@pytest.mark.parametrize(("bits", "whole"), [(3, 3.5), (4, 4.5), (6, 6.5), (8, 8.5)])
def test_mlx_adds_a_scale_and_a_bias_for_each_group(bits: int, whole: float) -> None:
    assert mlx_bits_per_weight(bits) == whole
    assert find_quantization(f"{bits}-bit").bits_per_weight == whole
    assert mlx_bits_per_weight(4, group_size=32) == 5


@pytest.mark.parametrize(
    ("recipe", "low", "high"),
    [("mixed_2_6", 2, 6), ("mixed_3_4", 3, 4), ("mixed_3_6", 3, 6), ("mixed_4_6", 4, 6)],
)
def test_the_bits_of_mixed_recipes_are_counted_layer_by_layer(
    recipe: str, low: int, high: int
) -> None:
    """As mlx_lm.convert chooses: Llama-3.1-8B's shapes, more bits for values, downs, the head."""
    layers, hidden, feed_forward, values, vocabulary = 32, 4096, 14336, 1024, 128_256
    fine = coarse = 0
    for layer in range(layers):
        is_fine = layer < 4 or layer >= 28 or (layer - 4) % 3 == 2
        small = hidden * values + hidden * feed_forward
        fine, coarse = (fine + small, coarse) if is_fine else (fine, coarse + small)
        coarse += 2 * hidden * hidden + hidden * values + 2 * hidden * feed_forward
    fine, coarse = fine + vocabulary * hidden, coarse + vocabulary * hidden
    mean = (fine * mlx_bits_per_weight(high) + coarse * mlx_bits_per_weight(low)) / (fine + coarse)
    assert find_quantization(recipe).bits_per_weight == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize(
    ("name", "found", "form"),
    [
        ("q4_k_m", "Q4_K_M", GGUF),
        ("FP16", "F16", GGUF),
        ("4bit", "4-bit", MLX),
        ("mlx-4bit", "4-bit", MLX),
        ("8-BIT", "8-bit", MLX),
        ("mixed_3_6", "mixed_3_6", MLX),
        ("ud-q4_k_xl", "UD-Q4_K_XL", GGUF),
        ("UD-Q2_K_XL", "UD-Q2_K_XL", GGUF),
    ],
)
def test_names_in_any_case(name: str, found: str, form: str) -> None:
    quantization = find_quantization(name)
    assert (quantization.name, quantization.format) == (found, form)


def test_a_dynamic_file_is_a_little_larger_and_its_quality_not_that_of_the_plain_one() -> None:
    dynamic, plain = find_quantization("UD-Q4_K_XL"), find_quantization("Q4_K_M")
    assert dynamic.is_dynamic
    assert 1 < dynamic.bits_per_weight / plain.bits_per_weight < 1.1
    assert dynamic.perplexity_change is None
    assert "Unsloth" in dynamic.note


@pytest.mark.parametrize(
    ("name", "hint"), [("Q4_M", "Q4_K_M"), ("banana", "Q5_K_M"), ("UD-banana", "UD-Q4_K_XL")]
)
def test_an_unknown_name_gets_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ModelLoadError) as error:
        find_quantization(name)
    assert hint in error.value.hint


def test_what_mlx_reads_of_gguf_is_known() -> None:
    assert set(READ_BY_MLX) <= known_quantizations().keys()
    assert "Q4_K_M" not in READ_BY_MLX


@pytest.mark.parametrize(
    ("name", "size_bytes", "tps", "text"),
    [
        (
            "Q5_K_M",
            6_500_000_000,
            22.3,
            "Q5_K_M: +1.1 % perplexity, 6.5 GB, ~22 tok/s here",
        ),
        ("F16", 16_060_000_000, None, "F16: the original, 16.1 GB"),
        ("4-bit", 4_517_000_000, 60.0, "4-bit: the usual choice for MLX, 4.5 GB, ~60 tok/s here"),
    ],
)
def test_the_pickers_line(name: str, size_bytes: int, tps: float | None, text: str) -> None:
    assert describe_quantization(find_quantization(name), size_bytes, tps) == text
