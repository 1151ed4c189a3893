"""Draws tokens with llama.cpp's own samplers."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import GenerationError
from engines.llama_cpp.library import llama, sample_token
from engines.types import PENALTY_WINDOW_TOKENS, SamplingParams

if TYPE_CHECKING:
    from engines.grammar.answer_form import AnswerForm

_SEEDS = 2**32 - 1  # the value 2³² - 1 itself asks the library for a random seed
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class SamplerChain:
    """Logit bias, penalties, top-k, top-p, min-p, temperature, and the draw itself, in this order.

    The chain remembers what was drawn (for the penalties, the random numbers and the constraint),
    so rows must be sampled in the order of the text, and none that is not used.

    Args:
        sampling: What to draw by; temperature 0 is greedy, no seed takes a random one.
        vocabulary_size: Of the model.
        prompt_ids: The penalties count its last tokens too.
        logit_bias: `sampling.logit_bias`, by token id.
        form: The constraint that the answer is held to, or None.
    """

    def __init__(
        self,
        sampling: SamplingParams,
        vocabulary_size: int,
        prompt_ids: Sequence[int] = (),
        logit_bias: Mapping[int, float] | None = None,
        form: AnswerForm | None = None,
    ) -> None:
        self._vocabulary_size = vocabulary_size
        self._form = form
        self._all_ids = np.arange(vocabulary_size, dtype=np.int32)
        self.handle: Any = llama.llama_sampler_chain_init(
            llama.llama_sampler_chain_default_params()
        )
        if logit_bias:
            self._add(_bias_sampler(logit_bias, vocabulary_size))
        if sampling.has_penalties:
            self._add(
                llama.llama_sampler_init_penalties(
                    vocabulary_size,
                    PENALTY_WINDOW_TOKENS,
                    sampling.repetition_penalty,
                    sampling.frequency_penalty,
                    sampling.presence_penalty,
                )
            )
        for sampler in _drawing_samplers(sampling):
            self._add(sampler)
        if sampling.has_penalties:
            for token_id in prompt_ids[-PENALTY_WINDOW_TOKENS:]:
                llama.llama_sampler_accept(self.handle, token_id)

    def prepare(self) -> None:
        """What can be done for the next draw before its logits are there."""
        if self._form is not None:
            self._form.prepare()

    def draw(self, context: Any, output: int) -> int:
        """A token from output `output` of the last pass of the library's context, which is done."""
        if self._form is None:
            return int(sample_token(self.handle, context, output))
        pointer = llama.llama_get_logits_ith(context, output)
        return self.draw_from(np.ctypeslib.as_array(pointer, (self._vocabulary_size,)))

    def draw_from(self, logits: NDArray[np.float32]) -> int:
        """A token by its logits, one that the constraint allows where there is one.

        The first draw is from the whole vocabulary, and nearly always allowed; only where it is
        refused are the allowed tokens gathered for another draw. Without top-k, top-p and min-p
        both together follow the distribution of the allowed tokens exactly.
        """
        token_id = self._pick(self._all_ids, logits)
        if self._form is not None:
            if not self._form.allows(token_id):
                allowed_ids = np.flatnonzero(self._form.allowed(logits.size))
                token_id = self._pick(allowed_ids, logits[allowed_ids])
            self._form.accept(token_id)
        llama.llama_sampler_accept(self.handle, token_id)
        return token_id

    def close(self) -> None:
        if self.handle is not None:
            llama.llama_sampler_free(self.handle)
            self.handle = None

    def _pick(self, token_ids: NDArray[Any], logits: NDArray[np.float32]) -> int:
        """The library's choice of `token_ids`; none at all would end the process."""
        if not token_ids.size:
            raise GenerationError("The constraint allows no token.", "Correct the constraint.")
        candidates = np.empty(token_ids.size, _CANDIDATE)
        candidates["id"], candidates["logit"], candidates["p"] = token_ids, logits, 0
        data = candidates.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))
        array = llama.llama_token_data_array(data, candidates.size, -1, False)
        llama.llama_sampler_apply(self.handle, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _add(self, sampler: Any) -> None:
        if not sampler:  # the library would crash on it
            self.close()
            raise GenerationError("A sampling setting was refused.", "Check the profile.")
        llama.llama_sampler_chain_add(self.handle, sampler)


def _bias_sampler(logit_bias: Mapping[int, float], vocabulary_size: int) -> Any:
    entries = (llama.llama_logit_bias * len(logit_bias))(*logit_bias.items())
    return llama.llama_sampler_init_logit_bias(vocabulary_size, len(entries), entries)


def _drawing_samplers(sampling: SamplingParams) -> list[Any]:
    if sampling.temperature <= 0:
        return [llama.llama_sampler_init_greedy()]
    seed = random.SystemRandom().randrange(_SEEDS) if sampling.seed is None else sampling.seed
    return [
        *([llama.llama_sampler_init_top_k(sampling.top_k)] if sampling.top_k > 0 else []),
        *([llama.llama_sampler_init_top_p(sampling.top_p, 1)] if sampling.top_p < 1 else []),
        *([llama.llama_sampler_init_min_p(sampling.min_p, 1)] if sampling.min_p > 0 else []),
        llama.llama_sampler_init_temp(sampling.temperature),
        llama.llama_sampler_init_dist(seed % _SEEDS),
    ]
