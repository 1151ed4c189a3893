"""Tries a model's prediction head in a process of its own, for the reasons that `probe` gives.

A file may announce a head and hold only a part of it, which the library checks with assertions.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TIMEOUT_S = 60
_PASSED = b"passed"
_WINDOW_TOKENS = 256

_known: dict[tuple[Path, int, int], bool] = {}


def head_runs(path: Path) -> bool:
    """Whether the library sets up a context for the head of the model file `path`.

    Costs about half a second, once per file and run of the program.
    """
    status = path.stat()
    identity = (path, status.st_mtime_ns, status.st_size)
    if identity not in _known:
        _known[identity] = _try_in_own_process(path)
    return _known[identity]


def _try_in_own_process(path: Path) -> bool:
    try:
        result = subprocess.run(
            [sys.executable, "-m", __name__, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return _PASSED in result.stdout


def _opens(path: str) -> bool:
    from engines.llama_cpp.context import context_params
    from engines.llama_cpp.library import llama

    params = llama.llama_model_default_params()
    params.n_gpu_layers = 0
    params.no_alloc = True
    params.load_mode = llama.LLAMA_LOAD_MODE_NONE
    params.load_mtp = True
    model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if not model or not llama.llama_model_n_layer_nextn(model):
        return False
    settings = context_params(_WINDOW_TOKENS, "f16")
    settings.ctx_type = llama.LLAMA_CONTEXT_TYPE_MTP
    settings.n_rs_seq = 0
    return bool(llama.llama_init_from_model(model, settings))


if __name__ == "__main__":
    if _opens(sys.argv[1]):
        sys.stdout.buffer.write(_PASSED)
        sys.stdout.flush()
    os._exit(0)
