from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.types import ConstraintKind
from profiles.errors import ProfileError
from profiles.loader import load_profiles
from profiles.permissions import Permission, Permissions
from profiles.reading import profile_from_toml
from profiles.task import Task
from tests.profiles.complete_profile import EVERYTHING

Write = Callable[..., Path]


def test_every_key_reaches_the_profile(user: Path, write: Write) -> None:
    write(user, "mine", EVERYTHING)
    (user / "form.json").write_text('{"type": "object"}')
    mine = load_profiles(user).get("mine")
    assert (mine.title, mine.description, mine.task) == ("Mine", "for all", Task.LONG_DOCUMENTS)
    assert (mine.model_for("mlx"), mine.model_for("llama.cpp")) == ("org/x", "ollama:x")
    assert (mine.draft_for("mlx"), mine.draft_for("llama.cpp")) == ("org/d", None)
    assert (mine.quantization, mine.adapter) == ("Q5_K_M", str(user / "lora"))
    assert (mine.context_window_tokens, mine.max_tokens) == (4096, 100)
    assert (mine.reasoning, mine.reasoning_effort) == (True, "high")
    assert mine.tools == ("read_file", "run-tests")
    assert mine.permissions == Permissions(Permission.ASK, Permission.ASK, Permission.DENY)
    assert mine.keep_alive_s == 600
    assert mine.constraint is not None
    assert mine.constraint.kind is ConstraintKind.JSON_SCHEMA
    assert mine.constraint.text == '{"type": "object"}'
    assert (mine.layer, mine.origin) == ("user", str(user / "mine.toml"))


@pytest.mark.parametrize(
    ("line", "place", "key", "words", "hint"),
    [
        ("temprature = 1", "3:1", "temprature", "not a known key", "sampling.temperature?"),
        ("  sytem_prompt = 1", "3:3", "sytem_prompt", "not a known key", "system_prompt?"),
        (
            "sampling.top_kk = 1",
            "3:10",
            "sampling.top_kk",
            "not a known key",
            "Did you mean top_k?",
        ),
        ('task = "codng"', "3:1", "task", "not known", "coding"),
        ('model.vllm = "x"', "3:7", "model.vllm", "not an engine", "mlx, llama.cpp"),
        ("draft = 4", "3:1", "draft", "a text, or a table", "off"),
        ('permissions = {run = "yes"}', "3:16", "permissions.run", "not known", "deny, ask, allow"),
        ('keep_alive = "10 minutes"', "3:1", "keep_alive", '"10m"', "10m"),
        ("keep_alive = -1", "3:1", "keep_alive", "a time", "10m"),
        ('tools = ["Read file"]', "3:1", "tools", "Read file", "read_file"),
        ("reasoning = 1", "3:1", "reasoning", 'true or false, or "auto"', "true"),
        ('grammar = "no.gbnf"', "3:1", "grammar", "no such file", "answer.gbnf"),
        ("seed = 1", "3:1", "seed", "not a known key", "Did you mean sampling.seed?"),
        ('title = "a" x', "3:13", "", "not valid TOML", "Correct that line"),
        ('title = "a', "3:11", "", "not valid TOML", "Correct that line"),
    ],
)
def test_an_error_names_line_column_key_and_what_is_near(
    user: Path, write: Write, line: str, place: str, key: str, words: str, hint: str
) -> None:
    model = "" if line.startswith("model") else 'model = "demo:target"'
    path = write(
        user,
        "mine",
        f"# mine\n{model}\n{line}\n" if "TOML" not in words else f"# mine\n{model}\n{line}",
    )
    error = load_profiles(user).errors["mine"]
    assert f"{error.line}:{error.column}" == place
    assert error.key == key
    assert error.message.startswith(f"{path}:{place}: ")
    assert words in error.message
    assert hint in error.hint


def test_all_that_is_wrong_with_a_file_is_told_in_its_order(user: Path, write: Write) -> None:
    write(user, "mine", 'kv_type = "q3"\nmodel = "x"\n[sampling]\ntop_p = 2\nseeed = 1\n')
    error = load_profiles(user).errors["mine"]
    assert [(e.line, e.key) for e in error.all] == [
        (1, "kv_type"),
        (4, "sampling.top_p"),
        (5, "sampling.seeed"),
    ]


def test_a_schema_and_a_grammar_exclude_each_other(user: Path, write: Write) -> None:
    (user / "a.gbnf").write_text('root ::= "a"')
    write(user, "mine", 'model = "x"\njson_schema = "{}"\ngrammar = "a.gbnf"\n')
    error = load_profiles(user).errors["mine"]
    assert (error.line, error.key) == (3, "grammar")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [('"90s"', 90), ('"1.5h"', 5400), ('"2d"', 172800), ('"forever"', math.inf), ("30", 30)],
)
def test_times(text: str, seconds: float) -> None:
    import tomllib

    values = tomllib.loads(f'model = "x"\nkeep_alive = {text}')
    assert profile_from_toml("p", values, "p.toml").keep_alive_s == seconds


def test_zero_and_auto_take_a_limit_away() -> None:
    values = {"model": "x", "context_window": 0, "max_tokens": 0, "reasoning": "auto"}
    profile = profile_from_toml("p", values, "p.toml")
    limits = (profile.context_window_tokens, profile.max_tokens, profile.reasoning)
    assert limits == (None, None, None)


def test_an_engine_without_a_model_is_an_error() -> None:
    with pytest.raises(ProfileError, match="model has none for it") as error:
        profile_from_toml("p", {"engine": "mlx", "model": {"llama.cpp": "x"}}, "p.toml")
    assert error.value.key == "engine"


@pytest.mark.parametrize("kind", ["folder", "fifo", "large"])
def test_a_file_that_is_none_is_told_at_once(user: Path, write: Write, kind: str) -> None:
    import os

    path = user / "form.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
        os.mkfifo(user / "pipe.toml")
    else:
        path.write_bytes(b" " * 1_000_001)
    write(user, "mine", 'model = "x"\njson_schema = "form.json"\n')
    catalog = load_profiles(user)
    assert catalog.errors["mine"].key == "json_schema"
    assert kind != "fifo" or "cannot be read" in catalog.errors["pipe"].message


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 100_000 + "]" * 100_000,
        "a = " + "{a=" * 50_000,
        "a" + ".a" * 50_000 + " = 1",
        "a = " + "9" * 10_000,
        "\x00",
        "a = 1\na = 2",
        '"\\u001b]0;x\\u0007" = 1',
    ],
)
def test_a_hostile_file_is_an_error_and_the_others_work(
    user: Path, write: Write, text: str
) -> None:
    write(user, "mine", text)
    catalog = load_profiles(user)
    assert list(catalog.errors) == ["mine"]
    assert len(catalog.profiles) == 4
