"""What a profile is for."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """The tasks that profiles are made for and recommended by; the values stand in the files."""

    DAILY_CHAT = "daily chat"
    CODING = "coding"
    REASONING = "reasoning"
    LONG_DOCUMENTS = "long-document Q&A"
    QUICK = "quick"
    VISION = "vision"
    MAXIMUM_CAPABILITY = "maximum capability"
