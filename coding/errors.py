"""What can go wrong with files of the workspace."""

from __future__ import annotations


class CodingError(Exception):
    """A failure in words for the user: `message` says what is wrong, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PermissionDenied(CodingError):
    pass
