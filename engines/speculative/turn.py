"""Speculation through one turn: what to draft in each step, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engines.speculative.acceptance import (
    MATCH_MAX,
    RUNG_OF_MATCH,
    RUNG_STARTS,
    Chances,
    ContentKind,
)
from engines.speculative.costs import MAX_ROWS
from engines.speculative.drafters import DRAFT_MODEL, LookupDrafter, ModelDrafter
from engines.speculative.file_lookup import FileLookup
from engines.speculative.record import SpeculationRecord
from engines.stats import DraftCount

LOOKUP_DEPTHS = (1, 3, 5, 7, 15, 31, 63)
"""Tried depths: few, so that the cost of each is measured often, and because a GPU has to prepare
its kernels for every number of rows."""
MODEL_DEPTHS = (1, 2, 3, 5, 7, 11, 15, 23, 31, 47, 63)
"""Finer ones, as each token drafted has a price here."""
_WORTHWHILE_GAIN = 1.04
_EVIDENCE_TOKENS = 8
_PLAIN_EVERY_DRAFTS = 48
_READ_SHARE = 0.25
_HORIZON_TOKENS = 128
_PROBE_READ_UNITS = 1.0
_READ_TOKENS_MIN = 8
_CAUGHT_UP_TOKENS = 3
_HOPELESS = 0.05
_PLANS_HOLD_TOKENS = 64
_SAVING_TOKENS = 16
_PLAIN_SAMPLING = 3
_DISTURBED = 2.0
_SURPRISE = 0.1


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """Draft `depth` tokens with a lookup, or with the draft model where `lookup` is None.

    Args:
        units: Expected cost, in plain steps.
        tokens: Expected tokens, the target's own included.
        safe_tokens: The same if twice as many are refused as expected.
        read_tokens: How far back the draft model may read what it has not seen.
    """

    lookup: LookupDrafter | None
    depth: int
    units: float
    tokens: float
    safe_tokens: float
    read_tokens: int = 0

    @property
    def gain(self) -> float:
        """Speed over plain decode."""
        return self.tokens / self.units

    @property
    def drafter(self) -> str:
        return DRAFT_MODEL if self.lookup is None else self.lookup.name


@dataclass(frozen=True, slots=True)
class _Follower:
    """A lookup, its chances in the content at hand, and the plans that pay by rung and `ahead`,
    the best first."""

    lookup: LookupDrafter
    chances: Chances
    plans: dict[int, list[DraftPlan]]


class Speculation:
    """Plans each step of a turn by expected tokens per second; no draft is a plan too.

    The chances of a lookup are learned from every token, drafted or not, because what it would
    have proposed is known at no cost. Those of a draft model take a probe now and then. Whatever
    is tried, an account of the time lost against plain decode limits it.

    Args:
        record: Of the model; learns from this turn.
        sequence_ids: The prompt.
        file_lookup: In the files the answer may repeat.
        model: The draft model, where there is one.
        rows_max: Rows that the engine can verify in one pass.
        free_depth: Longest draft whose refused part can be dropped at no cost. After a refusal in a
            longer one, what was confirmed of it is fed again with the next pass.

    Attributes:
        token_ids: The sequence so far, prompt and answer.
    """

    def __init__(
        self,
        record: SpeculationRecord,
        sequence_ids: Sequence[int],
        file_lookup: FileLookup | None = None,
        model: ModelDrafter | None = None,
        rows_max: int = MAX_ROWS,
        free_depth: int = MAX_ROWS,
    ) -> None:
        self.record = record
        record.costs.age()
        record.prompt_lookup.follow(sequence_ids)
        self.token_ids = record.prompt_lookup.token_ids
        self._lookups: tuple[LookupDrafter, ...] = (record.prompt_lookup,)
        if file_lookup is not None:
            file_lookup.follow(sequence_ids)
            self._lookups = (file_lookup, record.prompt_lookup)
        self._model = model
        self._rows_max = min(rows_max, MAX_ROWS)
        if record.depth_max is not None:
            self._rows_max = min(self._rows_max, 1 + max(1, record.depth_max))
        self._free_depth = free_depth
        self._account = record.account
        self._account.begin_turn()
        self._counts: dict[str, DraftCount] = {}
        self._drafts_in_a_row = 0
        self._content = ContentKind.PROSE
        self._model_pays = False
        self._model_at_tokens = math.inf
        if model is not None:
            self._model_at_tokens = record.probe_every_tokens(self._content)
        self._turn_to_content()

    @property
    def counts(self) -> tuple[DraftCount, ...]:
        """Drafted and accepted tokens by drafter, in order of first use."""
        return tuple(self._counts.values())

    @property
    def content(self) -> ContentKind:
        """Kind of the text being written; kept by the engine."""
        return self._content

    @content.setter
    def content(self, kind: ContentKind) -> None:
        if kind is not self._content:
            self._content = kind
            self._turn_to_content()

    def plan(self, room_tokens: int, ahead: bool = False) -> DraftPlan | None:
        """The best draft of at most `room_tokens`; None where plain decode is the best.

        Args:
            ahead: The next token is being computed already. A lookup proposes it too, and it has
                to be right for the others to count; it is not counted itself.
        """
        if self._drafts_in_a_row >= _PLAIN_EVERY_DRAFTS or not self.record.costs.plain_is_known:
            return None
        plan = None
        for follower in self._followers:
            if follower.lookup.match_tokens:
                found = self._plan_by(follower, room_tokens, ahead)
                if found is not None and (plan is None or found.gain > plan.gain):
                    plan = found
        if self._account.tokens >= self._model_at_tokens:
            by_model = self._plan_model(min(room_tokens, self._rows_max - 1))
            if by_model is not None and (plan is None or by_model.gain > plan.gain):
                return by_model
        return plan

    def propose(self, plan: DraftPlan) -> list[int]:
        """The draft that was planned; may be shorter, or empty."""
        if plan.lookup is not None:
            return plan.lookup.propose(plan.depth)
        assert self._model is not None
        return self._model.propose(self.token_ids, plan.depth, plan.read_tokens)

    def observe(self, token_ids: Sequence[int]) -> None:
        """The answer goes on with `token_ids`."""
        for token_id in token_ids:
            for follower in self._followers:
                lookup = follower.lookup
                if match := lookup.match_tokens:
                    rung = RUNG_OF_MATCH[match if match < MATCH_MAX else MATCH_MAX]
                    follower.chances.note(rung, lookup.next_id() == token_id)
                lookup.observe(token_id)

    def note_plain(self, step_s: float | None) -> None:
        """A plain step took `step_s`; None where it cannot be told."""
        self._drafts_in_a_row = 0
        self._account.tokens += 1
        costs = self.record.costs
        is_due = not costs.plain_is_known or self._account.tokens % _PLAIN_SAMPLING < 1
        if step_s is not None and is_due:
            costs.note_plain(step_s)

    def note_return(self, step_s: float) -> None:
        """The first plain step after drafts took `step_s`; what it took longer is their cost.

        Where a step is always in flight, the device has to be kept waiting once to get there again.
        """
        self._drafts_in_a_row = 0
        units = step_s / self.record.costs.plain_s
        self._account.add(max(1.0, min(units, _DISTURBED)), 1.0)

    def note_replay(self, tokens: int) -> None:
        """A plain step fed `tokens` again, because a refused draft took them along."""
        self._account.add(self._replay_units(tokens), 0.0)

    def note_draft(
        self,
        plan: DraftPlan,
        drafted: int,
        accepted: int,
        draft_s: float,
        pass_s: float,
        replayed: int = 0,
    ) -> None:
        """A step drafted `drafted` tokens in `draft_s` and verified them in `pass_s`.

        Args:
            replayed: Tokens that the pass fed again, as `note_replay` says.
        """
        record = self.record
        self._drafts_in_a_row += 1
        rows = drafted + 1 + replayed
        expected_units = self._units(rows)
        if drafted and rows <= MAX_ROWS:
            record.costs.note_pass(rows, pass_s)
        if drafted:
            count = self._counts.get(plan.drafter, DraftCount(plan.drafter))
            self._counts[plan.drafter] = count.plus(drafted, accepted)
        usual_units = self._units(rows)
        units = min(pass_s / record.costs.plain_s, _DISTURBED * usual_units)
        if plan.lookup is None:
            units += draft_s / record.costs.plain_s
            self._note_model(plan, drafted, accepted, draft_s)
        self._account.add(units, 1.0 + accepted)
        if accepted < drafted or abs(usual_units - expected_units) > _SURPRISE * expected_units:
            self._turn_to_content()

    def _note_model(self, plan: DraftPlan, drafted: int, accepted: int, draft_s: float) -> None:
        record = self.record
        if drafted and plan.read_tokens <= _CAUGHT_UP_TOKENS:
            record.note_draft(drafted, draft_s)
        chances = record.model_chances(DRAFT_MODEL, self.content)
        for position in range(min(accepted + 1, drafted)):
            chances.note(position, position < accepted)
        best = self._best_by_model(self._rows_max - 1)
        pays = chances.count >= _EVIDENCE_TOKENS and best.gain > _WORTHWHILE_GAIN
        record.note_verdict(self.content, pays)
        self._model_pays = record.draft_pays(self.content)
        wait_tokens = 0 if self._model_pays else record.probe_every_tokens(self.content)
        self._model_at_tokens = self._account.tokens + wait_tokens

    def _turn_to_content(self) -> None:
        """What was learned for this kind of content; drafts are planned anew."""
        record, content = self.record, self._content
        self._followers = tuple(
            _Follower(lookup, record.lookup_chances(lookup.name, content), {})
            for lookup in self._lookups
        )
        self._planned_until_tokens = self._account.tokens + _PLANS_HOLD_TOKENS
        if self._model is not None:
            self._model_pays = record.draft_pays(content)
            if self._model_pays:
                self._model_at_tokens = self._account.tokens

    def _plan_by(self, follower: _Follower, room_tokens: int, ahead: bool) -> DraftPlan | None:
        """The best depth for a lookup that is affordable; None where none pays."""
        if self._account.tokens >= self._planned_until_tokens:
            self._turn_to_content()
        match = follower.lookup.match_tokens
        rung = RUNG_OF_MATCH[match if match < MATCH_MAX else MATCH_MAX]
        key = -1 - rung if ahead else rung
        if key not in follower.plans:
            follower.plans[key] = self._plans_by_lookup(follower, RUNG_STARTS[rung], ahead)
        plans = follower.plans[key]
        for plan in plans:
            fits = plan.depth - ahead <= room_tokens
            if fits and self._account.affords(plan.units, plan.safe_tokens, plans[0].gain):
                return plan
        return None

    def _plans_by_lookup(self, follower: _Follower, match: int, ahead: bool) -> list[DraftPlan]:
        by_rung = follower.chances.by_rung
        first = by_rung[RUNG_OF_MATCH[match]] if ahead else 1.0
        chances = [
            by_rung[RUNG_OF_MATCH[min(match + ahead + position, MATCH_MAX)]]
            for position in range(self._rows_max - 1)
        ]
        plans = [
            DraftPlan(
                follower.lookup,
                depth + ahead,
                self._pass_units(depth, tokens, confirmed),
                tokens,
                safe_tokens,
            )
            for depth, tokens, safe_tokens, confirmed in _expectations(
                LOOKUP_DEPTHS, chances, first
            )
        ]
        paying = [plan for plan in plans if plan.gain > _WORTHWHILE_GAIN]
        return sorted(paying, key=lambda plan: plan.gain, reverse=True)

    def _plan_model(self, depth_max: int) -> DraftPlan | None:
        """As long as it pays, and now and then to see whether it does."""
        if self._model is None or depth_max < 1:
            return None
        record = self.record
        plan = self._best_by_model(depth_max)
        unread = self._model.unread_tokens(self.token_ids)
        read_units = self._read_units_allowed(plan)
        token_units = max(record.read_token_units(), 1e-6)
        read_tokens = min(unread, max(_READ_TOKENS_MIN, int(read_units / token_units)))
        extra_units = max(0, read_tokens - _CAUGHT_UP_TOKENS) * token_units
        if not self._account.affords(plan.units + extra_units, plan.safe_tokens, plan.gain):
            self._model_at_tokens = self._account.tokens + _SAVING_TOKENS
            return None
        return replace(plan, read_tokens=read_tokens)

    def _read_units_allowed(self, plan: DraftPlan) -> float:
        """Reading is an investment: a share of what the turn may still bring."""
        if not self._model_pays:
            return _PROBE_READ_UNITS
        return _READ_SHARE * _HORIZON_TOKENS * (1 - 1 / plan.gain)

    def _best_by_model(self, depth_max: int) -> DraftPlan:
        """The depth with the best expected speed, one that loses included."""
        record = self.record
        chances = record.model_chances(DRAFT_MODEL, self.content).by_position()
        token_units = record.draft_token_units()
        plans = [
            DraftPlan(
                None,
                depth,
                self._pass_units(depth, tokens, confirmed) + depth * token_units,
                tokens,
                safe,
            )
            for depth, tokens, safe, confirmed in _expectations(MODEL_DEPTHS, chances[:depth_max])
        ]
        return max(plans, key=lambda plan: plan.gain)

    def _pass_units(self, depth: int, tokens: float, confirmed: float) -> float:
        """Cost of verifying `depth` tokens, and of feeding some again where that is needed.

        Args:
            tokens: Expected of the pass, the target's own included.
            confirmed: Chance that all are confirmed.
        """
        units = self.record.costs.units(depth + 1)
        refused = 1.0 - confirmed
        if depth <= self._free_depth or refused <= 0:
            return units
        replayed = (tokens - (depth + 1) * confirmed) / refused
        return units + refused * self._replay_units(math.ceil(replayed))

    def _replay_units(self, tokens: int) -> float:
        """What a plain pass costs more where it feeds `tokens` again."""
        return max(0.0, self._units(1 + tokens) - 1.0)

    def _units(self, rows: int) -> float:
        return self.record.costs.units(min(rows, MAX_ROWS))


def _expectations(
    depths: Sequence[int], chances: Sequence[float], first: float = 1.0
) -> Iterator[tuple[int, float, float, float]]:
    """Of each depth: the depth, the expected tokens, those to be safe with, and the chance that the
    whole draft is confirmed.

    Args:
        chances: Of each drafted token, given that all before it were confirmed.
        first: Chance that the draft starts at the right place.
    """
    tokens = safe_tokens = 1.0
    reached, safe = first, max(0.0, 2 * first - 1)
    depth = 0
    for wanted in depths:
        if wanted > len(chances) or (reached < _HOPELESS and depth):
            return
        for chance in chances[depth:wanted]:
            reached *= chance
            safe *= max(0.0, 2 * chance - 1)
            tokens += reached
            safe_tokens += safe
        depth = wanted
        yield depth, tokens, safe_tokens, reached
