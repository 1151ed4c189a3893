"""A deterministic engine: streams a given text at a given rate, through the same contract.

It serves tests, benchmarks of the interface and pictures for the documentation. Its tokens are
short pieces of text, its KV cache is a list of token ids, and its answers are the script's, in
turn, divided by lines of `ANSWER_SEPARATOR`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from engines.base import Cancelled
from engines.errors import ContextWindowExceeded, GenerationError, ModelLoadError, ModelNotFound
from engines.events import FinishReason, GenerationEvent, LoadProgress
from engines.generation import GenerationRun
from engines.kv.owners import is_meant
from engines.kv.prefix import common_prefix_length
from engines.kv.reuse import CacheReuse, CacheSource
from engines.types import GenerationRequest, LoadRequest, ModelInfo

ANSWER_SEPARATOR = "%%%"
DEFAULT_ANSWER = "This is the scripted engine. Give it a text with `--script FILE`."
PREFILL_CHUNK_TOKENS = 256
KV_BYTES_PER_TOKEN = 1024
CONTEXT_WINDOW_TOKENS = 32_768
TIMES_VARIABLE = "LLM_TUI_SCRIPT_TIMES"

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|{{ message.role }}|>
{{ message.content }}<|end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|assistant|>
{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}
{%- endif -%}"""

_TOKEN = re.compile(r"<\|\w+\|>|</?\w+>|\s?[^\s<]{1,6}|\s|<")
_END_OF_TURN = "<|end|>"


class Gate:
    """Lets a test hold the engine at an exact token."""

    def __init__(self, tokens: int = 0) -> None:
        self._allowed = tokens
        self._changed = threading.Condition()

    def open(self, tokens: int = 1_000_000_000) -> None:
        """Let `tokens` more tokens through."""
        with self._changed:
            self._allowed += tokens
            self._changed.notify_all()

    def wait(self, cancelled: Cancelled) -> None:
        """Wait for one token's leave, or for `cancelled`."""
        with self._changed:
            while self._allowed <= 0 and not cancelled():
                self._changed.wait(0.005)
            self._allowed -= 1


