"""What can be wrong with a profile."""

from __future__ import annotations

from engines.errors import ExplainedError


class ProfileError(ExplainedError):
    """A profile that cannot be used.

    Args:
        message: One sentence saying what is wrong.
        hint: What to do next.
        file: The profile's file, or an empty string.
        key: The key in it, with the tables it lies in, or an empty string.
        line: Where the key begins in the file, counted from 1; 0 where that is not known.
        column: The same within the line.
        others: What else is wrong with the same file.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        file: str = "",
        key: str = "",
        line: int = 0,
        column: int = 0,
        others: tuple[ProfileError, ...] = (),
    ) -> None:
        message = message if message.endswith((".", "!", "?")) else f"{message}."
        place = f"{file}:{line}:{column}" if file and line else file
        where = ": ".join(part for part in (place, key) if part)
        super().__init__(f"{where}: {message}" if where else message, hint)
        self.reason = message
        self.file = file
        self.key = key
        self.line = line
        self.column = column
        self.others = others

    @property
    def all(self) -> tuple[ProfileError, ...]:
        """This error and the others of its file, in the file's order."""
        return (self, *self.others)
