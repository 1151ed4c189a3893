"""llama.cpp's own programs, which its Python package does not bring: run, and read."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from engines.bench.library_loop import LoopTimes
from engines.errors import EngineUnavailable, GenerationError
from engines.llama_cpp.threads import ThreadCounts

BENCH = "llama-bench"
SPECULATIVE = "llama-speculative-simple"
_TIMEOUT_S = 600
_SPAN = re.compile(r"(encoded|decoded) +(\d+) tokens in +([\d.]+) seconds")
_COUNT = re.compile(r"n_(drafted|accept) +=\s*(\d+)")


@dataclass(frozen=True, slots=True)
class LlamaCppTools:
    """`llama-bench` and `llama-speculative-simple`, on the files that our engine has loaded.

    They get its threads and KV cache type; all else is as they come.

    Args:
        folder: Where the programs are.

    Raises:
        EngineUnavailable: one of them is not there.
    """

    folder: Path
    model: Path
    draft_model: Path | None
    threads: ThreadCounts
    kv_type: str

    def __post_init__(self) -> None:
        for name in (BENCH, SPECULATIVE):
            if not (self.folder / name).is_file():
                raise EngineUnavailable(
                    f"There is no {name} in {self.folder}.",
                    "Build llama.cpp's programs with: make bench-tools",
                )

    def decode_tps(self, tokens: int) -> float:
        """Tokens per second of plain decode, by `llama-bench`."""
        command = [*self._command(BENCH), "-p", "0", "-n", str(tokens), "-r", "1", "-o", "json"]
        output = _run([*command, "-t", str(self.threads.decode)])
        return read_bench(output.stdout)

    def speculate(self, prompt: str, max_tokens: int) -> LoopTimes:
        """One greedy answer with the draft model, at the program's own depth."""
        decode, prefill = str(self.threads.decode), str(self.threads.prefill)
        command = [
            *self._command(SPECULATIVE), "--model-draft", str(self.draft_model),
            "--spec-type", "draft-simple", "--no-escape", "--prompt", prompt,
            "--n-predict", str(max_tokens), "--temp", "0",
            "--threads", decode, "--threads-batch", prefill,
            "--threads-draft", decode, "--threads-batch-draft", prefill,
        ]  # fmt: skip
        output = _run(command)
        if _SPAN.search(output.stdout + output.stderr) is None:  # a busy machine lost its end once
            output = _run(command)
        return read_speculation(output.stdout + output.stderr)

    def _command(self, name: str) -> list[str]:
        command = [str(self.folder / name), "-m", str(self.model)]
        return [*command, "-ctk", self.kv_type, "-ctv", self.kv_type]


def read_bench(output: str) -> float:
    """Tokens per second in the JSON that `llama-bench` prints."""
    try:
        (result,) = json.loads(output)
        return float(result["avg_ts"])
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(BENCH) from error


def read_speculation(output: str) -> LoopTimes:
    """What `llama-speculative-simple` says at its end.

    It counts from the start of decode, our runs from the first token: one token's time is moved.
    """
    spans = {verb: (int(tokens), float(seconds)) for verb, tokens, seconds in _SPAN.findall(output)}
    counts = {name: int(count) for name, count in _COUNT.findall(output)}
    if not {"encoded", "decoded"} <= spans.keys() or not {"drafted", "accept"} <= counts.keys():
        raise _unreadable(SPECULATIVE)
    tokens, decode_s = spans["decoded"]
    prefill_s = spans["encoded"][1]
    return LoopTimes(
        token_ids=(),
        first_token_s=prefill_s + decode_s / max(1, tokens),
        last_token_s=prefill_s + decode_s,
        drafted_tokens=counts["drafted"],
        accepted_tokens=counts["accept"],
        untold_tokens=tokens,
    )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        name = Path(command[0]).name
        raise GenerationError(
            f"{name} failed: {_last_line(error)}", "Build it anew with: make bench-tools"
        ) from error


def _last_line(error: Exception) -> str:
    lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return lines[-1] if lines else "it gave no reason"


def _unreadable(name: str) -> GenerationError:
    return GenerationError(
        f"{name} printed something that this version of llm-tui cannot read.",
        "Build it from the llama-cpp-python version in use: make bench-tools",
    )
