"""The tokenizer built from a GGUF file, against llama.cpp's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from engines.demo import demo_model_path
from engines.errors import ModelLoadError
from engines.mlx.gguf_tokenizer import read_tokenizer
from engines.mlx.loaded_model import LoadedModel
from engines.mlx.tokenizer import Tokenizer
from engines.model_files.fingerprint import tokenizer_fingerprint

pytestmark = pytest.mark.model

TEXTS = [
    "",
    " ",
    " leading and trailing ",
    "\n\n   \n\t mixed  \r\n white\u3000space \n",
    "def f(x, *, y=None) -> dict[str, int]:\n    return {'a': x+1, \"b\": y or 0}  # done\n",
    "1234567890 3.14159 0xDEADBEEF 1_000_000 ½ ٣ 五",
    "I'll we've don't CAN'T it's they'RE 'tis rock'n'roll",
    "naïve café — “quotes” … Ünïcödé ß ﬁ e\u0301",
    "你好\uff0c世界。こんにちは。안녕하세요 สวัสดี नमस्ते",
    "👩‍👩‍👧‍👦 🚀🇩🇪 🤷🏽‍♀️",
    "<|im_start|>system\nYou are.<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    '<tool_call>\n{"name": "read"}\n</tool_call><|im_end|><|endoftext|>',
    "<|im_start|",
    "<|im_end|>>",
    "<<think>>",
    "a<think>b</think> c",
    "x" * 500 + " " * 77 + "#" * 80 + "\n" * 9,
    "\x00\x01\x7f\u200b\ufeff\ufffd\U0010ffff",
    "SELECT * FROM t WHERE a<>b; -- ok\\n ${x} `y` ~z^w",
]


def llama_ids(vocabulary: Any, text: str) -> list[int]:
    from engines.llama_cpp.vocabulary import Vocabulary

    return Vocabulary(vocabulary).tokenize(text)


def open_vocabulary(path: Path) -> tuple[Any, Any]:
    from engines.llama_cpp.library import llama

    parameters = llama.llama_model_default_params()
    parameters.vocab_only = True
    model = llama.llama_model_load_from_file(str(path).encode(), parameters)
    assert model
    return model, llama.llama_model_get_vocab(model)


def test_ids_pieces_and_fingerprint_equal_those_of_llama_cpp(demo_target: LoadedModel) -> None:
    pytest.importorskip("llama_cpp")
    from engines.llama_cpp.library import llama
    from engines.llama_cpp.vocabulary import Vocabulary

    path = demo_model_path("demo:target")
    assert path is not None
    model, handle = open_vocabulary(path)
    tokenizer, theirs = demo_target.tokenizer, Vocabulary(handle)
    sources = [Path(__file__).read_text(), *TEXTS]
    for text in sources:
        ids = tokenizer.encode(text)
        assert ids == theirs.tokenize(text), text
        assert b"".join(map(tokenizer.piece, ids)) == text.encode()
    every = range(theirs.size)
    assert [tokenizer.piece(i) for i in every] == [theirs.piece(i) for i in every]
    assert set(tokenizer.stop_ids) == {i for i in every if theirs.ends_generation(i)}
    assert (tokenizer.bos_token, tokenizer.eos_token) == (theirs.bos_text, theirs.eos_text)
    template = tokenizer.chat_template
    assert tokenizer_fingerprint(tokenizer.token_texts, template) == tokenizer_fingerprint(
        theirs.texts(), template
    )
    llama.llama_model_free(model)


@pytest.mark.parametrize("pre", ["llama-bpe", "qwen35", "smollm", "gpt-2"])
def test_each_way_of_cutting_words_equals_that_of_llama_cpp(pre: str, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    from engines.llama_cpp.library import llama

    path = _demo_with_pre(pre, tmp_path)
    tokenizer = _read(path)
    model, handle = open_vocabulary(path)
    for text in TEXTS:
        assert tokenizer.encode(text) == llama_ids(handle, text), text
    llama.llama_model_free(model)


def test_lone_surrogates_do_not_fail(demo_target: LoadedModel) -> None:
    assert demo_target.tokenizer.encode("a\ud800b") == demo_target.tokenizer.encode("a?b")


def test_an_id_beyond_the_vocabulary_has_no_bytes(demo_target: LoadedModel) -> None:
    assert demo_target.tokenizer.piece(10**6) == b""


def test_an_unknown_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="gpt2/tekken") as error:
        _read(_demo_with_pre("tekken", tmp_path))
    assert "llama.cpp" in error.value.hint


def test_a_file_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(ModelLoadError, match="no usable vocabulary"):
        read_tokenizer({"tokenizer.ggml.model": "gpt2"})


def _read(path: Path) -> Tokenizer:
    contents: Any = mx.load(str(path), return_metadata=True)
    return read_tokenizer(contents[1])


def _demo_with_pre(pre: str, folder: Path) -> Path:
    """The embedded draft with another pre-tokenizer; the license's text gives the bytes for it."""
    source = demo_model_path("demo:draft")
    assert source is not None
    content = source.read_bytes()
    spare = len("apache-2.0") - (len(pre) - len("qwen2"))
    for key, old, new in (
        ("tokenizer.ggml.pre", "qwen2", pre),
        ("general.license", "apache-2.0", "x" * spare),
    ):
        before = _entry(key, old)
        assert content.count(before) == 1
        content = content.replace(before, _entry(key, new))
    path = folder / f"{pre}.gguf"
    path.write_bytes(content)
    return path


def _entry(key: str, text: str) -> bytes:
    string_type = (8).to_bytes(4, "little")
    return key.encode() + string_type + len(text).to_bytes(8, "little") + text.encode()
