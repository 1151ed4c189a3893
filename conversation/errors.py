"""What can go wrong with a conversation.

ConversationError
├── StoreError               the database cannot be used
│   └── StoreTooNew          it was written by a newer version of this program
├── ConversationNotFound     no conversation of that id
└── MessageNotFound          no message of that id, or not one that fits the request
"""

from __future__ import annotations


class ConversationError(Exception):
    """A failure in words for the user.

    Args:
        message: One sentence saying what is wrong.
        hint: One sentence saying what to do next; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StoreError(ConversationError):
    pass


class StoreTooNew(StoreError):
    pass


class ConversationNotFound(ConversationError):
    pass


class MessageNotFound(ConversationError):
    pass
