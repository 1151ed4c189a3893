"""A conversation with the scripted engine."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks.answers import last_word, write_answer
from tests.end_to_end.chat import (
    ask,
    numbered_words,
    stats_bar,
    transcript_rows,
    wait_for_prompt,
    wait_for_speed,
)
from tests.end_to_end.conftest import Launch

pytestmark = pytest.mark.pty
ANSWER = """\
## Adding up

Call `sum` on **any** iterable:

```python
def total(values: list[int]) -> int:
    return sum(values)
```

| given | total |
|---|---:|
| `[1, 2]` | 3 |

The end of it."""


def test_a_question_is_typed_and_its_answer_streams_as_markdown(launch: Launch) -> None:
    program = launch(script=ANSWER)
    ask(program, "How do I add numbers?")
    program.wait_for("The end of it.")

    text = program.screen.text
    assert "How do I add numbers?" in text
    assert "def total(values: list[int]) -> int:" in text
    assert "Call sum on any iterable:" in text
    assert "```" not in text and "## " not in text


def test_the_second_answer_follows_the_first(launch: Launch) -> None:
    program = launch(script="The first one.\n%%%\nThe second one.")
    ask(program, "one")
    program.wait_for("The first one.")
    ask(program, "two")
    program.wait_for("The second one.")

    assert "The first one." in program.screen.text


def test_escape_stops_the_answer_and_keeps_what_came(launch: Launch) -> None:
    program = launch(script=numbered_words(900), rate_tps=60)
    ask(program, "count")
    program.wait_for("w020")
    pressed_s = program.press("escape")
    stopped_s = program.wait_for("stopped")
    wait_for_prompt(program)

    assert stopped_s - pressed_s < 2
    assert "w020" in program.screen.text and "w900" not in program.screen.text
    shown = re.findall(r"w\d{3}", program.screen.text)
    ask(program, "next")
    assert shown == re.findall(r"w\d{3}", program.screen.text)[: len(shown)]


def test_keys_are_taken_while_an_answer_streams(launch: Launch) -> None:
    program = launch(script=numbered_words(900), rate_tps=60)
    ask(program, "count")
    program.wait_for("w010")
    program.type("typed meanwhile")
    program.wait_for("typed meanwhile")

    assert "w900" not in program.screen.text


def test_a_new_size_lays_the_screen_out_again(launch: Launch) -> None:
    program = launch(script=ANSWER)
    ask(program, "hello")
    program.wait_for("The end of it.")
    program.resize(60, 20)
    program.wait_for(lambda screen: "The end of it." in screen.text and "Ask any" in screen.text)
    program.resize(120, 40)
    program.wait_for("def total(values: list[int]) -> int:")

    assert all(len(line) <= 120 for line in program.screen.lines)


def test_a_scrolled_screen_is_what_a_full_repaint_shows(launch: Launch) -> None:
    program = launch(script=write_answer(1, 1500), rate_tps=800)
    ask(program, "hello")
    program.wait_for(last_word(1))
    program.wait_for(re.compile(r"1,500 tokens"))
    scrolled = transcript_rows(program)
    for columns in (119, 120):
        program.resize(columns, 40)
        program.wait_for(f"╭{'─' * (columns - 2)}╮")

    program.wait_for(lambda _: transcript_rows(program) == scrolled)


FIGURE = re.compile(
    r"—|[\d.,]+|[\d.]+ (ms|s|%|kB|MB|GB)|TTFT (—|[\d.]+ m?s)|(—|[\d.,]+) tok/s( · (—|\d+ %).*)?"
    r"|(ctx|context) (—|[\d,]+)/(—|[\d,]+)|KV (—|\d+ [kMG]B).*|no draft|draft .*"
    r"|eff(ective)? (—|[\d.,]+)|memory .*"
)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (120, 40), (200, 50)])
def test_the_stats_bar_never_cuts_a_word(launch: Launch, columns: int, rows: int) -> None:
    program = launch(script=ANSWER, columns=columns, rows=rows)
    ask(program, "hello")
    program.wait_for("The end of it.")
    wait_for_speed(program)
    identity, *figures = re.split(r"\s*│\s*", stats_bar(program).strip("│ "))

    assert identity
    assert len(figures) >= 3
    assert [figure for figure in figures if not FIGURE.fullmatch(figure)] == []


def test_what_is_typed_before_the_app_is_there_is_not_lost(launch: Launch) -> None:
    program = launch(script="The answer.")
    program.type("an early question")
    program.press("enter")
    program.wait_for("The answer.")

    assert "an early question" in program.screen.text
