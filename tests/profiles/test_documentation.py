"""The loader, the schema for editors and the documentation come from one description."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engines.types import SamplingParams
from profiles.documentation import with_keys_table
from profiles.json_schema import profile_json_schema, profile_json_schema_text
from profiles.layers import BUILTIN_ORDER
from profiles.reading import Document, read_settings
from profiles.schema import FIELD_OF_KEY, Profile, all_keys
from tests.profiles.complete_profile import EVERYTHING

NOT_IN_FILES = {
    "name", "model_by_engine", "draft_by_engine", "use_draft", "options", "origin", "layer",
    "ignored",
}  # fmt: skip
SCHEMA = profile_json_schema()
DOCS = Path("docs")


def test_the_schema_in_the_repository_is_current() -> None:
    """Otherwise: python -m profiles.documentation docs"""
    assert (DOCS / "profile.schema.json").read_text() == profile_json_schema_text()


def test_the_table_in_the_documentation_is_current() -> None:
    """Otherwise: python -m profiles.documentation docs"""
    page = (DOCS / "profiles.md").read_text()
    assert page == with_keys_table(page)
    for key in all_keys():
        assert key in ("sampling", "permissions") or f"| `{key}` |" in page


def test_every_field_has_its_keys() -> None:
    names = {item.name for item in fields(Profile)}
    assert names - set(FIELD_OF_KEY.values()) == NOT_IN_FILES
    sampling = {key.removeprefix("sampling.") for key in all_keys() if key.startswith("sampling.")}
    assert sampling == {item.name for item in fields(SamplingParams)}


@pytest.mark.parametrize("name", BUILTIN_ORDER)
def test_the_built_in_profiles_fit_the_schema(name: str) -> None:
    values = tomllib.loads((Path("profiles/builtin") / f"{name}.toml").read_text())
    jsonschema.validate(values, SCHEMA)


def test_everything_fits_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(tomllib.loads(EVERYTHING), SCHEMA)


@pytest.mark.parametrize(
    "values",
    [
        {"titel": "x"},
        {"task": "other"},
        {"engine": "vllm"},
        {"kv_type": "q3"},
        {"context_window": -1},
        {"context_window": True},
        {"context_window": 1.5},
        {"max_tokens": "1"},
        {"reasoning": 1},
        {"reasoning": "yes"},
        {"reasoning_effort": "most"},
        {"stop": "x"},
        {"stop": [""]},
        {"tools": ["A b"]},
        {"keep_alive": "10 minutes"},
        {"keep_alive": -1},
        {"keep_alive": True},
        {"model": ""},
        {"model": {}},
        {"model": {"vllm": "x"}},
        {"model": {"mlx": 1}},
        {"draft": 1},
        {"sampling": 1},
        {"sampling": {"top_p": 2}},
        {"sampling": {"top_k": 0.5}},
        {"sampling": {"logit_bias": {"a": "b"}}},
        {"permissions": {"run": "yes"}},
        {"permissions": {"fly": "ask"}},
        {"title": 3},
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(values: dict[str, Any]) -> None:
    assert read_settings(Document(values, "x.toml"))[1]
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(values)


@pytest.mark.parametrize(
    "values",
    [
        {"keep_alive": "1.5 h"},
        {"keep_alive": 0},
        {"reasoning": "auto"},
        {"reasoning": False},
        {"model": {"llama.cpp": "x"}},
        {"sampling": {"seed": 0, "logit_bias": {}}},
        {"tools": []},
        {},
    ],
)
def test_what_the_reader_takes_the_schema_takes(values: dict[str, Any]) -> None:
    assert read_settings(Document(values, "x.toml"))[1] == []
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(values)
