from __future__ import annotations

import json
from dataclasses import replace

import pytest

from engines.described_machine import parse_machine
from engines.fit import fit_model
from engines.fit_question import Draft, FitQuestion, Verdict, judge, limits_of
from engines.model_shape import AttentionLayers, ModelShape, Weights, weights_by_bits

GIB = 2**30
# Qwen3-14B
SHAPE = ModelShape(
    "14B",
    "qwen3",
    14_770_000_000,
    14_770_000_000,
    40_960,
    (AttentionLayers(40, 8, 128, 128, 40),),
    vocabulary_size=151_936,
)
DRAFT_SHAPE = ModelShape(
    "0.6B", "qwen3", 600_000_000, 600_000_000, 40_960, (AttentionLayers(28, 8, 128, 128, 16),)
)
Q4 = weights_by_bits(SHAPE, 4.89, "Q4_K_M")
QUESTION = FitQuestion(SHAPE, Q4, 32_768, "q8_0")
M4_PRO = parse_machine("M4 Pro 24GB")


def test_everything_is_counted() -> None:
    draft = Draft(DRAFT_SHAPE, weights_by_bits(DRAFT_SHAPE, 8.5, "Q8_0"))
    fit = fit_model(replace(QUESTION, draft=draft), M4_PRO)
    own = 32_768 * 40 * 8 * 256 * 8.5 / 8
    drafts = 32_768 * 28 * 8 * 256 * 2
    assert fit.weights_bytes == Q4.total_bytes
    assert fit.draft_bytes == draft.weights.total_bytes
    assert fit.kv_bytes == own + drafts
    assert fit.working_bytes == 64 * 2**20 + 512 * 4 * 151_936
    assert fit.needed_bytes == sum(
        (fit.weights_bytes, fit.draft_bytes, fit.kv_bytes, fit.working_bytes)
    )


def test_a_model_with_room_fits() -> None:
    fit = fit_model(QUESTION, M4_PRO)
    assert fit.verdict is Verdict.FITS
    assert fit.remedies == ()
    assert "11.4 GiB of the 16.0 GiB" in fit.reasons[0]
    assert fit.largest_window_tokens == 40_960


def test_more_than_the_rules_share_of_weights_is_tight() -> None:
    """The rule: 60 % of 16 GiB are 9.6 GiB."""
    heavy = replace(QUESTION, weights=weights_by_bits(SHAPE, 5.7, "Q5_K_M"), context_tokens=1024)
    fit = fit_model(heavy, parse_machine("M4 16GB"))
    assert limits_of(parse_machine("M4 16GB")).weights_bytes == int(0.6 * 16 * GIB)
    assert fit.verdict is Verdict.TIGHT
    assert "more than the rule's share" in fit.reasons[0]
    assert any("Take it in Q4_K_M" in remedy for remedy in fit.remedies)


def test_more_than_metals_working_set_is_tight_and_can_be_raised() -> None:
    long = replace(QUESTION, kv_type="f16", context_tokens=40_960)
    machine = parse_machine("M4 16GB")
    fit = fit_model(replace(long, context_tokens=24_576), machine)
    assert fit.verdict is Verdict.TIGHT
    assert any("Metal" in reason for reason in fit.reasons)
    raised = next(remedy for remedy in fit.remedies if "iogpu.wired_limit_mb=" in remedy)
    megabytes = int(raised.rpartition("=")[2])
    assert fit.needed_bytes <= megabytes * 2**20 <= fit.limits.hard_bytes + GIB
    with_more = replace(machine, working_set_bytes=megabytes * 2**20)
    question = replace(long, context_tokens=24_576)
    assert judge(question, with_more) is Verdict.FITS


def test_what_does_not_fit_says_what_would() -> None:
    machine = parse_machine("M4 16GB")
    long = replace(QUESTION, kv_type="f16", context_tokens=40_960)
    fit = fit_model(long, machine)
    assert fit.verdict is Verdict.NO
    text = " ".join(fit.remedies)
    assert "q8_0" in text
    assert judge(replace(long, kv_type="q8_0"), machine) is not Verdict.NO
    window = int(text.split("at most ")[1].split(" ")[0].replace(",", ""))
    assert judge(replace(long, context_tokens=window), machine) is not Verdict.NO
    assert judge(replace(long, context_tokens=window + 2048), machine) is Verdict.NO
    size_gb = int(text.split("A machine with ")[1].split(" ")[0])
    assert judge(long, parse_machine(f"M4 {size_gb}GB")) is Verdict.FITS


