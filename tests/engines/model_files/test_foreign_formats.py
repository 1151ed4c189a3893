from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines.errors import ModelLoadError
from engines.model_files.foreign_formats import (
    check_format,
    check_repository_name,
    format_in_name,
    why_unusable,
)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "GPTQ, which runs on NVIDIA GPUs only"),
        ({"quant_method": "GPTQ", "bits": 8}, "GPTQ"),
        ({"quant_method": "exl2"}, "EXL2"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "hqq"}, "HQQ"),
        ({"quant_method": "awq", "bits": 8}, "AWQ at 8 bits"),
    ],
)
def test_formats_for_other_gpus_are_refused_with_what_to_take(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelLoadError, match="Model-X is quantized with") as error:
        check_format({"quantization_config": settings}, "Model-X")
    assert words in error.value.message
    assert "MLX version" in error.value.hint and "GGUF" in error.value.hint


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"quantization_config": None},
        {"quantization": {"bits": 4, "group_size": 64}},
        {"quantization": {"bits": 4}, "quantization_config": {"quant_method": "gptq"}},
        {"quantization_config": {"quant_method": "mxfp4"}},
        {"quantization_config": {"quant_method": "awq", "bits": 4}},
        {"quantization_config": {"bits": 4, "group_size": 64}},
    ],
)
def test_what_mlx_reads_is_let_through(config: dict[str, Any]) -> None:
    assert why_unusable(config) == ""
    check_format(config, "Model-X")


@pytest.mark.parametrize(
    ("repository", "title"),
    [
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "AWQ"),
        ("TheBloke/Llama-2-7B-GPTQ", "GPTQ"),
        ("turboderp/Llama-3-8B-exl2", "EXL2"),
        ("unsloth/Qwen3-8B-unsloth-bnb-4bit", "bitsandbytes"),
        ("Qwen/Qwen3-8B", ""),
        ("mlx-community/Qwen3-8B-4bit", ""),
        ("unsloth/Qwen3-8B-GGUF", ""),
    ],
)
def test_a_repositorys_name_tells_before_anything_is_downloaded(
    repository: str, title: str
) -> None:
    assert format_in_name(repository) == title
    if title:
        with pytest.raises(ModelLoadError, match=title):
            check_repository_name(repository)
    else:
        check_repository_name(repository)


def test_mlx_says_so_when_it_is_pointed_at_one(tmp_path: Path) -> None:
    from engines.mlx.device import Device, DeviceKind
    from engines.mlx.folder_model import plan_folder

    config = {"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="GPTQ"):
        plan_folder(tmp_path, Device(DeviceKind.CPU, 2**30))
