"""What can go wrong with files of the workspace."""

from __future__ import annotations

from engines.errors import ExplainedError


class CodingError(ExplainedError):
    """A failure of a tool or a file."""


class PermissionDenied(CodingError):
    pass
