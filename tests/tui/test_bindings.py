from __future__ import annotations

from textual.binding import Binding

from tests.tui.app_bench import AppBench, until
from tui.bindings import BINDING_GROUPS, NEVER_BOUND, key_name
from tui.screens.help import HelpScreen

EVERY = [b for _, group in BINDING_GROUPS for b in group if isinstance(b, Binding)]


def test_every_key_can_be_moved_and_says_what_it_does() -> None:
    names = [binding.id for binding in EVERY]
    assert all(names)
    assert len(set(names)) == len(names)
    assert all(binding.tooltip for binding in EVERY)


def test_keys_that_terminals_or_tmux_take_are_not_bound() -> None:
    bound = {key for binding in EVERY for key in binding.key.split(",")}
    assert not bound & NEVER_BOUND


def test_keys_as_people_write_them() -> None:
    names = [key_name(key) for key in ("ctrl+o", "escape", "f2", "shift+f2", "alt+1", "pageup")]
    assert names == ["Ctrl+O", "Esc", "F2", "Shift+F2", "Alt+1", "PgUp"]


async def test_help_lists_every_key_and_escape_closes_it(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 70)) as pilot:
        await bench.ready(pilot)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(bench.app.screen, HelpScreen))
        await pilot.pause()
        text = bench.screen_text()
        for binding in EVERY:
            if not (binding.id or "").startswith("profile.number"):
                assert binding.tooltip in text
        assert "Alt+1 … Alt+9" in text
        await pilot.press("escape")
        assert bench.prompt.has_focus


async def test_a_key_that_was_moved_works_and_is_shown(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        bench.app.set_keymap({"profile.next": "f9"})
        await pilot.press("f9")
        await until(pilot, lambda: bench.bar.startswith("Coding"))
        assert "F9 profile" in bench.screen_text()
