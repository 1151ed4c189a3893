"""Where a named model lies on this machine."""

from __future__ import annotations

from pathlib import Path

from engines.demo import demo_model_path
from engines.errors import ModelNotFound


def locate_model(model: str) -> Path:
    """The GGUF file or model folder that `model` names.

    Args:
        model: An embedded model (`demo:target`) or a path; `~` is expanded.

    Raises:
        ModelNotFound: there is nothing of that name.
    """
    path = demo_model_path(model) or Path(model).expanduser()
    if not path.exists():
        raise ModelNotFound(
            f"There is no model at {model}.",
            "Give a GGUF file or an MLX model folder, or use demo:target.",
        )
    return path
