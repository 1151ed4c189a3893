"""Quantizes a GGUF file with llama.cpp, in a process of its own.

The library checks much of a file with assertions that end the process, and cannot be stopped in
between; a process can crash or be ended without this one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from engines.base import Cancelled
from engines.errors import ModelLoadError
from engines.events import LoadProgress
from engines.model_files.ggml_types import FILE_TYPES

_TENSOR = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")
_LOOK_S = 0.1
_LINES_KEPT = 50
_REASON = re.compile(r"failed to quantize: (.+)|error: (.+)|GGML_ASSERT\((.+)\) failed")


def quantize_in_own_process(
    source: Path,
    output: Path,
    quantization: str,
    report: Callable[[LoadProgress], None],
    cancelled: Cancelled,
) -> bool:
    """Write `output` in `quantization` (a name of `FILE_TYPES`).

    Returns:
        False where it was cancelled.

    Raises:
        ModelLoadError: the library refuses the file or crashes on it.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(source), str(output), quantization],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
        errors="replace",
    )
    lines: deque[str] = deque(maxlen=_LINES_KEPT)
    assert process.stderr is not None
    reader = threading.Thread(target=_follow, args=(process.stderr, lines, report), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            if cancelled():
                return False
            try:
                process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.kill()
        process.wait()
        reader.join()
    if process.returncode != 0:
        raise _failure(source, lines)
    return True


def _follow(stream: IO[str], lines: deque[str], report: Callable[[LoadProgress], None]) -> None:
    """Reads what the library logs; a line for each tensor counts."""
    with stream:
        for line in stream:
            lines.append(line.strip())
            if match := _TENSOR.search(line):
                done, total = int(match[1]), max(1, int(match[2]))
                report(LoadProgress(f"tensor {done} of {total}", min(1.0, done / total)))


def _failure(source: Path, lines: deque[str]) -> ModelLoadError:
    for line in reversed(lines):
        if match := _REASON.search(line):
            detail = next(filter(None, match.groups()))
            return ModelLoadError(
                f"llama.cpp cannot quantize {source.name}: {detail[:200]}.",
                "Choose another quantization or another file.",
            )
    return ModelLoadError(
        f"llama.cpp cannot quantize {source.name}.", "Choose another quantization or another file."
    )


def _quantize(source: str, output: str, quantization: str) -> int:
    from engines.llama_cpp.library import llama

    @llama.llama_log_callback  # type: ignore[untyped-decorator]
    def log(level: int, text: bytes, _: object) -> None:
        sys.stderr.write(text.decode("utf-8", "replace"))
        sys.stderr.flush()

    llama.llama_log_set(log, None)
    params = llama.llama_model_quantize_default_params()
    params.ftype = next(number for number, name in FILE_TYPES.items() if name == quantization)
    params.allow_requantize = True
    return int(llama.llama_model_quantize(os.fsencode(source), os.fsencode(output), params))


if __name__ == "__main__":
    os._exit(_quantize(*sys.argv[1:4]))
