"""Tries a model's header in a process of its own, because llama.cpp ends the process on a bad one.

The library checks much of a file with assertions and uncaught exceptions. What passes here, with
no weights read and no memory reserved, does not end the application when it is loaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from engines.errors import ModelLoadError
from engines.llama_cpp.context import CHUNK_TOKENS, context_params, read_sizes
from engines.memory import KVCost

_TIMEOUT_S = 60
_PASSED = b"passed"
_WINDOWS_TOKENS = (1024, 4096)
_SHORT_CHUNK_TOKENS = 64
_REASON = re.compile(r"GGML_ASSERT\((.+)\) failed|what\(\):\s*(.+)")

_proven: dict[tuple[Path, int, int, tuple[str, ...]], tuple[KVCost, ...]] = {}


def check_header_in_own_process(
    path: Path, kv_types: tuple[str, ...] = ("f16",)
) -> tuple[KVCost, ...]:
    """Costs about half a second, once per file and run of the program.

    Returns:
        What a KV cache of each type takes by the library's own plan, compute buffers included. A
        type that the model cannot have is left out; none are known where the library is silent.

    Raises:
        ModelLoadError: the library ended its process on this file.
    """
    status = path.stat()
    identity = (path, status.st_mtime_ns, status.st_size, kv_types)
    if identity in _proven:
        return _proven[identity]
    try:
        result = subprocess.run(
            [sys.executable, "-m", __name__, str(path), *kv_types],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # nothing learned; the load itself decides
        return ()
    if result.returncode < 0 and _PASSED not in result.stdout:
        reason = _REASON.search(result.stderr.decode("utf-8", "replace"))
        detail = f" ({next(filter(None, reason.groups()))})" if reason else ""
        raise ModelLoadError(
            f"{path.name} makes llama.cpp crash: its header is damaged or contradicts itself"
            f"{detail}.",
            "Download the file again, or choose another one.",
        )
    _proven[identity] = _costs(result.stdout)
    return _proven[identity]


def _costs(output: bytes) -> tuple[KVCost, ...]:
    """From lines of type, window and bytes: two windows of a type, as bytes grow in line, and the
    second window once more with short chunks."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    for line in output.decode("utf-8", "replace").splitlines():
        kv_type, *numbers = line.split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            sizes.setdefault(kv_type, []).append((int(numbers[0]), int(numbers[1])))
    costs = []
    for kv_type, measured in sizes.items():
        if len(measured) == len(_WINDOWS_TOKENS) + 1:
            (short, small), (long, large), (_, with_short_chunks) = measured
            per_token = max(0.0, (large - small) / (long - short))
            saved = (large - with_short_chunks) / (CHUNK_TOKENS - _SHORT_CHUNK_TOKENS)
            fixed_bytes = max(0, round(small - per_token * short))
            costs.append(KVCost(kv_type, per_token, fixed_bytes, max(0.0, saved)))
    return tuple(costs)


def _try_header(path: str, kv_types: Sequence[str]) -> None:
    from engines.llama_cpp.library import llama, native_log
    from engines.llama_cpp.vocabulary import Vocabulary

    params = llama.llama_model_default_params()
    params.n_gpu_layers = 0
    params.no_alloc = True
    params.load_mode = llama.LLAMA_LOAD_MODE_NONE
    model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if not model:  # refused in good order: the real load says why
        return
    vocabulary = Vocabulary(llama.llama_model_get_vocab(model))
    if vocabulary.is_usable:
        for token_id in vocabulary.tokenize("Hello, 1\n"):
            vocabulary.piece(token_id)
    settings = [(window_tokens, CHUNK_TOKENS) for window_tokens in _WINDOWS_TOKENS]
    settings.append((_WINDOWS_TOKENS[-1], _SHORT_CHUNK_TOKENS))
    for kv_type in kv_types:
        for window_tokens, chunk_tokens in settings:
            native_log.clear()
            params = context_params(window_tokens, kv_type, chunk_tokens)
            context = llama.llama_init_from_model(model, params)
            if context:
                sizes = read_sizes(native_log.lines)
                total_bytes = sizes.kv_reserved_bytes + sizes.compute_bytes
                sys.stdout.write(f"{kv_type} {window_tokens} {total_bytes}\n")
                llama.llama_free(context)
    sys.stdout.flush()


if __name__ == "__main__":
    _try_header(sys.argv[1], sys.argv[2:])
    sys.stdout.buffer.write(_PASSED)
    sys.stdout.flush()
    os._exit(0)
