"""How much of a prompt to read in one go."""

from __future__ import annotations

CHUNK_S = 0.4
"""Between two looks at the cancel flag."""

_FIRST_TOKENS = 128
_FEWEST_TOKENS = 32


class ChunkLength:
    """Tokens per chunk: as many as take about `CHUNK_S`, by the speed of the last chunk.

    So a slow machine stops soon after it is told to, a fast one seldom waits between two chunks,
    and chunks get shorter as the context grows.

    Lengths are powers of two: a GPU has to prepare its kernels for every length that it meets.

    Args:
        most_tokens: No chunk is longer.
    """

    def __init__(self, most_tokens: int) -> None:
        self.most_tokens = most_tokens
        self.tokens = min(_FIRST_TOKENS, most_tokens)

    def limit(self, most_tokens: int) -> None:
        """Let no chunk be longer from now on; a limit that grows is grown into."""
        self.most_tokens = most_tokens
        self.tokens = min(self.tokens or _FIRST_TOKENS, most_tokens)

    def record(self, tokens: int, elapsed_s: float) -> None:
        """A chunk of `tokens` took `elapsed_s`; a shorter one than asked for tells too little."""
        if tokens < self.tokens:
            return
        fitting = round(tokens * CHUNK_S / elapsed_s) if elapsed_s > 0 else self.most_tokens
        wanted = max(_FEWEST_TOKENS, min(fitting, 4 * self.tokens))
        self.tokens = min(2 ** (wanted.bit_length() - 1), self.most_tokens)
