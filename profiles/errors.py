"""What can be wrong with a profile."""

from __future__ import annotations

from engines.errors import ExplainedError


class ProfileError(ExplainedError):
    """A profile that cannot be used.

    Args:
        message: One sentence saying what is wrong.
        hint: What to do next.
        file: The profile's file, or an empty string.
        key: The key in it, or an empty string.
    """

    def __init__(self, message: str, hint: str = "", file: str = "", key: str = "") -> None:
        where = ": ".join(part for part in (file, key) if part)
        super().__init__(f"{where}: {message}" if where else message, hint)
        self.file = file
        self.key = key
