"""LoRA adapters in GGUF files."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

from engines.errors import ModelLoadError
from engines.llama_cpp.library import llama, native_log
from engines.model_files.adapters import locate_adapter
from engines.model_files.gguf import GgufHeader, read_header

if TYPE_CHECKING:
    from engines.llama_cpp.native_model import NativeModel

_ELSEWHERE = "Use it with the model that it was trained on."


def add_adapter(model: NativeModel, header: GgufHeader, adapter: str) -> None:
    """Let every context that is opened on `model` from now on use the adapter.

    Args:
        header: Of the model's file.

    Raises:
        ModelNotFound: there is no such file.
        ModelLoadError: it is no adapter, or one of another model.
    """
    path = locate_adapter(adapter, "llama.cpp")
    own = read_header(path)
    if own.text("general.type") != "adapter" or own.text("adapter.type") != "lora":
        raise ModelLoadError(f"{path.name} is not a LoRA adapter.", "Give a GGUF adapter.")
    if own.architecture != header.architecture:
        raise ModelLoadError(
            f"The adapter {path.name} is for {own.architecture or 'unnamed'} models and this is"
            f" a {header.architecture} model.",
            _ELSEWHERE,
        )
    native_log.clear()
    handle = llama.llama_adapter_lora_init(model.handle, os.fsencode(path))
    if not handle:  # a NULL pointer, which is no None
        reason = native_log.reason() or "the library gave no reason"
        raise ModelLoadError(f"The adapter {path.name} does not fit: {reason}.", _ELSEWHERE)
    model.adapter = handle


def use_adapter(context: Any, adapter: Any) -> None:
    """Let `adapter` take part in what the library's `context` computes.

    Raises:
        ModelLoadError: the library refuses.
    """
    adapters = (llama.llama_adapter_lora_p_ctypes * 1)(adapter)
    scales = (ctypes.c_float * 1)(1.0)
    if llama.llama_set_adapters_lora(context, adapters, 1, scales) != 0:
        raise ModelLoadError("llama.cpp does not take the adapter.", _ELSEWHERE)
