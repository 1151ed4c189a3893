from __future__ import annotations

from dataclasses import replace

from conversation.message import new_message
from conversation.turn import Turn, TurnState
from engines.events import FinishReason, GenerationFinished, PrefillProgress, TextChunk, TextKind
from engines.stats import GenerationStats
from engines.types import ModelInfo, Role
from profiles.schema import Profile
from tui.live_figures import RollingRate, TurnMeter, with_model
from tui.stats_line import Figures, Phase

INFO = ModelInfo(
    name="m",
    engine="mlx",
    architecture="qwen3",
    quantization="4-bit",
    parameters=None,
    weights_bytes=1_000_000,
    context_window_tokens=4096,
    kv_type="f16",
    kv_bytes_per_token=100,
    chat_template="",
    bos_token="",
    eos_token="",
    tokenizer_fingerprint="",
    draft_name="d",
)
STATS = GenerationStats(
    engine="mlx",
    model="m",
    quantization="4-bit",
    prompt_tokens=100,
    cached_tokens=40,
    generated_tokens=21,
    ttft_s=0.5,
    prefill_s=0.4,
    decode_s=2.0,
    kv_cache_bytes=12_100,
    kv_type="f16",
    drafted_tokens=20,
    accepted_tokens=15,
)


def _turn() -> Turn:
    question = new_message(Role.USER)
    answer = new_message(Role.ASSISTANT, parent_id=question.id)
    return Turn(question, answer, Profile("chat", "m"), lambda turn: None)


def test_the_rolling_rate_is_of_the_last_second() -> None:
    rate = RollingRate()
    rate.note(0.0, 10)
    for tenth in range(1, 31):
        rate.note(tenth / 10, 10 + 5 * tenth)
    assert rate.tps is not None
    assert abs(rate.tps - 50) < 1e-6
    for tenth in range(31, 46):
        rate.note(tenth / 10, 160 + (tenth - 30))
    assert abs(rate.tps - 10) < 1e-6


def test_the_rolling_rate_of_one_moment_is_unknown() -> None:
    rate = RollingRate()
    rate.note(0.0, 10)
    assert rate.tps is None


def test_a_turn_in_prefill() -> None:
    turn = _turn()
    meter = TurnMeter(turn, INFO)
    turn.enter(TurnState.PREFILL)
    turn.take(PrefillProgress(60, 100, 40, 0.5))
    figures = meter.over(with_model(Figures(profile="Chat"), INFO))
    assert figures.phase is Phase.PREFILL
    assert (figures.prefill_done_tokens, figures.prefill_tokens) == (60, 100)
    assert figures.prefill_remaining_s == 1.0
    assert figures.kv_used_bytes == 6000
    assert figures.ttft_s is None
    assert figures.decode_tps is None


def test_a_turn_in_decode_is_measured_against_the_ceiling() -> None:
    turn = _turn()
    meter = TurnMeter(turn, INFO, memory_bandwidth_bytes_per_s=1_010_100_000.0)
    turn.enter(TurnState.PREFILL)
    turn.take(PrefillProgress(100, 100, 0, 0.0))
    turn.enter(TurnState.DECODE)
    turn.take(TextChunk("x", TextKind.ANSWER, 1))
    figures = meter.over(Figures())
    assert figures.phase is Phase.DECODE
    assert figures.ttft_s is not None
    assert figures.context_length_tokens == 101
    assert figures.bandwidth_ceiling_tps == 1000.0
    assert figures.gain is None


def test_the_result_of_a_turn_replaces_the_live_figures() -> None:
    turn = _turn()
    meter = TurnMeter(turn, INFO, plain_decode_tps=5.0)
    turn.enter(TurnState.DECODE)
    turn.end(TurnState.FINISHED, GenerationFinished(FinishReason.STOP, STATS, (), ()))
    figures = meter.over(with_model(Figures(), INFO))
    assert figures.phase is Phase.IDLE
    assert figures.decode_tps == 10.0
    assert figures.effective_tps == 21 / 2.5
    assert figures.acceptance_rate == 0.75
    assert figures.gain == 2.0
    assert figures.context_length_tokens == 121
    assert figures.kv_used_bytes == 12_100


def test_the_gain_is_unknown_without_a_plain_speed_to_compare_with() -> None:
    turn = _turn()
    turn.end(TurnState.FINISHED, GenerationFinished(FinishReason.STOP, STATS, (), ()))
    assert TurnMeter(turn, INFO).over(Figures()).gain is None
    plain = replace(STATS, drafted_tokens=0, accepted_tokens=0)
    other = _turn()
    other.end(TurnState.FINISHED, GenerationFinished(FinishReason.STOP, plain, (), ()))
    assert TurnMeter(other, INFO, plain_decode_tps=5.0).over(Figures()).gain is None
