"""What the app needs once its first paint is done: imported together, away from the interface."""

from __future__ import annotations

from conversation.errors import ConversationError
from conversation.session import Session
from documents.reading import DocumentError
from engines.registry import create_for
from profiles.errors import ProfileError
from tui.bridge import Bridge
from tui.command_line.conversations import conversation_to_continue
from tui.services import Services, open_services
from tui.session_presenter import SessionPresenter

__all__ = [
    "Bridge",
    "ConversationError",
    "DocumentError",
    "ProfileError",
    "Services",
    "Session",
    "SessionPresenter",
    "conversation_to_continue",
    "create_for",
    "open_services",
]
