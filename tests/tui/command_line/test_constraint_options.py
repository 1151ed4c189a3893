"""`llm-tui ask --json-schema` and `--grammar`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tui.paths import app_paths

Run = Callable[..., Result]

SCHEMA = '{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}'


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
@pytest.mark.parametrize("in_file", [True, False])
def test_the_answer_is_what_the_schema_says(
    run: Run, tmp_path: Path, engine: str, in_file: bool
) -> None:
    path = tmp_path / "schema.json"
    path.write_text(SCHEMA)
    schema = path if in_file else SCHEMA
    result = run("ask", "--engine", engine, "--json-schema", schema, "--top-k", "40", "Is it so?")
    assert result.exit_code == 0, result.stderr
    assert isinstance(json.loads(result.stdout)["ok"], bool)


@pytest.mark.model
def test_the_answer_is_in_the_language_of_the_grammar(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "answer.gbnf"
    path.write_text('root ::= "left" | "right"')
    result = run("ask", "--engine", "llama.cpp", "--grammar", path, "--min-p", "0.1", "Which way?")
    assert result.stdout.strip() in ("left", "right")


def test_a_bad_schema_is_a_usage_error_before_anything_is_loaded(run: Run) -> None:
    result = run("ask", "--json-schema", '{"type": "strange"}', "Hello")
    assert result.exit_code == 2
    assert "strange" in result.stderr
    assert result.stdout == ""


def test_a_schema_file_that_is_not_there_is_named(run: Run) -> None:
    result = run("ask", "--json-schema", "missing.json", "Hello")
    assert result.exit_code == 2
    assert "missing.json" in result.stderr


def test_a_schema_and_a_grammar_exclude_each_other(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "answer.gbnf"
    path.write_text('root ::= "a"')
    result = run("ask", "--json-schema", SCHEMA, "--grammar", path, "Hello")
    assert result.exit_code == 2
    assert "not both" in result.stderr


def test_the_scripted_engine_says_that_it_holds_to_nothing(ask_scripted: Run) -> None:
    result = ask_scripted("--json-schema", SCHEMA, "Hello")
    assert result.exit_code == 1
    assert "constraint" in result.stderr


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_a_profile_can_hold_its_answers_to_a_form(run: Run, engine: str) -> None:
    folder = app_paths().profiles
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(SCHEMA)
    (folder / "yes.gbnf").write_text('root ::= "left" | "right"')
    (folder / "form.toml").write_text('extends = "chat"\njson_schema = "schema.json"\n')
    assert run("profiles", "check", "form").exit_code == 0
    options = ("ask", "--engine", engine, "--profile", "form")
    assert isinstance(json.loads(run(*options, "Is it so?").stdout)["ok"], bool)
    result = run(*options, "--grammar", folder / "yes.gbnf", "Which way?")
    assert result.stdout.strip() in ("left", "right")


def test_a_form_that_no_engine_keeps_is_found_by_the_check(run: Run) -> None:
    folder = app_paths().profiles
    folder.mkdir(parents=True)
    text = """extends = "chat"\njson_schema = '{"type": "strange"}'\n"""
    (folder / "form.toml").write_text(text)
    result = run("profiles", "check", "form")
    assert result.exit_code == 1
    assert "form.toml:2:1: json_schema: The JSON schema cannot be used" in result.stdout
