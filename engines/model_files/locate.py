"""Where a named model lies on this machine."""

from __future__ import annotations

from pathlib import Path

from engines.model_files.reference import ModelReference, resolve


def locate_model(model: str, engine: str = "") -> Path:
    """The GGUF file or model folder that `model` names.

    Args:
        model: Any of the names in `engines.model_files.reference`.
        engine: Which of several forms to take.

    Raises:
        ModelNotFound: there is nothing of that name.
        ModelLoadError: it is not in a form that `engine` runs.
    """
    return resolve(ModelReference.parse(model), engine)
