"""`llm-tui sessions`: the saved conversations."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from tui.command_line.failure import Failure
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json, print_table


@click.group()
def sessions() -> None:
    """List, show, export and delete the saved conversations.

    ID is the id that `list` shows, or the beginning of it.
    """


@sessions.command("list")
@click.argument("query", required=False, default="", metavar="[TEXT]")
@json_option
@debug_option
def list_sessions(query: str, as_json: bool) -> None:
    """List the sessions, the last used first; with TEXT those that contain it."""
    from tui.command_line.conversations import SHORT_ID_LENGTH, user_store

    with user_store() as store:
        found = store.list_conversations(query)
    if as_json:
        print_json([asdict(item) for item in found])
        return
    rows = [
        (
            item.id[:SHORT_ID_LENGTH],
            time.strftime("%Y-%m-%d %H:%M", time.localtime(item.updated_at)),
            str(item.message_count),
            item.title,
        )
        for item in found
    ]
    print_table(("ID", "LAST USED", "MESSAGES", "TITLE"), rows)


@sessions.command("show")
@click.argument("session_id", metavar="ID")
@json_option
@debug_option
def show_session(session_id: str, as_json: bool) -> None:
    """Print a session as Markdown."""
    from tui.sanitize import printable

    text = _exported(session_id, as_json)
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False, color=True)


@sessions.command("export")
@click.argument("session_id", metavar="ID")
@json_option
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@debug_option
def export_session(session_id: str, as_json: bool, output: Path | None, force: bool) -> None:
    """Write a session as Markdown, or as JSON, to standard output or a file."""
    text = _exported(session_id, as_json)
    if output is None:
        click.echo(text, nl=False, color=True)  # as it is: nothing is stripped
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(f"{output} exists already.", "Give --force to replace it.") from None
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}.") from None


@sessions.command("delete")
@click.argument("session_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@debug_option
def delete_sessions(session_ids: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete sessions."""
    from engines.kv.disk import forget_owner
    from tui.command_line.conversations import find_conversation, user_store
    from tui.paths import app_paths
    from tui.sanitize import one_line

    with user_store() as store:
        found = {item.id: item for item in (find_conversation(store, i) for i in session_ids)}
        for item in found.values():
            if not yes:
                click.confirm(f"Delete “{one_line(item.title)}”?", abort=True, err=True)
        for item in found.values():
            store.delete(item.id)
            forget_owner(app_paths().kv, item.id)
    if as_json:
        print_json({"deleted": list(found)})
    else:
        for item in found.values():
            click.echo(f"Deleted “{one_line(item.title)}”.", err=True)


def _exported(session_id: str, as_json: bool) -> str:
    from conversation.export import to_json, to_markdown
    from tui.command_line.conversations import find_conversation, user_store

    with user_store() as store:
        conversation = store.load(find_conversation(store, session_id).id)
    if as_json:
        return json.dumps(to_json(conversation), indent=2) + "\n"
    return to_markdown(conversation)
