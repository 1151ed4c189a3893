"""From the tokens a profile names to the ids of the loaded model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engines.errors import GenerationError


def resolve_logit_bias(
    logit_bias: Sequence[tuple[int | str, float]],
    tokenize: Callable[[str], Sequence[int]],
    vocabulary_size: int,
) -> dict[int, float]:
    """What to add to the logit of each token id.

    Raises:
        GenerationError: a text is not a single token of this model, or there is no such id.
    """
    biases: dict[int, float] = {}
    for token, bias in logit_bias:
        token_id = _single_token(token, tokenize) if isinstance(token, str) else token
        if not 0 <= token_id < vocabulary_size:
            raise GenerationError(
                f"logit_bias names token {token_id}, which this model does not have.",
                f"Its tokens go from 0 to {vocabulary_size - 1:,}.",
            )
        biases[token_id] = biases.get(token_id, 0.0) + bias
    return biases


def _single_token(text: str, tokenize: Callable[[str], Sequence[int]]) -> int:
    token_ids = tokenize(text)
    if len(token_ids) != 1:
        raise GenerationError(
            f"logit_bias names {text!r}, which is {len(token_ids)} tokens for this model.",
            "Name a single token; most words need the space before them.",
        )
    return token_ids[0]
