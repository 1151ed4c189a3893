"""How much of a draft the target model confirmed."""

from __future__ import annotations

from collections.abc import Sequence


def accepted_count(drafted: Sequence[int], sampled: Sequence[int]) -> int:
    """Drafted tokens that equal what the target sampled at the same place, up to the first miss."""
    for index, (draft, target) in enumerate(zip(drafted, sampled, strict=False)):
        if draft != target:
            return index
    return min(len(drafted), len(sampled))
