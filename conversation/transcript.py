"""The messages of a conversation as a tree, and the branch that is in view.

transcript.path() -> list[Message]            root to leaf
transcript.append(message)                    goes on from any message; the branch in view moves
transcript.siblings(message_id) -> list[Message]
transcript.select(message_id)                 show the branch through this message
"""

from __future__ import annotations

from collections.abc import Iterable

from conversation.errors import MessageNotFound
from conversation.message import Message


class Transcript:
    """A tree of messages. To edit one is to append another with the same parent.

    Args:
        messages: In the order they were made.
        leaf_id: Where the branch in view ends; None takes the newest message.
    """

    def __init__(self, messages: Iterable[Message] = (), leaf_id: str | None = None) -> None:
        self._messages: dict[str, Message] = {}
        self._children: dict[str | None, list[str]] = {}
        self._selected: dict[str | None, str] = {}
        self.leaf_id: str | None = None
        for message in messages:
            self._add(message)
        leaf_id = leaf_id if leaf_id in self._messages else next(reversed(self._messages), None)
        if leaf_id is not None:
            self.select(leaf_id)

    def __len__(self) -> int:
        return len(self._messages)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._messages

    def get(self, message_id: str) -> Message:
        """Raises MessageNotFound where there is none of that id."""
        try:
            return self._messages[message_id]
        except KeyError:
            raise MessageNotFound(
                "That message is not part of this conversation.", "Open the conversation again."
            ) from None

    def messages(self) -> list[Message]:
        """All branches, in the order they were made."""
        return list(self._messages.values())

    def path(self) -> list[Message]:
        """The branch in view, from its first message to its last."""
        return self.path_to(self.leaf_id) if self.leaf_id else []

    def path_to(self, message_id: str) -> list[Message]:
        """From the first message to `message_id`."""
        message = self.get(message_id)
        path = [message]
        while message.parent_id is not None:
            message = self.get(message.parent_id)
            path.append(message)
        return path[::-1]

    def append(self, message: Message) -> None:
        """Add a message below its parent; the branch in view then ends with it."""
        self._add(message)
        self._view(message.id)

    def replace(self, message: Message) -> None:
        """Put a newer version of a message in its place."""
        self.get(message.id)
        self._messages[message.id] = message

    def siblings(self, message_id: str) -> list[Message]:
        """The message and its alternatives, in the order they were made."""
        parent_id = self.get(message_id).parent_id
        return [self._messages[sibling] for sibling in self._children[parent_id]]

    def select(self, message_id: str) -> None:
        """Show the branch through `message_id`, as far down as it was last seen."""
        self.get(message_id)
        leaf_id = message_id
        while children := self._children.get(leaf_id):
            leaf_id = self._selected.get(leaf_id, children[-1])
        self._view(leaf_id)

    def _add(self, message: Message) -> None:
        if message.parent_id is not None:
            self.get(message.parent_id)
        self._messages[message.id] = message
        self._children.setdefault(message.parent_id, []).append(message.id)

    def _view(self, leaf_id: str) -> None:
        self.leaf_id = leaf_id
        for message in self.path_to(leaf_id):
            self._selected[message.parent_id] = message.id
