"""The draft learns the target's distribution, on text and on answers that the target wrote."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as functional
from tokenizers import Tokenizer
from torch import Tensor

from engines.demo.training.batches import Batch
from engines.demo.training.chat import CONTROL_TOKENS, Weight
from engines.demo.training.fit import Loss, device_name
from engines.demo.training.generation import generate
from engines.demo.training.model import Mask, Qwen3
from engines.demo.training.packing import Tokens, document, pack
from engines.demo.training.scale import Scale
from engines.demo.training.tokenizer import encode, encode_all, token_id

log = logging.getLogger(__name__)
TEACHER_SHARE = 0.95
GREEDY_OF_TEN = 6
SAMPLING_TEMPERATURE = 0.7
AGREEMENT_PROMPTS = 1024
AGREEMENT_TOKENS = 256


def distillation(student: Qwen3, teacher: Qwen3) -> Loss:
    """Kullback-Leibler divergence from the teacher, with a little cross entropy."""

    def student_loss(
        batch_ids: Tensor, targets: Tensor, weights: Tensor, mask: Mask, goal: Tensor
    ) -> Tensor:
        ours = functional.log_softmax(student.logits(batch_ids, mask).float(), -1)
        theirs = functional.log_softmax(goal.float(), -1)
        divergence = (theirs.exp() * (theirs - ours)).sum(-1)
        surprise = -ours.gather(-1, targets[..., None])[..., 0]
        mixed = TEACHER_SHARE * divergence + (1 - TEACHER_SHARE) * surprise
        return (mixed * weights).sum()

    teacher_logits = teacher.logits
    if device_name() == "cuda":
        student_loss = torch.compile(student_loss, dynamic=False)
        teacher_logits = torch.compile(teacher_logits, dynamic=False)

    def loss(batch: Batch, mask: Mask) -> Tensor:
        with torch.no_grad():
            goal = teacher_logits(batch.ids, mask)
        return student_loss(batch.ids, batch.targets, batch.weights, mask, goal)

    return loss


class OwnAnswers:
    """Answers of the target to prompts of the training dialogues."""

    def __init__(self, target: Qwen3, tokenizer: Tokenizer, scale: Scale) -> None:
        self.target, self.tokenizer, self.scale = target, tokenizer, scale
        self.pad_id = token_id(tokenizer, CONTROL_TOKENS[0])
        self.end_id = token_id(tokenizer, CONTROL_TOKENS[2])

    def prompt_batches(self, prompts: list[str]) -> Iterator[list[list[int]]]:
        """Prompts of about the same length together, the batches in random order."""
        encoded = [
            ids
            for ids in encode_all(self.tokenizer, prompts)
            if len(ids) <= self.scale.prompt_tokens
        ]
        encoded.sort(key=lambda ids: len(ids) // 64)
        starts = list(range(0, len(encoded), self.scale.answer_batch))
        Random(2).shuffle(starts)
        for start in starts:
            yield encoded[start : start + self.scale.answer_batch]

    def answer(self, prompts: list[list[int]]) -> Iterator[Tokens]:
        """Six of ten answers greedy, the rest sampled; only finished ones get an end token."""
        greedy = torch.arange(len(prompts)) % 10 < GREEDY_OF_TEN
        heat = torch.where(greedy, 0.0, SAMPLING_TEMPERATURE)
        limit = self.scale.answer_tokens
        answers = generate(self.target, prompts, limit, self.end_id, self.pad_id, heat)
        for prompt, answer in zip(prompts, answers, strict=True):
            ending = [self.end_id] if len(answer) < limit else []
            learned = [*answer, *ending]
            weights = [Weight.LIGHT] * len(prompt) + [Weight.FULL] * len(learned)
            yield document([*prompt, *learned], weights)

    def rows(self, prompts: list[str], seconds: float) -> Tokens:
        """Packed answers, as many as fit into `seconds`."""
        start, found = time.monotonic(), []
        for batch in self.prompt_batches(prompts):
            found += list(self.answer(batch))
            if time.monotonic() - start > seconds:
                break
        tokens = sum(map(len, found))
        log.info("%d answers of the target, %.2fM tokens", len(found), tokens / 1e6)
        return pack(found, self.scale.row_tokens + 1, self.pad_id)


def read_prompts(work: Path, split: str) -> list[tuple[str, str]]:
    """Kinds and prompts that `prepare` wrote: `train` or `held_out`."""
    prompts = json.loads((work / "prompts.json").read_text(encoding="utf-8"))[split]
    return [(kind, prompt) for kind, prompt in prompts]


@torch.no_grad()
def log_agreement(
    target: Qwen3, draft: Qwen3, tokenizer: Tokenizer, work: Path, scale: Scale
) -> None:
    """Logs the share of the target's greedy tokens that the draft puts first, by kind."""
    smoke = scale.steps is not None
    held_out = read_prompts(work, "held_out")[: 8 if smoke else AGREEMENT_PROMPTS]
    asked = [(kind, encode(tokenizer, prompt)) for kind, prompt in held_out]
    asked = [(kind, ids) for kind, ids in asked if len(ids) < scale.prompt_tokens]
    if not asked:
        return
    answers = OwnAnswers(target, tokenizer, scale)
    limit = min(AGREEMENT_TOKENS, scale.answer_tokens)
    prompts = [ids for _, ids in asked]
    found = generate(target, prompts, limit, answers.end_id, answers.pad_id)
    counts: dict[str, list[int]] = {}
    for (kind, prompt), answer in zip(asked, found, strict=True):
        ids = torch.tensor([prompt + answer], device=target.cos.device)
        guesses = draft.logits(ids).argmax(-1)[0, len(prompt) - 1 : -1]
        same = int((guesses == ids[0, len(prompt) :]).sum())
        entry = counts.setdefault(kind, [0, 0])
        entry[0] += same
        entry[1] += len(answer)
    total = sum(n for _, n in counts.values())
    log.info("agreement %.4f", sum(same for same, _ in counts.values()) / max(1, total))
    for kind, (same, tokens) in sorted(counts.items()):
        log.info("agreement, %s: %.3f of %d tokens", kind, same / max(1, tokens), tokens)
