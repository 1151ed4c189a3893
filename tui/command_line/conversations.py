"""Finds the conversation that a command means."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from conversation.errors import ConversationNotFound
from conversation.store import Store
from tui.paths import app_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conversation.store_reads import ConversationSummary
    from tui.options import AppOptions

SHORT_ID_LENGTH = 8


@contextmanager
def user_store() -> Iterator[Store]:
    """The user's conversations; closed, and so saved, at the end."""
    store = Store(app_paths().database)
    try:
        yield store
    finally:
        store.close()


def find_conversation(store: Store, prefix: str) -> ConversationSummary:
    """The conversation whose id begins with `prefix`.

    Raises:
        ConversationNotFound: there is none, or more than one.
    """
    found = [item for item in store.list_conversations() if item.id.startswith(prefix.lower())]
    if len(found) == 1 and prefix:
        return found[0]
    if not found:
        raise ConversationNotFound(
            f"There is no session {prefix}.", "See which there are with: llm-tui sessions list"
        )
    ids = ", ".join(item.id[: max(SHORT_ID_LENGTH, len(prefix) + 4)] for item in found[:5])
    raise ConversationNotFound(
        f"{len(found)} sessions begin with {prefix!r}: {ids}.", "Give more of the id."
    )


def conversation_to_continue(store: Store, options: AppOptions) -> str | None:
    """The id that `--session` or `--continue` means; None for a new conversation.

    `--continue` begins a new one where there is none yet.

    Raises:
        ConversationNotFound: there is no such session.
    """
    if options.session_id is not None:
        return find_conversation(store, options.session_id).id
    if not options.continue_last:
        return None
    conversations = store.list_conversations()
    return conversations[0].id if conversations else None
