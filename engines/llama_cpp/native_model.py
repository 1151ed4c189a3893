"""Weights and vocabulary in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.errors import ModelLoadError, NotEnoughMemory
from engines.llama_cpp.library import llama, native_log
from engines.llama_cpp.vocabulary import Vocabulary

KeepLoading = Callable[[float], bool]
"""Takes the fraction that is done; False ends the load."""


class NativeModel:
    """A GGUF model, on the GPU where there is one.

    Args:
        path: The file, or the first of a split model's files.
        keep_loading: Called many times while the weights are read.
        gpu_layers: Layers to put there; None puts all.
        with_head: Load the multi-token prediction head too, which the file must have.

    Raises:
        ModelLoadError: the library refused the file, or `keep_loading` ended the load.
        NotEnoughMemory: the weights could not be allocated.
    """

    def __init__(
        self,
        path: Path,
        keep_loading: KeepLoading,
        gpu_layers: int | None = None,
        with_head: bool = False,
    ) -> None:
        stopped = False

        @llama.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(fraction: float, _: object) -> bool:
            nonlocal stopped
            try:
                stopped = not keep_loading(fraction)
            except Exception:  # nothing may travel back through C
                stopped = True
            return not stopped

        params = llama.llama_model_default_params()
        self._gpu_layers = gpu_layers
        params.n_gpu_layers = -1 if gpu_layers is None else gpu_layers
        params.progress_callback = progress
        if with_head:
            params.load_mtp = True
        native_log.clear()
        self.adapter: Any = None
        self.handle: Any = llama.llama_model_load_from_file(os.fsencode(path), params)
        if not self.handle:
            raise _load_error(path, stopped)
        self.vocabulary = Vocabulary(llama.llama_model_get_vocab(self.handle))
        try:
            self._check_kind(path)
        except ModelLoadError:
            self.close()
            raise

    @property
    def weights_bytes(self) -> int:
        return int(llama.llama_model_size(self.handle))

    @property
    def parameters(self) -> int:
        return int(llama.llama_model_n_params(self.handle))

    @property
    def uses_gpu(self) -> bool:
        """Whether a GPU has any of the layers."""
        return self._gpu_layers != 0 and bool(llama.llama_supports_gpu_offload())

    @property
    def is_offloaded(self) -> bool:
        """Whether a GPU has all of the layers; it computes while this thread goes on."""
        layers, gpu_layers = llama.llama_model_n_layer(self.handle), self._gpu_layers
        return self.uses_gpu and (gpu_layers is None or gpu_layers > layers)

    @property
    def can_rewind(self) -> bool:
        """False where the KV cache cannot drop its last tokens (recurrent layers)."""
        recurrent = llama.llama_model_is_recurrent(self.handle)
        return not (recurrent or llama.llama_model_is_hybrid(self.handle))

    def close(self) -> None:
        if self.handle:
            llama.llama_model_free(self.handle)
            self.handle = None

    def _check_kind(self, path: Path) -> None:
        handle = self.handle
        writes_text = (
            llama.llama_model_has_decoder(handle)
            and not llama.llama_model_has_encoder(handle)
            and not llama.llama_model_is_diffusion(handle)
            and self.vocabulary.is_usable
        )
        if not writes_text:
            raise ModelLoadError(
                f"{path.name} is not a model that writes text token by token.",
                "Choose a chat or instruct model.",
            )


def _load_error(path: Path, stopped: bool) -> ModelLoadError | NotEnoughMemory:
    if stopped:
        return ModelLoadError(f"Loading {path.name} was stopped.", "Load it again when needed.")
    reason = native_log.reason() or "the library gave no reason"
    if "allocate" in reason:
        return NotEnoughMemory(
            f"There is not enough memory for {path.name}: {reason}.",
            "Close something, or choose a smaller model or quantization.",
        )
    return ModelLoadError(
        f"llama.cpp cannot load {path.name}: {reason}.",
        "Download the file again, choose another quantization, or update llama-cpp-python.",
    )