class ScriptedEngine:
    """Streams a script. `LoadRequest.options` understands:

    `script` (path of the text), `rate` (tokens per second; 0 is unlimited), `prefill_rate` (the
    same for the prompt), and `fail_after` (raise `GenerationError` after so many tokens).

    Where the environment names a file in `LLM_TUI_SCRIPT_TIMES`, every answer adds a JSON line to
    it: how many tokens it had, and when the first and the last one were there.

    Args:
        answers: Texts to stream in turn; used when no script is given.
        gate: Held at every prefill chunk and every token where given.
    """

    def __init__(
        self, answers: Sequence[str] = (DEFAULT_ANSWER,), gate: Gate | None = None
    ) -> None:
        self._answers = list(answers)
        self._gate = gate
        self._rate_tps = 0.0
        self._prefill_rate_tps = 0.0
        self._fail_after: int | None = None
        self._next_answer = 0
        self._vocabulary: dict[str, int] = {}
        self._caches: dict[str, list[int]] = {}
        self._info: ModelInfo | None = None

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        report(LoadProgress("reading the script", 0.0))
        options = dict(request.options)
        if script := options.get("script"):
            self._answers = _read_script(Path(script))
        self._rate_tps = _number(options, "rate")
        self._prefill_rate_tps = _number(options, "prefill_rate")
        if "fail_after" in options:
            self._fail_after = int(_number(options, "fail_after"))
        self._info = ModelInfo(
            name=request.model or "script",
            engine="scripted",
            architecture="script",
            quantization="text",
            parameters=None,
            weights_bytes=sum(len(answer.encode()) for answer in self._answers),
            context_window_tokens=request.context_window_tokens or CONTEXT_WINDOW_TOKENS,
            kv_type=request.kv_type,
            kv_bytes_per_token=KV_BYTES_PER_TOKEN,
            chat_template=CHAT_TEMPLATE,
            bos_token="",
            eos_token=_END_OF_TURN,
            tokenizer_fingerprint=hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest(),
        )
        report(LoadProgress("ready", 1.0))
        return self._info

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        info = self._loaded()
        if request.constraint is not None:
            raise GenerationError(
                "The scripted engine writes its script and holds to no constraint.",
                "Choose the mlx or the llama.cpp engine.",
            )
        segments = [
            self._tokenize(segment) if isinstance(segment, str) else list(segment)
            for segment in request.prompt
        ]
        prompt_ids = [token_id for segment in segments for token_id in segment]
        room = info.context_window_tokens - len(prompt_ids)
        if room < 1:
            raise ContextWindowExceeded(len(prompt_ids), info.context_window_tokens)
        run = GenerationRun(request, info, [len(segment) for segment in segments])
        yield from self._prefill(run, prompt_ids, request.cache_key, cancelled)
        reason = FinishReason.CANCELLED
        if not cancelled():
            limit = min(room, request.max_tokens or room)
            reason = yield from self._decode(run, limit, cancelled)
        self._caches[request.cache_key] = list(run.token_ids[: run.cached_end])
        yield from run.finish(reason)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self._tokenize(text)) for text in texts]

    def forget(self, cache_key: str) -> None:
        for key in [each for each in self._caches if is_meant(each, cache_key)]:
            del self._caches[key]

    def save_caches(self, gives_way: Cancelled) -> None:
        """Nothing of it outlives the process."""

    def memory_bytes(self) -> int:
        return KV_BYTES_PER_TOKEN * sum(len(cache) for cache in self._caches.values())

    def close(self) -> None:
        self._caches.clear()

    def _prefill(
        self, run: GenerationRun, prompt_ids: list[int], cache_key: str, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        held = self._caches.get(cache_key, [])
        matching = common_prefix_length(held, prompt_ids)
        done = min(matching, len(prompt_ids) - 1)
        source = CacheSource.MEMORY if done else CacheSource.NONE
        run.cache_reuse = CacheReuse(len(held), matching, done, source)
        yield run.start_prefill(prompt_ids, done)
        pace = _Pace(self._prefill_rate_tps)
        while done < len(prompt_ids) and not cancelled():
            step = min(PREFILL_CHUNK_TOKENS, len(prompt_ids) - done)
            self._hold(cancelled)
            pace.wait(step, cancelled)
            done += step
            yield run.prefill_progress(done)
        run.cached_end = done

    def _decode(
        self, run: GenerationRun, limit: int, cancelled: Cancelled
    ) -> Generator[GenerationEvent, None, FinishReason]:
        answer = self._answers[self._next_answer % len(self._answers)]
        self._next_answer += 1
        pace = _Pace(self._rate_tps)
        times_s: list[float] = []
        for count, piece in enumerate(split_tokens(answer)):
            if count >= limit:
                return FinishReason.LENGTH
            self._hold(cancelled)
            pace.wait(1, cancelled)
            if cancelled():
                return FinishReason.CANCELLED
            if count == self._fail_after:
                raise GenerationError("The script ends in an error here.", "Send it again.")
            times_s.append(time.monotonic())
            yield from run.add_token(self._token_id(piece), piece.encode())
            run.cached_end = len(run.token_ids)
            if run.stopped:
                break
        _note_times(times_s)
        return FinishReason.STOP

    def _hold(self, cancelled: Cancelled) -> None:
        if self._gate is not None:
            self._gate.wait(cancelled)

    def _tokenize(self, text: str) -> list[int]:
        return [self._token_id(piece) for piece in split_tokens(text)]

    def _token_id(self, piece: str) -> int:
        return self._vocabulary.setdefault(piece, len(self._vocabulary))

    def _loaded(self) -> ModelInfo:
        if self._info is None:
            raise GenerationError("No script is loaded.", "Load one first.")
        return self._info


class _Pace:
    """Keeps a mean rate: late steps are made up for, early ones wait."""

    def __init__(self, rate_tps: float) -> None:
        self._rate_tps = rate_tps
        self._started_s = time.perf_counter()
        self._tokens = 0

    def wait(self, tokens: int, cancelled: Cancelled) -> None:
        if self._rate_tps <= 0:
            return
        self._tokens += tokens
        due_s = self._started_s + self._tokens / self._rate_tps
        while (left_s := due_s - time.perf_counter()) > 0 and not cancelled():
            time.sleep(min(left_s, 0.02))


def split_tokens(text: str) -> list[str]:
    """The pieces of `text` that count as its tokens."""
    return _TOKEN.findall(text)


def _note_times(times_s: list[float]) -> None:
    if times_s and (path := os.environ.get(TIMES_VARIABLE)):
        line = {"tokens": len(times_s), "first_token_s": times_s[0], "last_token_s": times_s[-1]}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _read_script(path: Path) -> list[str]:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelNotFound(f"There is no script at {path}.", "Give a text file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"The script {path} cannot be read.", "Give a text file.") from error
    answers = re.split(rf"^{ANSWER_SEPARATOR}\n", text, flags=re.MULTILINE)
    return [answer.rstrip("\n") for answer in answers]


def _number(options: dict[str, str], name: str) -> float:
    try:
        return float(options.get(name, "0"))
    except ValueError as error:
        raise ModelLoadError(f"{name} is not a number: {options[name]}", "Give one.") from error
