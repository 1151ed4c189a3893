"""Tries one engine for real: loads the embedded model and decodes a few tokens.

    python -m engines.self_check mlx

prints one JSON object. It is meant to run as a process of its own, because a library that is built
for another machine can crash instead of raising.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from engines.errors import EngineError
from engines.events import GenerationFinished
from engines.registry import ENGINES, create_engine
from engines.types import GenerationRequest, LoadRequest, SamplingParams

CHECK_TOKENS = 8
TIMEOUT_S = 120.0
_DISTRIBUTIONS = {"mlx": ("mlx", "mlx-lm"), "llama.cpp": ("llama-cpp-python",)}
_PROMPT = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """How the check of one engine went.

    Args:
        versions: Of the libraries that are installed.
        device: `cpu`, `metal` or `cuda`; empty where the library did not start.
        load_s: Seconds from the first import to the loaded model.
        error: Why it does not work; empty where it does.
    """

    engine: str
    works: bool
    versions: dict[str, str]
    device: str = ""
    model: str = ""
    quantization: str = ""
    load_s: float | None = None
    decode_tps: float | None = None
    error: str = ""
    hint: str = ""


def installed_versions(engine: str) -> dict[str, str]:
    """The engine's libraries that are installed, and their versions."""
    found = {}
    for name in _DISTRIBUTIONS.get(engine, ()):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_engine(engine: str, python: str = sys.executable) -> SelfCheck:
    """Check `engine` in a child process; a crash or a hang of it is part of the report."""
    versions = installed_versions(engine)
    command = [python, "-m", "engines.self_check", engine]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return SelfCheck(engine, False, versions, error=f"no answer within {TIMEOUT_S:.0f} s")
    try:
        return SelfCheck(**json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        last_words = ": ".join(done.stderr.strip().splitlines()[-1:])
        error = f"the library ended the process with code {done.returncode} {last_words}"
        return SelfCheck(engine, False, versions, error=error.strip())


def try_engine(engine: str) -> SelfCheck:
    """Check `engine` in this process."""
    versions = installed_versions(engine)
    try:
        return _decode_some(engine, versions)
    except EngineError as error:
        return SelfCheck(engine, False, versions, error=error.message, hint=error.hint)
    except Exception as error:
        return SelfCheck(engine, False, versions, error=f"{type(error).__name__}: {error}")


def _decode_some(engine_name: str, versions: dict[str, str]) -> SelfCheck:
    started_s = time.perf_counter()
    engine = create_engine(engine_name)
    try:
        load = LoadRequest(engine_name, "demo:target", context_window_tokens=256)
        info = engine.load(load, lambda progress: None, lambda: False)
        load_s = time.perf_counter() - started_s
        greedy = SamplingParams(temperature=0)
        request = GenerationRequest((_PROMPT,), "self-check", greedy, max_tokens=CHECK_TOKENS)
        *_, last = engine.generate(request, lambda: False)
        if not isinstance(last, GenerationFinished) or not last.stats.generated_tokens:
            return SelfCheck(engine_name, False, versions, error="it generated no token")
        return SelfCheck(
            engine_name,
            True,
            versions,
            device=_device(engine_name),
            model=info.name,
            quantization=info.quantization,
            load_s=load_s,
            decode_tps=last.stats.decode_tps,
        )
    finally:
        engine.close()


def _device(engine: str) -> str:
    if engine == "mlx":
        return str(importlib.import_module("engines.mlx.device").current_device().kind)
    if engine == "llama.cpp":
        llama = importlib.import_module("engines.llama_cpp.library").llama
        if llama.llama_supports_gpu_offload():
            return "metal" if platform.system() == "Darwin" else "cuda"
    return "cpu"


def main(arguments: Sequence[str]) -> int:
    """Print the check of the engine named by the only argument, as JSON, on standard output."""
    if len(arguments) != 1 or arguments[0] not in ENGINES:
        sys.stderr.write(f"usage: python -m engines.self_check {'|'.join(ENGINES)}\n")
        return 2
    own_stdout = os.dup(1)
    os.dup2(2, 1)  # libraries print where they like
    report = try_engine(arguments[0])
    os.write(own_stdout, (json.dumps(asdict(report)) + "\n").encode())
    return 0 if report.works else 1


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # without the library's own clean-up, which may crash
