"""What the app needs once its first paint is done: imported together, away from the interface."""

from __future__ import annotations

from conversation.session import Session
from engines.errors import ExplainedError
from tui.bridge import Bridge
from tui.command_line.conversations import conversation_to_continue
from tui.model_actions import ModelActions
from tui.profile_updates import ProfileUpdates
from tui.services import Services, open_services
from tui.session_presenter import SessionPresenter

__all__ = [
    "Bridge",
    "ExplainedError",
    "ModelActions",
    "ProfileUpdates",
    "Services",
    "Session",
    "SessionPresenter",
    "conversation_to_continue",
    "open_services",
]
