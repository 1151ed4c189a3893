"""A quick verdict on a found model: by what its header begins with, not by its tensors."""

from __future__ import annotations

from engines.errors import EngineError
from engines.fit_question import FitQuestion, Verdict, judge
from engines.hardware import Machine
from engines.model_files.finding.found_model import FoundModel, ModelFormat
from engines.model_files.folder_shape import read_folder_model
from engines.model_files.gguf import GgufHeader, read_opening
from engines.model_files.gguf_shape import read_gguf_model, shape_from_headers
from engines.model_shape import ModelShape, Weights

USUAL_CONTEXT_TOKENS = 8192


def fits_here(model: FoundModel, machine: Machine) -> Verdict | None:
    """The verdict for a context of 8,192 tokens or the model's own; None where it cannot be told.

    Takes a millisecond a model, so that a list of hundreds does not wait.
    """
    if model.problem:
        return None
    try:
        shape, weights = _quick_shape(model)
        return judge(_question(model, shape, weights), machine)
    except (EngineError, OSError, ArithmeticError, ValueError, TypeError, LookupError):
        return None


def fit_question(model: FoundModel) -> FitQuestion:
    """The same question from the model's real tensors.

    Raises:
        ModelNotFound, ModelLoadError: its files cannot be read.
    """
    read = read_folder_model if model.format is ModelFormat.SAFETENSORS else read_gguf_model
    shape, weights = read(model.path)
    return _question(model, shape, weights)


def _question(model: FoundModel, shape: ModelShape, weights: Weights) -> FitQuestion:
    window = shape.context_window_tokens or USUAL_CONTEXT_TOKENS
    engine = model.engines[0] if model.engines else "llama.cpp"
    return FitQuestion(shape, weights, min(window, USUAL_CONTEXT_TOKENS), engine=engine)


def _quick_shape(model: FoundModel) -> tuple[ModelShape, Weights]:
    if model.format is ModelFormat.SAFETENSORS:
        return read_folder_model(model.path)
    opening = GgufHeader(3, read_opening(model.path), (), 0)
    size = model.size_bytes
    return shape_from_headers([opening]), Weights(size, size, model.quantization, is_exact=False)
