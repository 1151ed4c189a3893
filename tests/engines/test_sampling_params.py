from __future__ import annotations

import math
from typing import Any

import pytest

from engines.errors import GenerationError
from engines.logit_bias import resolve_logit_bias
from engines.types import SamplingParams

WORDS = {" foo": [7], " foo bar": [7, 8], "": []}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", math.nan),
        ("temperature", -0.1),
        ("temperature", math.inf),
        ("top_k", -1),
        ("top_k", 2**31),
        ("top_p", math.inf),
        ("top_p", 1.01),
        ("min_p", -0.5),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", -1.0),
        ("presence_penalty", -math.inf),
        ("frequency_penalty", math.nan),
    ],
)
def test_an_unusable_number_is_refused_by_name(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(GenerationError, match=name) as error:
        SamplingParams(**settings)
    assert error.value.hint


def test_an_unusable_bias_is_refused() -> None:
    with pytest.raises(GenerationError, match="logit_bias"):
        SamplingParams(logit_bias=((3, math.inf),))


def test_the_limits_themselves_are_usable() -> None:
    SamplingParams(0, 0, 0.0, 0.0, 1.0, 0.0, 0.0)
    SamplingParams(100, 2**31 - 1, 1.0, 1.0, 100, -100, 100, seed=2**70)


def test_a_bias_names_a_token_by_id_or_by_text() -> None:
    biases = resolve_logit_bias(((3, 1.5), (" foo", -5.0), (7, 1.0)), WORDS.__getitem__, 10)
    assert biases == {3: 1.5, 7: -4.0}


@pytest.mark.parametrize("token", [" foo bar", "", -1, 10])
def test_a_bias_of_what_is_no_token_is_refused(token: int | str) -> None:
    with pytest.raises(GenerationError, match="logit_bias") as error:
        resolve_logit_bias(((token, 1.0),), WORDS.__getitem__, 10)
    assert error.value.hint
