from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from engines.llama_cpp.library import NativeLog, llama
from engines.llama_cpp.threads import _quota_cores, choose_thread_counts, usable_cores
from engines.model_files.ggml_types import GGML_TYPES

DEBUG, INFO, WARN, ERROR, CONTINUATION = range(1, 6)


def test_the_reason_is_the_loaders_own_sentence() -> None:
    log = NativeLog()
    log.add(INFO, "llama_model_loader: loaded\n")
    log.add(ERROR, "llama_model_load: error loading model: unknown model ")
    log.add(CONTINUATION, "architecture: 'x'\n")
    log.add(ERROR, "llama_model_load_from_file_impl: failed to load model\n")
    assert log.reason() == "unknown model architecture: 'x'"
    log.clear()
    assert log.reason() == ""
    log.add(WARN, "only a warning\n")
    log.add(DEBUG, "some detail")
    log.add(CONTINUATION, "...\n")
    assert log.lines == ["only a warning"]
    log.add(ERROR, "some_function: it broke\n")
    assert log.reason() == "it broke"


def test_the_log_is_bounded() -> None:
    log = NativeLog()
    for number in range(5000):
        log.add(INFO, str(number))
    assert len(log.lines) < 5000


@pytest.mark.model
def test_a_load_and_an_answer_print_nothing() -> None:
    code = (
        "from tests.engines.llama_cpp.pair import load\n"
        "pair = load(draft_model='demo:draft')\n"
        "assert pair.answer(pair.request('Say hello.')).text\n"
        "pair.engine.close()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_table_of_tensor_types_is_the_librarys() -> None:
    folder = Path(llama.__file__).parent / "lib"
    library = ctypes.CDLL(str(next(folder.glob("libggml-base.*"))))
    library.ggml_type_size.restype = ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64
    library.ggml_type_name.restype = ctypes.c_char_p
    for type_id, element in GGML_TYPES.items():
        assert library.ggml_type_name(type_id).decode().upper() == element.name.upper()
        assert library.ggml_blck_size(type_id) == element.block_elements
        assert library.ggml_type_size(type_id) == element.block_bytes


def test_a_core_is_left_to_the_interface() -> None:
    cores = usable_cores()
    counts = choose_thread_counts()
    assert cores >= 1
    assert counts.decode == max(1, cores - 1)


def test_a_containers_share_is_read(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    assert _quota_cores(quota) is None
    for text, cores in (
        ("max 100000", None),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("x", None),
    ):
        quota.write_text(text)
        assert _quota_cores(quota) == cores
