"""What the palette offers: actions, profiles, sessions, models."""

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
    yield SystemCommand("Models", "What runs now, and how to run another", partial(models, app))
    yield from _profiles(app)
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
            one_line(profile.task) or "Switch to it",
            partial(switch.use, profile),
        )


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


def models(app: LlmTuiApp) -> None:
    """Say what runs and how to run another model."""
    pane = app.chat.pane
    info = pane.session.model_info if pane.session else None
    running = (
        "the built-in tiny demonstration model"
        if info is not None and info.is_demo
        else pane.presenter.model_label
        if pane.presenter
        else ""
    )
    pane.notice(
        f"Running now: {running or 'nothing yet'}.\n"
        "To run another model, leave (Ctrl+D) and start: llm-tui --model PATH,"
        " where PATH is a GGUF file or a folder with an MLX model.\n"
        f'To keep it, write model = "PATH" into a file in {app.paths.profiles}'
        " and choose that profile with F2."
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
