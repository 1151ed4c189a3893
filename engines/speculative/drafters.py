"""What proposes tokens: drafters, and the draft they hand over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

FILE_LOOKUP = "file lookup"
PROMPT_LOOKUP = "prompt lookup"
DRAFT_MODEL = "draft model"


class LookupDrafter(Protocol):
    """Finds the coming tokens in text that is known already, at next to no cost.

    Attributes:
        match_tokens: Tokens of the sequence's end that agree with the place it would copy from;
            0 where it has nothing to propose.
    """

    name: str
    match_tokens: int

    def observe(self, token_id: int) -> None:
        """The sequence goes on with `token_id`."""
        ...

    def next_id(self) -> int | None:
        """The token it expects next; None where it has nothing to propose."""
        ...

    def propose(self, depth: int) -> list[int]:
        """At most `depth` tokens that it expects next."""
        ...


class ModelDrafter(Protocol):
    """A draft model at work on the sequence of one turn. Drafting takes time."""

    def unread_tokens(self, sequence_ids: Sequence[int]) -> int:
        """Tokens it would have to read before it can draft."""
        ...

    def propose(self, sequence_ids: Sequence[int], depth: int, read_tokens: int) -> list[int]:
        """At most `depth` tokens after `sequence_ids`.

        Where more than `read_tokens` are unread it reads only that many of the newest, and goes
        by those.
        """
        ...
