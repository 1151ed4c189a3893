"""What an engine learns about speculation with one model, kept from turn to turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engines.speculative.acceptance import Chances, ContentKind, lookup_chances, model_chances
from engines.speculative.costs import StepCosts
from engines.speculative.file_lookup import FileLookup
from engines.speculative.loss import LossAccount
from engines.speculative.prompt_lookup import PromptLookup

MODEL_DEPTH_MAX = 15
_FIRST_PROBE_TOKENS = 4
_PROBE_EVERY_TOKENS_MAX = 512


class SpeculationRecord:
    """Costs, chances and indexes of one loaded model.

    Args:
        draft_size: Bytes of the draft model's weights ÷ the target's, a first guess at what
            drafting costs; 0 without a draft model.

    Attributes:
        depth_max: Tokens to draft in one step at most, as the user wants it; None leaves it to
            measurement.
        draft_token_s: Seconds to draft a token; None until measured.
    """

    def __init__(self, draft_size: float = 0.0) -> None:
        self.draft_size = draft_size
        self.depth_max: int | None = None
        self.unlearn()

    def unlearn(self) -> None:
        """Begin anew, as if the model had just been loaded."""
        self.costs = StepCosts()
        self.account = LossAccount()
        self.prompt_lookup = PromptLookup()
        self.draft_token_s: float | None = None
        self._pays: dict[ContentKind, bool] = {}
        self._file_lookup: FileLookup | None = None
        self._references: tuple[str, ...] = ()
        self._chances: dict[tuple[str, ContentKind], Chances] = {}
        self._probe_every_tokens: dict[ContentKind, int] = {}

    def file_lookup(
        self, references: tuple[str, ...], tokenize: Callable[[str], Sequence[int]]
    ) -> FileLookup | None:
        """A lookup in `references`, made anew only where they changed; None for none."""
        if references != self._references:
            files = [tokenize(text) for text in references]
            self._file_lookup = FileLookup(files) if files else None
            self._references = references
        return self._file_lookup

    def lookup_chances(self, drafter: str, content: ContentKind) -> Chances:
        return self._find((drafter, content), lookup_chances)

    def model_chances(self, drafter: str, content: ContentKind) -> Chances:
        return self._find((drafter, content), lambda: model_chances(MODEL_DEPTH_MAX))

    def probe_every_tokens(self, content: ContentKind) -> int:
        """How often to try the draft model while it does not pay."""
        return self._probe_every_tokens.get(content, _FIRST_PROBE_TOKENS)

    def note_verdict(self, content: ContentKind, pays: bool) -> None:
        """The longer the draft model does not pay, the more rarely it is tried."""
        every = min(2 * self.probe_every_tokens(content), _PROBE_EVERY_TOKENS_MAX)
        self._probe_every_tokens[content] = _FIRST_PROBE_TOKENS if pays else every
        self._pays[content] = pays

    def draft_pays(self, content: ContentKind) -> bool:
        """Whether the draft model was worth its time when last judged."""
        return self._pays.get(content, False)

    @property
    def reads_along(self) -> bool:
        """Whether the draft model should read a prompt while the target does.

        It should while it pays anywhere, and once to see whether it does: it drafts badly for a
        text of which it knows the end alone.
        """
        return not self._pays or any(self._pays.values())

    def draft_token_units(self) -> float:
        """Cost of drafting one token, in plain steps."""
        if self.draft_token_s is not None and self.costs.plain_s > 0:
            return self.draft_token_s / self.costs.plain_s
        return self.draft_size

    def read_token_units(self) -> float:
        """Cost for the draft model to read one token of the text."""
        return self.draft_size * self.costs.prefill_token_units()

    def note_draft(self, tokens: int, draft_s: float) -> None:
        """Drafting `tokens`, with next to nothing to read before, took `draft_s`."""
        token_s = draft_s / tokens
        before_s = self.draft_token_s
        usual_s = token_s if before_s is None else min(token_s, 3 * before_s)
        self.draft_token_s = usual_s if before_s is None else 0.8 * before_s + 0.2 * usual_s

    def _find(self, key: tuple[str, ContentKind], create: Callable[[], Chances]) -> Chances:
        chances = self._chances.get(key)
        if chances is None:
            chances = self._chances[key] = create()
        return chances
