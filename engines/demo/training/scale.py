"""The sizes of a run: the real one, and a toy that runs in a minute on a CPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        row_tokens, rows: Length of a row and rows in one step.
        dialogue_tokens: The longest dialogue that is trained on.
        source_files: How many source files are read at most; None reads all.
        pools, handwritten, synthetic, practical: Processes' worth of dialogues, and dialogues of
            each sort in one of them.
        tokenizer_sources, tokenizer_dialogues: What the tokenizer is trained on.
        prompts: Prompts that the target answers for the draft.
        prompt_tokens, answer_tokens, answer_batch: Their lengths and how many at once.
        steps: Optimizer steps at most; None goes by the clock.
        target_shape: The target's shape in `model.SHAPES`.
    """

    row_tokens: int = 4096
    rows: int = 32
    dialogue_tokens: int = 2048
    source_files: int | None = None
    pools: int = 64
    handwritten: int = 500
    synthetic: int = 2800
    practical: int = 900
    tokenizer_sources: int = 9000
    tokenizer_dialogues: int = 60_000
    prompts: int = 60_000
    prompt_tokens: int = 512
    answer_tokens: int = 320
    answer_batch: int = 4096
    steps: int | None = None
    target_shape: str = "target"


FULL = Scale()
SMOKE = Scale(
    row_tokens=256,
    rows=4,
    dialogue_tokens=256,
    source_files=120,
    pools=1,
    handwritten=40,
    synthetic=80,
    practical=40,
    tokenizer_sources=60,
    tokenizer_dialogues=200,
    prompts=64,
    prompt_tokens=64,
    answer_tokens=6,
    answer_batch=4,
    steps=6,
    target_shape="toy",
)
