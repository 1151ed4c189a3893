"""Structured output of the real engines on the embedded model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import jsonschema
import pytest

from engines.base import Engine
from engines.chat_template import ChatTemplate
from engines.errors import GenerationError
from engines.events import FinishReason, GenerationFinished, TextChunk, TextKind
from engines.registry import create_engine
from engines.types import (
    ChatMessage,
    Constraint,
    ConstraintKind,
    GenerationRequest,
    LoadRequest,
    ModelInfo,
    Role,
    SamplingParams,
)

pytestmark = pytest.mark.model

PERSON: dict[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "colors": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 3},
        "place": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "known": {"type": "boolean"}},
            "required": ["x"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "age", "colors", "place"],
    "additionalProperties": False,
}
TREE: dict[str, object] = {
    "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
    "type": "object",
    "properties": {"kind": {"const": "tree"}, "root": {"$ref": "#/$defs/tree"}},
    "required": ["kind", "root"],
}
SCHEMAS: dict[str, dict[str, object]] = {
    "person": PERSON,
    "tree": TREE,
    "choice": {
        "anyOf": [
            {"enum": ["a", "b", None]},
            {"type": "array", "items": {"const": 1}, "maxItems": 4},
        ]
    },
}
WORDS = 'root ::= word (", " word){3,30} "."\nword ::= [a-z]{2,9}'


@dataclass
class Loaded:
    engine: Engine
    info: ModelInfo

    def ask(
        self, constraint: Constraint | None, reasoning: bool = False, **changes: object
    ) -> tuple[dict[TextKind, str], GenerationFinished]:
        info = self.info
        template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
        question = "Describe a person as JSON." + (" /think" if reasoning else "")
        prompt = template.render([ChatMessage(Role.USER, question)], reasoning=reasoning)
        request = GenerationRequest(
            (prompt,),
            "chat",
            SamplingParams(temperature=0.0),
            max_tokens=300,
            reasoning_tags=template.reasoning_tags,
            constraint=constraint,
        )
        self.engine.forget("chat")
        texts = dict.fromkeys(TextKind, "")
        for event in self.engine.generate(replace(request, **changes), lambda: False):  # type: ignore[arg-type]
            if isinstance(event, TextChunk):
                texts[event.kind] += event.text
        assert isinstance(event, GenerationFinished)
        return texts, event


@pytest.fixture(scope="module", params=["mlx", "llama.cpp"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    engine = create_engine(request.param)
    load = LoadRequest(request.param, "demo:target", draft_model="demo:draft")
    yield Loaded(engine, engine.load(load, lambda report: None, lambda: False))
    engine.close()


def json_schema(schema: object) -> Constraint:
    return Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema))


def check(text: str, finished: GenerationFinished, schema: dict[str, object]) -> None:
    """Valid JSON, or the honest beginning of a long one."""
    if finished.reason is FinishReason.STOP:
        jsonschema.validate(json.loads(text), schema)
    else:
        assert finished.reason is FinishReason.LENGTH
        assert finished.stats.generated_tokens == 300


def test_hot_samples_are_valid_and_most_come_to_their_end(loaded: Loaded) -> None:
    reasons = []
    for seed in range(20):
        hot = SamplingParams(temperature=1.2, seed=seed)
        texts, finished = loaded.ask(json_schema(PERSON), sampling=hot, use_draft=False)
        assert texts[TextKind.ANSWER].startswith("{")
        check(texts[TextKind.ANSWER], finished, PERSON)
        reasons.append(finished.reason)
    assert reasons.count(FinishReason.STOP) >= 16


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("filters", [{}, {"top_k": 3}, {"top_p": 0.5, "repetition_penalty": 1.3}])
def test_every_kind_of_schema_holds_under_every_filter(
    loaded: Loaded, name: str, filters: dict[str, float]
) -> None:
    sampling = SamplingParams(temperature=0.9, seed=4, **filters)  # type: ignore[arg-type]
    texts, finished = loaded.ask(json_schema(SCHEMAS[name]), sampling=sampling)
    check(texts[TextKind.ANSWER], finished, SCHEMAS[name])


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=0.0),
        SamplingParams(temperature=0.0, repetition_penalty=1.2),
        SamplingParams(temperature=1.0, seed=8),
    ],
)
def test_a_draft_changes_nothing_under_a_constraint(
    loaded: Loaded, sampling: SamplingParams
) -> None:
    for constraint in (json_schema(PERSON), Constraint(ConstraintKind.GRAMMAR, WORDS)):
        plain, _ = loaded.ask(constraint, sampling=sampling, use_draft=False)
        drafted, finished = loaded.ask(constraint, sampling=sampling)
        assert drafted == plain
    assert finished.stats.accepted_tokens <= finished.stats.drafted_tokens


def test_the_same_seed_gives_the_same_answer(loaded: Loaded) -> None:
    hot = SamplingParams(temperature=1.2, seed=5)
    assert (
        loaded.ask(json_schema(PERSON), sampling=hot)[0]
        == (loaded.ask(json_schema(PERSON), sampling=hot)[0])
    )


def test_reasoning_is_free_and_the_answer_is_held(loaded: Loaded) -> None:
    texts, finished = loaded.ask(json_schema(PERSON), reasoning=True)
    assert texts[TextKind.REASONING]
    check(texts[TextKind.ANSWER], finished, PERSON)


def test_a_grammar_cut_by_its_length_is_a_beginning(loaded: Loaded) -> None:
    texts, finished = loaded.ask(Constraint(ConstraintKind.GRAMMAR, WORDS), max_tokens=5)
    assert finished.reason is FinishReason.LENGTH
    assert texts[TextKind.ANSWER].replace(", ", "").rstrip(",").isalpha()


def test_a_stop_text_ends_a_constrained_answer(loaded: Loaded) -> None:
    texts, finished = loaded.ask(json_schema(PERSON), stop=('"age"',))
    assert finished.reason is FinishReason.STOP
    assert '"name"' in texts[TextKind.ANSWER]
    assert '"age"' not in texts[TextKind.ANSWER]


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint(ConstraintKind.JSON_SCHEMA, '{"type": "strange"}'),
        Constraint(ConstraintKind.GRAMMAR, "root ::= nothing"),
    ],
)
def test_a_bad_constraint_is_an_error_and_the_engine_goes_on(
    loaded: Loaded, constraint: Constraint
) -> None:
    with pytest.raises(GenerationError, match="cannot be used") as error:
        loaded.ask(constraint)
    assert error.value.hint
    texts, _ = loaded.ask(Constraint(ConstraintKind.GRAMMAR, 'root ::= "yes"'))
    assert texts[TextKind.ANSWER] == "yes"


def test_a_bias_decides_among_what_is_allowed(loaded: Loaded) -> None:
    either = Constraint(ConstraintKind.GRAMMAR, 'root ::= "return" | "class"')
    for word, other in (("return", "class"), ("class", "return")):
        sampling = SamplingParams(temperature=0.0, logit_bias=((word, 50.0), (other, -50.0)))
        assert loaded.ask(either, sampling=sampling)[0][TextKind.ANSWER] == word


def test_a_bias_needs_no_constraint(loaded: Loaded) -> None:
    sampling = SamplingParams(temperature=0.0, logit_bias=((" return", 100.0),))
    texts, _ = loaded.ask(None, sampling=sampling, max_tokens=3)
    assert texts[TextKind.ANSWER] == " return return return"


def test_a_text_of_several_tokens_cannot_be_biased(loaded: Loaded) -> None:
    sampling = SamplingParams(logit_bias=((" an unlikely sequence", 1.0),))
    with pytest.raises(GenerationError, match="tokens for this model"):
        loaded.ask(json_schema({}), sampling=sampling)
