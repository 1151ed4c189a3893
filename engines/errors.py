"""What can go wrong in an engine.

    ExplainedError
    └── EngineError
        ├── EngineUnavailable        the library is not installed, or cannot run here
        ├── ModelNotFound            no file, folder or embedded model of that name
        ├── ModelLoadError           the file is there and cannot be used
        ├── NotEnoughMemory          the model or its KV cache does not fit
        ├── ChatTemplateError        the model's chat template is missing or raises
        ├── ContextWindowExceeded    the prompt is longer than the context window
        ├── DownloadError            a model cannot be fetched from its hub
        ├── TrainingError            the training data or settings cannot be used
        ├── IncompatibleDraftModel   the draft and the target do not share a vocabulary
        ├── GenerationError          prefill or decode failed
        └── UnknownMachine           a machine in words that means none

Cancelling is an outcome (`FinishReason.CANCELLED`), not an error.
"""

from __future__ import annotations


class ExplainedError(Exception):
    """A failure in words for the user; every error of this program is one.

    Args:
        message: One sentence saying what is wrong.
        hint: One sentence saying what to do next; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class EngineError(ExplainedError):
    """A failure of an engine."""


class EngineUnavailable(EngineError):
    pass


class ModelNotFound(EngineError):
    pass


class ModelLoadError(EngineError):
    pass


class NotEnoughMemory(EngineError):
    pass


class ChatTemplateError(EngineError):
    pass


class ContextWindowExceeded(EngineError):
    """The prompt does not fit; `prompt_tokens` and `context_window_tokens` say by how much."""

    def __init__(self, prompt_tokens: int, context_window_tokens: int) -> None:
        super().__init__(
            f"The prompt is {prompt_tokens:,} tokens long and the context window holds"
            f" {context_window_tokens:,}.",
            "Shorten the message, start a new chat, or choose a profile with a larger window.",
        )
        self.prompt_tokens = prompt_tokens
        self.context_window_tokens = context_window_tokens


class DownloadError(EngineError):
    pass


class TrainingError(EngineError):
    pass


class IncompatibleDraftModel(EngineError):
    pass


class GenerationError(EngineError):
    pass


class UnknownMachine(EngineError):
    pass