@pytest.mark.parametrize("memory_gb", [8, 16, 24, 32, 48, 64, 128])
def test_every_remedy_alone_gives_a_better_verdict(memory_gb: int) -> None:
    machine = parse_machine(f"M4 {memory_gb}GB")
    for parameters in (3e9, 8e9, 14e9, 32e9, 70e9):
        shape = replace(SHAPE, parameters=int(parameters), active_parameters=int(parameters))
        question = FitQuestion(shape, weights_by_bits(shape, 8.5, "Q8_0"), 16_384)
        fit = fit_model(question, machine)
        order = [Verdict.NO, Verdict.TIGHT, Verdict.FITS]
        assert (fit.verdict is Verdict.FITS) == (not fit.remedies)
        for remedy in fit.remedies:
            changed = _applied(remedy, question)
            if changed is not None:
                assert order.index(judge(changed, machine)) > order.index(fit.verdict), remedy


def _applied(remedy: str, question: FitQuestion) -> FitQuestion | None:
    from engines.quantization import find_quantization

    if "KV cache in q8_0" in remedy:
        return replace(question, kv_type="q8_0")
    if "at most" in remedy:
        tokens = remedy.split("at most ")[1].split(" ")[0].replace(",", "")
        return replace(question, context_tokens=int(tokens))
    if remedy.startswith("Take it in "):
        other = find_quantization(remedy.removeprefix("Take it in ").partition(":")[0])
        weights = weights_by_bits(question.shape, other.bits_per_weight, other.name)
        return replace(question, weights=weights)
    return None


def test_a_draft_that_is_too_much_can_be_left_out() -> None:
    draft = Draft(SHAPE, weights_by_bits(SHAPE, 4.89, "Q4_K_M"))
    both = replace(QUESTION, draft=draft, context_tokens=4096)
    fit = fit_model(both, M4_PRO)
    assert fit.verdict is not Verdict.FITS
    assert "Leave the draft model out." in fit.remedies


def test_llama_cpp_keeps_what_mlx_forgets() -> None:
    """Gemma 3 12B: 40 of 48 layers look back 1,024 tokens."""
    gemma = ModelShape(
        "12B",
        "gemma3",
        11_770_000_000,
        11_770_000_000,
        131_072,
        (AttentionLayers(8, 8, 256, 256), AttentionLayers(40, 8, 256, 256, 0, 1024)),
    )
    question = FitQuestion(gemma, weights_by_bits(gemma, 4.5, "4-bit"), 65_536, engine="mlx")
    machine = parse_machine("M4 32GB")
    assert judge(question, machine) is Verdict.FITS
    assert judge(replace(question, engine="llama.cpp"), machine) is Verdict.NO


def test_a_card_has_its_own_memory() -> None:
    card = parse_machine("RTX 4090")
    limits = limits_of(card)
    assert limits.weights_bytes == int(0.85 * 24 * GIB)
    assert limits.hard_bytes == 24 * GIB - GIB // 2
    fit = fit_model(replace(QUESTION, weights=weights_by_bits(SHAPE, 16, "F16")), card)
    assert fit.verdict is Verdict.NO
    assert not any("Metal" in text or "machine with" in text for text in fit.remedies)


def test_llama_cpp_can_split_a_model_between_a_card_and_main_memory() -> None:
    card = replace(parse_machine("RTX 4090"), is_described=False, memory_available_bytes=32 * GIB)
    in_f16 = replace(QUESTION, weights=weights_by_bits(SHAPE, 16, "F16"))
    assert any("main memory" in remedy for remedy in fit_model(in_f16, card).remedies)
    small = replace(card, memory_available_bytes=2 * GIB)
    assert not any("main memory" in remedy for remedy in fit_model(in_f16, small).remedies)


def test_the_speed_is_told_for_the_prompt_and_for_the_whole_window() -> None:
    fit = fit_model(replace(QUESTION, prompt_tokens=500), M4_PRO)
    assert fit.short.context_tokens == 500
    assert fit.full.context_tokens == 32_768
    assert fit.short.decode is not None and fit.full.decode is not None
    assert fit.short.decode.high_tps > fit.full.decode.high_tps
    longer = fit_model(replace(QUESTION, prompt_tokens=10**9), M4_PRO)
    assert longer.short.context_tokens == 32_768


def test_the_answer_can_be_written_as_json() -> None:
    read = json.loads(json.dumps(fit_model(QUESTION, M4_PRO).to_json()))
    assert read["verdict"] == "fits"
    assert read["short"]["decode"]["low_tps"] > 0


def test_an_unknown_quantization_still_gets_smaller_ones() -> None:
    weights = Weights(40 * 10**9, 40 * 10**9, "mixed", is_exact=True)
    fit = fit_model(replace(QUESTION, weights=weights, context_tokens=4096), M4_PRO)
    assert fit.verdict is Verdict.NO
    assert any(remedy.startswith("Take it in ") for remedy in fit.remedies)
