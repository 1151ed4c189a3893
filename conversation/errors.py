"""What can go wrong with a conversation.

ConversationError
├── StoreError               the database cannot be used
│   └── StoreTooNew          it was written by a newer version of this program
├── ConversationNotFound     no conversation of that id
└── MessageNotFound          no message of that id, or not one that fits the request
"""

from __future__ import annotations

from engines.errors import ExplainedError


class ConversationError(ExplainedError):
    """A failure of a conversation or of the store."""


class StoreError(ConversationError):
    pass


class StoreTooNew(StoreError):
    pass


class ConversationNotFound(ConversationError):
    pass


class MessageNotFound(ConversationError):
    pass
