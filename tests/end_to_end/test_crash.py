"""kill -9 in the middle of an answer loses nothing that was shown half a second before."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.chat import ask, numbered_words, wait_for_prompt
from tests.end_to_end.conftest import Launch

pytestmark = pytest.mark.pty
CUT_OFF = re.compile("cut off|interrupted")


def test_after_a_kill_everything_is_there_and_marked(launch: Launch) -> None:
    script = numbered_words(900)
    program = launch(script=script, rate_tps=60)
    ask(program, "count to nine hundred")
    program.wait_for("w070")
    program.kill()

    again = launch("--continue", script=script)
    again.wait_for("w010")
    again.wait_for(CUT_OFF)
    assert "count to nine hundred" in again.screen.text
    assert "w035" in again.screen.text
    assert "w900" not in again.screen.text


def test_the_next_start_offers_what_was_cut_off(launch: Launch) -> None:
    program = launch(script=numbered_words(900), rate_tps=60)
    ask(program, "count to nine hundred")
    program.wait_for("w070")
    program.kill()

    again = launch(script="A fresh answer.")
    again.wait_for(CUT_OFF)
    again.wait_for("count to nine hundred")
    again.press("f5")
    again.wait_for("w035")
    ask(again, "and now?")
    again.wait_for("A fresh answer.")


def test_two_instances_share_the_store(launch: Launch) -> None:
    first = launch(script=numbered_words(900), rate_tps=60)
    ask(first, "the first window")
    second = launch(script="Answer of the second.")
    ask(second, "the second window")
    second.wait_for("Answer of the second.")
    assert not CUT_OFF.search(second.screen.text)
    first.wait_for("w030")
    second.press("ctrl+d")
    assert second.wait_exit() == 0

    third = launch("--continue", script="x")
    wait_for_prompt(third)
    third.wait_for("window")
