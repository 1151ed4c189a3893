"""Writes MLX model folders, quantized as asked for, with the functions of mlx_lm."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map_with_path

from engines.base import Cancelled
from engines.errors import ModelLoadError
from engines.events import LoadProgress
from engines.mlx.device import current_device
from engines.mlx.folder_model import plan_folder
from engines.mlx.gguf_model import read_dense
from engines.mlx.library import import_mlx_lm
from engines.mlx.tokenizer import Tokenizer
from engines.model_files.conversion_plan import MlxRecipe

_ELEMENT_TYPES = {"float16": mx.float16, "bfloat16": mx.bfloat16, "float32": mx.float32}
_COPIED = ("*.jinja", "*.txt", "*.model", "*.tiktoken", "*.json")
_WRITTEN = ("config.json", "model.safetensors.index.json")
Report = Callable[[LoadProgress], None]


def write_mlx_folder(
    source: Path, folder: Path, recipe: MlxRecipe, report: Report, cancelled: Cancelled
) -> bool:
    """Read the GGUF file or model folder `source` and write it to `folder`, which is new.

    Returns:
        False where it was cancelled; `folder` is then not complete.

    Raises:
        ModelLoadError: `source` cannot be read, or does not go with the recipe.
    """
    report(LoadProgress("reading the model", 0.0))
    network, config, tokenizer = _open(source)
    if recipe.bits:
        network, config = _quantize(network, config, recipe)
    if not _evaluate(network, report, cancelled):
        return False
    report(LoadProgress("writing the folder", 0.9))
    utilities = import_mlx_lm("utils")
    utilities.save_model(folder, network, donate_model=True)
    utilities.save_config(config, config_path=folder / "config.json")
    if tokenizer is not None:
        _write_tokenizer(folder, tokenizer)
    else:
        _copy_small_files(source, folder)
    return True


def _open(source: Path) -> tuple[Any, dict[str, Any], Tokenizer | None]:
    """A folder's tokenizer stays in its files."""
    if not source.is_dir():
        return read_dense(source, mx.float16)
    plan_folder(source, current_device())
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    if "quantization" in config or "quantization_config" in config:
        raise ModelLoadError(
            f"{source.name} is quantized already.", "Convert the model that it was made from."
        )
    network, config = import_mlx_lm("utils").load_model(source, lazy=True)
    dtype = _ELEMENT_TYPES.get(str(config.get("torch_dtype") or config.get("dtype")))
    if dtype is not None:
        _cast(network, dtype)
    return network, config, None


def _cast(network: Any, dtype: mx.Dtype) -> None:
    may_cast = getattr(network, "cast_predicate", lambda _: True)

    def cast(name: str, array: mx.array) -> mx.array:
        is_number = mx.issubdtype(array.dtype, mx.floating)
        return array.astype(dtype) if is_number and may_cast(name) else array

    network.update(tree_map_with_path(cast, network.parameters()))


def _quantize(
    network: Any, config: dict[str, Any], recipe: MlxRecipe
) -> tuple[Any, dict[str, Any]]:
    predicate = None
    with redirect_stdout(io.StringIO()):  # it prints how many bits came out
        if recipe.mixed:
            build = import_mlx_lm("convert").mixed_quant_predicate_builder
            predicate = _built(build, recipe, network)
        quantized: tuple[Any, dict[str, Any]] = import_mlx_lm("utils").quantize_model(
            network, config, recipe.group_size, recipe.bits, quant_predicate=predicate
        )
    return quantized


def _built(build: Any, recipe: MlxRecipe, network: Any) -> Any:
    try:
        return build(recipe.mixed, network, recipe.group_size)
    except ValueError as error:
        raise ModelLoadError(
            f"The recipe {recipe.mixed} does not go with this architecture: {error}",
            "Convert it with --bits alone.",
        ) from error


def _evaluate(network: Any, report: Report, cancelled: Cancelled) -> bool:
    """Compute the weights layer by layer, which takes less memory than all at once."""
    layers = list(network.layers)
    for number, layer in enumerate(layers, start=1):
        if cancelled():
            return False
        mx.eval(layer.parameters())
        report(LoadProgress(f"layer {number} of {len(layers)}", 0.1 + 0.75 * number / len(layers)))
    return not cancelled()


def _write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """`tokenizer.json` and what mlx_lm and transformers read beside it."""
    from tokenizers import decoders

    tokenizer.encoder.decoder = decoders.ByteLevel()
    tokenizer.encoder.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.bos_token or None,
        "eos_token": tokenizer.eos_token or None,
        "chat_template": tokenizer.chat_template or None,
        "clean_up_tokenization_spaces": False,
    }
    _write_json(folder / "tokenizer_config.json", settings)
    _write_json(folder / "generation_config.json", {"eos_token_id": sorted(tokenizer.stop_ids)})


def _write_json(path: Path, values: dict[str, Any]) -> None:
    known = {key: value for key, value in values.items() if value is not None}
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def _copy_small_files(source: Path, folder: Path) -> None:
    for kind in _COPIED:
        for file in source.glob(kind):
            if file.name not in _WRITTEN:
                shutil.copyfile(file, folder / file.name)
