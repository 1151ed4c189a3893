"""The llama.cpp library as ctypes functions, with its log kept off the screen.

`llama` is the low-level module of llama-cpp-python: every `llama_*` function of the C API. Nothing
here uses its `Llama` class.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import threading
from collections import deque
from typing import Any

log = logging.getLogger(__name__)

_DEBUG, _ERROR, _CONTINUATION = 1, 4, 5
_LINES_KEPT = 2_000
_FUNCTION_NAME = re.compile(r"^\w+: ")
_REASON = re.compile(r"error loading model: (.+)")


def _import_library() -> Any:
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # a failing library starts no debugger
    from llama_cpp import llama_cpp

    return llama_cpp


llama = _import_library()


def keeping_interpreter_lock(function: Any) -> Any:
    """The same C function for calls that are shorter than waiting to have the lock back.

    Each other call gives the interpreter's lock away, and a thread that paints may keep it for as
    long as the switch interval.
    """
    library = ctypes.PyDLL(None, handle=llama._lib._handle)
    kept = library[function.__name__]
    kept.argtypes, kept.restype = function.argtypes, function.restype
    return kept


sample_token = keeping_interpreter_lock(llama.llama_sampler_sample)
"""`llama_sampler_sample` once the logits are there."""


class NativeLog(threading.local):
    """The last lines llama.cpp logged on this thread; a load reports its reasons there only."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, str]] = deque(maxlen=_LINES_KEPT)
        self._level = _DEBUG

    def add(self, level: int, text: str) -> None:
        """Take a line, or (`level` 5) more of the last one; debug lines are left out."""
        if level == _CONTINUATION:
            if self._lines and self._level != _DEBUG:
                last_level, last_text = self._lines.pop()
                self._lines.append((last_level, last_text + text))
            return
        self._level = level
        if level != _DEBUG:
            self._lines.append((level, text))

    def clear(self) -> None:
        self._lines.clear()

    @property
    def lines(self) -> list[str]:
        return [text.strip() for _, text in self._lines]

    def reason(self) -> str:
        """Why the last call failed, in the library's words; empty where it did not say."""
        errors = [text.strip() for level, text in self._lines if level == _ERROR]
        for line in errors:
            if found := _REASON.search(line):
                return found.group(1)
        return _FUNCTION_NAME.sub("", errors[-1]) if errors else ""


native_log = NativeLog()


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _take_log_line(level: int, text: bytes, _: object) -> None:
    try:
        line = text.decode("utf-8", "replace")
        native_log.add(level, line)
        log.debug("%s", line.rstrip())
    except Exception:  # nothing may travel back through C
        return


llama.llama_log_set(_take_log_line, None)
llama.llama_backend_init()
