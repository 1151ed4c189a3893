from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]

STATS_KEYS = """
engine model quantization prompt_tokens cached_tokens generated_tokens ttft_s prefill_s prefill_tps
decode_tps effective_tps kv_cache_bytes kv_type peak_memory_bytes drafted_tokens accepted_tokens
acceptance_rate bandwidth_ceiling_tps
cache_reuse cache_note memory_note draft_counts accepted_per_step plain_decode_tps net_gain
engine_choice
"""


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def user_text_of(run: Run) -> str:
    """What the model was asked in the last saved session."""
    [session] = json.loads(run("sessions", "list", "--json").stdout)
    messages = json.loads(run("sessions", "show", session["id"], "--json").stdout)["messages"]
    return str([m for m in messages if m["role"] == "user"][-1]["parts"][-1]["text"])


def test_the_answer_and_nothing_else_is_on_standard_output(ask_scripted: Run) -> None:
    result = ask_scripted("Hello")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "The **first** answer.\n"


def test_json_ends_with_the_figures_of_the_design(ask_scripted: Run) -> None:
    events = events_of(ask_scripted("--json", "Hello").stdout)
    names = [event["event"] for event in events]
    assert {"load", "prefill", "text", "finished"} == set(names)
    assert names[-1] == "finished"
    last = events[-1]
    assert last["reason"] == "stop"
    assert list(last["stats"]) == STATS_KEYS.split()
    assert last["stats"]["bandwidth_ceiling_tps"] > 0
    assert last["stats"]["generated_tokens"] >= sum(e.get("tokens", 0) for e in events) > 0


def test_json_keeps_reasoning_apart_from_the_answer(ask_scripted: Run) -> None:
    texts = {"answer": "", "reasoning": ""}
    for event in events_of(ask_scripted("--profile", "reasoning", "--json", "Hello").stdout):
        if event["event"] == "text":
            assert set(event) == {"event", "text", "kind", "tokens", "drafted"}
            texts[event["kind"]] += event["text"]
    assert texts == {"answer": "The **first** answer.", "reasoning": "Let me see."}


def test_a_limit_on_the_tokens_is_kept_and_told(ask_scripted: Run) -> None:
    last = events_of(ask_scripted("--json", "--max-tokens", "3", "Hello").stdout)[-1]
    assert (last["reason"], last["stats"]["generated_tokens"]) == ("length", 3)


@pytest.mark.parametrize(
    ("words", "stdin", "prompt"),
    [
        (("Say", "hello"), None, "Say hello"),
        (("-",), "from a pipe\n", "from a pipe"),
        (("Summarise this:", "-"), "some text\n", "Summarise this:\n\nsome text"),
        (("-", "What is that?"), b"\xff\xfe bytes", "\ufffd\ufffd bytes\n\nWhat is that?"),
    ],
)
def test_prompts_come_from_words_and_standard_input(
    run: Run, ask_scripted: Run, words: tuple[str, ...], stdin: str | bytes | None, prompt: str
) -> None:
    start_a_session(run)
    assert ask_scripted("--continue", *words, stdin=stdin).exit_code == 0
    assert user_text_of(run) == prompt


def test_a_session_goes_on_where_it_ended(run: Run, ask_scripted: Run) -> None:
    session_id = start_a_session(run)
    first = events_of(ask_scripted("--session", session_id[:10], "--json", "One").stdout)[-1]
    second = events_of(ask_scripted("--continue", "--json", "Two").stdout)[-1]
    assert second["stats"]["prompt_tokens"] > first["stats"]["prompt_tokens"]
    markdown = run("sessions", "show", session_id).stdout
    assert markdown.index("One") < markdown.index("Two")


def test_continue_begins_a_session_where_there_is_none(run: Run, ask_scripted: Run) -> None:
    assert ask_scripted("--continue", "One").exit_code == 0
    assert user_text_of(run) == "One"


def test_a_question_outside_of_a_session_is_not_kept(run: Run, ask_scripted: Run) -> None:
    assert ask_scripted("A secret").exit_code == 0
    assert json.loads(run("sessions", "list", "--json").stdout) == []


