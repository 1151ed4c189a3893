"""Changed profiles reach the running app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from profiles.permissions import Permission
from tests.tui.app_bench import AppBench, until
from tui.screens.trust import TrustScreen

MINE = """\
engine = "scripted"
model = "mine.md"
title = "Mine"
system_prompt = "Be kind."
"""


@pytest.fixture
def mine(bench: AppBench) -> Path:
    """The file of the profile the app starts with."""
    path = bench.paths.profiles / "mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text(MINE)
    bench.paths.config_file.write_text('start_profile = "mine"\n')
    bench.reads_profiles = True
    bench.gate.open()
    bench.new_app()
    return path


async def look(bench: AppBench, pilot: Pilot[Any]) -> None:
    """Let the app look at the files as often as it needs to be sure."""
    updates = bench.app.profile_updates
    assert updates is not None
    updates.look()
    updates.look()
    await pilot.pause()


def words(bench: AppBench) -> str:
    """What is on the screen, wherever its lines are broken."""
    return " ".join(bench.screen_text().split())


def profile(bench: AppBench) -> Any:
    return bench.pane.session.profile


async def test_a_change_is_used_from_the_next_message_on(bench: AppBench, mine: Path) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        assert bench.bar.startswith("Mine")
        mine.write_text(MINE.replace("kind", "brief") + "max_tokens = 7\n")
        await look(bench, pilot)
        assert (profile(bench).system_prompt, profile(bench).max_tokens) == ("Be brief.", 7)
        assert bench.notice == "Mine is in use"
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        stats = bench.pane.session.transcript.path()[-1].stats
        assert stats["generated_tokens"] == 7


async def test_the_timer_looks_by_itself(
    bench: AppBench, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.profile_updates.LOOK_S", 0.01)
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        mine.write_text(MINE + "max_tokens = 7\n")
        await until(pilot, lambda: profile(bench).max_tokens == 7)


async def test_another_model_is_made_ready_while_the_old_one_answers(
    bench: AppBench, mine: Path
) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        mine.write_text(MINE.replace("mine.md", "larger.md"))
        await look(bench, pilot)
        await until(pilot, lambda: bench.bar.startswith("Mine · larger.md"))
        assert profile(bench).model == "larger.md"


async def test_a_broken_edit_is_told_and_the_old_profile_stays(bench: AppBench, mine: Path) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        before = profile(bench)
        mine.write_text(MINE + "max_tokns = 7\n")
        await look(bench, pilot)
        await until(pilot, lambda: "max_tokns: is not a known key" in words(bench))
        assert "mine.toml:5:1:" in words(bench)
        assert "Did you mean max_tokens? Until then it stays as it was." in words(bench)
        assert profile(bench) is before
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        mine.write_text(MINE + "max_tokens = 7\n")
        await look(bench, pilot)
        assert profile(bench).max_tokens == 7


async def test_a_broken_profile_is_among_the_commands(bench: AppBench, mine: Path) -> None:
    (mine.parent / "typo.toml").write_text("titel = 1\n")
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        commands = {c.title: c for c in bench.app.get_system_commands(bench.app.screen)}
        assert "titel: is not a known key" in commands["Profile: typo is broken"].help
        assert "typo.toml:1:1:" in words(bench)


async def test_new_and_removed_profiles_can_be_chosen_and_not(bench: AppBench, mine: Path) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        assert bench.app.services is not None
        (mine.parent / "other.toml").write_text(MINE.replace("Mine", "Other"))
        await look(bench, pilot)
        await pilot.press("f2")
        await until(pilot, lambda: bench.bar.startswith("Other"))
        (mine.parent / "other.toml").unlink()
        await look(bench, pilot)
        assert "other" not in bench.app.services.catalog.profiles
        assert profile(bench).name == "other"


async def test_options_of_the_command_line_hold_over_a_change(bench: AppBench, mine: Path) -> None:
    from tui.options import AppOptions

    bench.app_options = AppOptions(draft="off")
    bench.new_app()
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        mine.write_text(MINE + 'draft = "d.md"\nmax_tokens = 7\n')
        await look(bench, pilot)
        now = profile(bench)
        assert (now.max_tokens, now.draft_model, now.use_draft) == (7, None, False)


async def test_the_editor_opens_the_file_and_the_change_is_used(
    bench: AppBench, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited: list[Path] = []

    @contextmanager
    def suspend() -> Iterator[None]:
        yield

    def edit(path: Path) -> None:
        edited.append(path)
        path.write_text(path.read_text() + "max_tokens = 7\n")

    monkeypatch.setattr("tui.profile_updates.edit_file", edit)
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        monkeypatch.setattr(bench.app, "suspend", suspend)
        names = [command.title for command in bench.app.get_system_commands(bench.app.screen)]
        assert {"Edit profile", "Trust project"} <= set(names)
        assert bench.app.profile_updates is not None
        bench.app.profile_updates.edit()
        await pilot.pause()
        assert edited == [mine]
        assert profile(bench).max_tokens == 7


async def test_where_no_editor_can_be_opened_the_file_is_named(bench: AppBench, mine: Path) -> None:
    async with bench.app.run_test(size=(160, 40)) as pilot:
        await bench.ready(pilot)
        assert bench.app.profile_updates is not None
        bench.app.profile_updates.edit()
        await pilot.pause()
        assert str(mine) in bench.notice


@pytest.fixture
def project(bench: AppBench, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's profile that wants more than it may."""
    folder = tmp_path / "project" / ".llm-tui" / "profiles"
    folder.mkdir(parents=True)
    path = folder / "mine.toml"
    path.write_text('extends = "mine"\n[permissions]\nrun = "allow"\n')
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path))
    bench.new_app()
    return path


@pytest.mark.parametrize(
    ("key", "permission"), [("f8", Permission.ALLOW), ("escape", Permission.ASK)]
)
async def test_the_user_is_asked_whether_a_project_is_trusted(
    bench: AppBench, project: Path, key: str, permission: Permission
) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        assert "Ctrl+P, Trust project" in bench.screen_text()
        assert profile(bench).permissions.run is Permission.ASK
        assert bench.app.profile_updates is not None
        bench.app.profile_updates.ask_for_trust()
        await until(pilot, lambda: isinstance(bench.app.screen, TrustScreen))
        assert "mine: permissions.run" in bench.screen_text()
        await pilot.press("enter", "y", "space")  # what is typed ahead trusts nothing
        assert isinstance(bench.app.screen, TrustScreen)
        await pilot.press(key)
        await pilot.pause()
        assert profile(bench).permissions.run is permission


async def test_trust_given_elsewhere_is_noticed_and_nothing_is_left_to_ask(
    bench: AppBench, project: Path
) -> None:
    from profiles.trust import TrustList

    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        TrustList(bench.paths.trusted_folders).trust(project.parent)
        await look(bench, pilot)
        assert profile(bench).permissions.run is Permission.ALLOW
        assert bench.app.profile_updates is not None
        bench.app.profile_updates.ask_for_trust()
        assert "waits for your trust" in bench.notice
