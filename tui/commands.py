"""What the palette offers: actions, models, profiles, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from tui.sanitize import one_line

if TYPE_CHECKING:
    from tui.app import LlmTuiApp

RECENT_SESSIONS = 30


def system_commands(app: LlmTuiApp) -> Iterator[SystemCommand]:
    """Every command of the palette, the ones that are used most first."""
    chat, pane = app.chat, app.chat.pane
    yield SystemCommand("New chat", "Begin a new conversation", app.action_new_chat)
    yield SystemCommand("Sessions", "Find, continue, rename, delete", app.action_sessions)
    yield SystemCommand("Edit last message", "Change it and ask anew from there", pane.edit_last)
    yield SystemCommand("Regenerate", "Another answer to the last message", pane.regenerate)
    yield SystemCommand("Stop", "Stop the answer and keep what came", chat.action_stop)
    yield SystemCommand(
        "Export", "Write this conversation to a Markdown file here", partial(export, app)
    )
    yield SystemCommand(
        "Save code block", "Write the last code block to a new file here", partial(save_code, app)
    )
    yield SystemCommand("Models…", "Find, use, download and delete models", app.action_models)
    if app.model_actions is not None:
        first_steps = app.model_actions.open_first_steps
        yield SystemCommand("First steps…", "A first model: one you have, or download", first_steps)
    yield from _profiles(app)
    yield from _profile_files(app)
    yield from _engines(app)
    yield SystemCommand("Theme", "Change the colors", app.action_change_theme)
    yield SystemCommand("Help", "Show every key", chat.action_help)
    yield SystemCommand("Quit", "Save and leave", app.action_quit)
    yield from _sessions(app)


def _profiles(app: LlmTuiApp) -> Iterator[SystemCommand]:
    switch = app.chat.pane.switch
    if app.services is None or switch is None:
        return
    for profile in app.services.catalog.profiles.values():
        yield SystemCommand(
            f"Profile: {one_line(profile.title)}",
            one_line(profile.description) or "Switch to it",
            partial(switch.use, profile),
        )
    for name, error in app.services.catalog.errors.items():
        yield SystemCommand(
            f"Profile: {one_line(name)} is broken",
            one_line(error.message),
            partial(app.chat.pane.complain, error.message, error.hint),
        )


def _engines(app: LlmTuiApp) -> Iterator[SystemCommand]:
    from profiles.routing import engine_title

    pane = app.chat.pane
    engines = pane.session.engines if pane.session else ()
    if pane.session is None or len(engines) < 2:
        return
    for engine in engines:
        pinned = " (pinned now)" if engine == pane.session.pinned_engine else ""
        yield SystemCommand(
            f"Pin engine: {engine_title(engine)}",
            f"It answers, whatever the profile says{pinned}",
            partial(pane.pin_engine, engine),
        )
    yield SystemCommand(
        "Pin engine: none", "The engine is as the profile says", partial(pane.pin_engine, "")
    )


def _profile_files(app: LlmTuiApp) -> Iterator[SystemCommand]:
    updates = app.profile_updates
    if updates is None:
        return
    yield SystemCommand("Edit profile", "Open its file in your editor", updates.edit)
    yield SystemCommand("Trust project", "Let its profiles have every key", updates.ask_for_trust)


def _sessions(app: LlmTuiApp) -> Iterator[SystemCommand]:
    if app.services is None:
        return
    for summary in app.services.store.list_conversations()[:RECENT_SESSIONS]:
        yield SystemCommand(
            f"Session: {one_line(summary.title)}",
            "Go on with it",
            partial(app.open_conversation, summary.id),
            discover=False,
        )


def export(app: LlmTuiApp) -> None:
    """Write the branch in view to a new Markdown file in the working folder."""
    from coding.file_names import document_file_name
    from conversation.errors import ConversationError
    from conversation.export import to_markdown

    pane, services = app.chat.pane, app.services
    if services is None or pane.session is None or not pane.session.transcript.path():
        pane.say("There is nothing to export yet")
        return
    try:
        text = to_markdown(services.store.load(pane.session.conversation_id))
    except ConversationError as error:
        pane.complain(error.message, error.hint)
        return
    _save(app, document_file_name(pane.session.title), text)


def save_code(app: LlmTuiApp) -> None:
    """Write the last code block in view to a new file in the working folder."""
    from coding.file_names import code_file_name

    blocks = app.chat.pane.code_blocks()
    if not blocks:
        app.chat.pane.say("There is no code block yet")
        return
    _save(app, code_file_name(blocks[-1].language, blocks[-1].code), blocks[-1].code)


def _save(app: LlmTuiApp, name: str, text: str) -> None:
    from coding.errors import CodingError
    from coding.workspace import Workspace

    try:
        path = Workspace(Path.cwd()).save_new(name, text)
    except CodingError as error:
        app.chat.pane.complain(error.message, error.hint)
    else:
        app.chat.pane.say(f"Written to {path}")
