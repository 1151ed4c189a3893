"""Tries a model's header in a process of its own, because llama.cpp ends the process on a bad one.

The library checks much of a file with assertions and uncaught exceptions. What passes here, with
no weights read and no memory reserved, does not end the application when it is loaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from engines.errors import ModelLoadError

_TIMEOUT_S = 60
_PASSED = b"passed"
_WINDOW_TOKENS = 256
_REASON = re.compile(r"GGML_ASSERT\((.+)\) failed|what\(\):\s*(.+)")

_proven: set[tuple[Path, int, int]] = set()


def check_header_in_own_process(path: Path) -> None:
    """Costs about half a second, once per file and run of the program.

    Raises:
        ModelLoadError: the library ended its process on this file.
    """
    status = path.stat()
    identity = (path, status.st_mtime_ns, status.st_size)
    if identity in _proven:
        return
    try:
        result = subprocess.run(
            [sys.executable, "-m", __name__, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # nothing learned; the load itself decides
        return
    if result.returncode < 0 and _PASSED not in result.stdout:
        reason = _REASON.search(result.stderr.decode("utf-8", "replace"))
        detail = f" ({next(filter(None, reason.groups()))})" if reason else ""
        raise ModelLoadError(
            f"{path.name} makes llama.cpp crash: its header is damaged or contradicts itself"
            f"{detail}.",
            "Download the file again, or choose another one.",
        )
    _proven.add(identity)


def _try_header(path: str) -> None:
    from engines.llama_cpp.library import llama
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
    context_params = llama.llama_context_default_params()
    context_params.n_ctx = context_params.n_batch = context_params.n_ubatch = _WINDOW_TOKENS
    llama.llama_init_from_model(model, context_params)


if __name__ == "__main__":
    _try_header(sys.argv[1])
    sys.stdout.buffer.write(_PASSED)
    sys.stdout.flush()
    os._exit(0)