def test_files_are_attached(run: Run, ask_scripted: Run, tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("Roses are red")
    session_id = start_a_session(run)
    assert ask_scripted("--continue", "--file", tmp_path / "poem.txt", "Read it").exit_code == 0
    assert "Roses are red" in run("sessions", "show", session_id).stdout


def test_a_failing_turn_says_why_in_one_line(run: Run, script: Path) -> None:
    result = run("ask", "--model", "/no/such/model.gguf", "Hello")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "/no/such/model.gguf" in result.stderr


def test_a_failing_turn_ends_json_with_an_error(run: Run) -> None:
    result = run("ask", "--json", "--engine", "scripted", "--script", "/no/such/script", "Hello")
    last = events_of(result.stdout)[-1]
    assert (result.exit_code, last["event"], last["reason"]) == (1, "finished", "error")
    assert "/no/such/script" in last["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--continue", "--session", "x", "Hello"),
        ("--script", "x", "Hello"),
        ("--engine", "vllm", "Hello"),
        ("--temperature", "-1", "Hello"),
        ("--max-tokens", "0", "Hello"),
        ("--file", "/no/such/file", "Hello"),
        ("-",),
    ],
)
def test_a_wrong_use_is_told_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("ask", *arguments, stdin="")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_an_unknown_profile_or_session_is_told_with_1(run: Run) -> None:
    for arguments in (("--profile", "nope"), ("--session", "nope")):
        result = run("ask", *arguments, "Hello")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("llm-tui: ")


def test_debug_shows_the_traceback(run: Run) -> None:
    result = run("ask", "--debug", "--profile", "nope", "Hello")
    assert type(result.exception).__name__ == "ProfileError"


def program(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tui.cli", *map(str, arguments)]


def slow_scripted(tmp_path: Path, *arguments: str) -> list[str]:
    script = tmp_path / "long.md"
    script.write_text("word " * 5000)
    options = ("--engine", "scripted", "--script", script, "--rate", "100")
    return program("ask", *options, *arguments, "Hello")


def test_an_interrupt_stops_the_answer_and_keeps_what_came(home: Path, tmp_path: Path) -> None:
    command = slow_scripted(tmp_path, "--json")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "text":
                break
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    last = events_of(rest)[-1]
    assert (process.returncode, errors) == (130, "")
    assert (last["event"], last["reason"]) == ("finished", "cancelled")
    assert last["stats"]["generated_tokens"] > 0


def test_a_reader_that_leaves_early_ends_the_answer_quietly(home: Path, tmp_path: Path) -> None:
    command = slow_scripted(tmp_path)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(4)
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(30)
    assert (process.returncode, errors) == (1, "")


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_a_real_engine_answers(home: Path, engine: str) -> None:
    arguments = ("--json", "--temperature", "0", "--max-tokens", "40")
    prompt = "Write a Python function that adds two numbers"
    done = subprocess.run(
        program("ask", "--engine", engine, *arguments, prompt),
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = events_of(done.stdout)
    assert "def" in "".join(event.get("text", "") for event in events)
    assert list(events[-1]["stats"]) == STATS_KEYS.split()
    assert events[-1]["stats"]["engine"] == engine


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_drafts_do_not_change_the_answer(home: Path, engine: str) -> None:
    answers = {}
    for draft in ("auto", "off"):
        options = ("--engine", engine, "--draft", draft, "--json", "--temperature", "0")
        done = subprocess.run(
            program("ask", *options, "--max-tokens", "60", "Write a loop in Python"),
            capture_output=True,
            text=True,
            timeout=110,
        )
        events = events_of(done.stdout)
        answers[draft] = "".join(event.get("text", "") for event in events)
        assert draft == "auto" or events[-1]["stats"]["drafted_tokens"] == 0
    assert answers["auto"] == answers["off"]


def start_a_session(run: Run) -> str:
    """Save an empty conversation, as the app would, and return its id."""
    from conversation.message import TextPart, new_message
    from conversation.store import Store
    from engines.types import Role
    from tui.paths import app_paths

    store = Store(app_paths().database)
    question = new_message(Role.USER, (TextPart("Begin"),))
    store.writer.save_messages("0123456789abcdef", "Begin", (question,))
    store.close()
    return "0123456789abcdef"
