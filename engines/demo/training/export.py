"""From trained weights to the GGUF files that the app ships (Q8_0), and to a model folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from gguf import (
    GGML_QUANT_VERSION,
    GGMLQuantizationType,
    GGUFWriter,
    LlamaFileType,
    TokenType,
    quantize,
)
from safetensors import safe_open

from engines.demo.training.chat import CONTROL_TOKENS
from engines.demo.training.gguf_weights import Weights, gguf_name
from engines.demo.training.model import SHAPES, ModelShape

TEMPLATE = Path(__file__).parent / "chat_template.jinja"
NAMES = {"target": "llm-tui demo (tiny)", "draft": "llm-tui demo draft (tiny)"}
LICENSE = "apache-2.0"
DESCRIPTION = "A tiny demonstration model for short Python questions; see MODEL_CARD.md of llm-tui."


def read_weights(path: Path) -> Weights:
    """The tensors of a safetensors file in float32."""
    with safe_open(path, framework="pt") as tensors:
        return {name: tensors.get_tensor(name).float().numpy() for name in tensors.keys()}  # noqa: SIM118


@dataclass(frozen=True)
class Vocabulary:
    """What GGUF stores of a `tokenizer.json`."""

    tokens: list[str]
    types: list[TokenType]
    merges: list[str]
    ids: dict[str, int]


def read_vocabulary(path: Path) -> Vocabulary:
    content = json.loads(path.read_text(encoding="utf-8"))
    ids: dict[str, int] = dict(content["model"]["vocab"])
    kinds = dict.fromkeys(ids, TokenType.NORMAL)
    for added in content["added_tokens"]:
        ids[added["content"]] = added["id"]
        special = added["content"] in CONTROL_TOKENS
        kinds[added["content"]] = TokenType.CONTROL if special else TokenType.USER_DEFINED
    tokens = sorted(ids, key=ids.__getitem__)
    merges = [m if isinstance(m, str) else " ".join(m) for m in content["model"]["merges"]]
    return Vocabulary(tokens, [kinds[token] for token in tokens], merges, ids)


def add_shape(writer: GGUFWriter, shape: ModelShape) -> None:
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_vocab_size(shape.vocab_size)


def add_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    end_of_text, _, end_of_message = (vocabulary.ids[token] for token in CONTROL_TOKENS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(end_of_text)
    writer.add_eos_token_id(end_of_message)
    writer.add_pad_token_id(end_of_text)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE.read_text(encoding="utf-8"))


def add_weights(writer: GGUFWriter, weights: Weights) -> None:
    """Matrices as Q8_0, norms as float32."""
    for name, array in weights.items():
        if array.ndim == 1:
            writer.add_tensor(gguf_name(name), array.astype(np.float32))
        else:
            blocks: npt.NDArray[np.uint8] = quantize(array, GGMLQuantizationType.Q8_0)
            writer.add_tensor(gguf_name(name), blocks, raw_dtype=GGMLQuantizationType.Q8_0)


def write_gguf(name: str, weights: Weights, vocabulary: Vocabulary, path: Path) -> None:
    """One self-contained file: metadata, tokenizer, chat template, weights."""
    writer = GGUFWriter(path, "qwen3")
    writer.add_name(NAMES[name])
    writer.add_description(DESCRIPTION)
    writer.add_license(LICENSE)
    add_shape(writer, SHAPES[name])
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    add_vocabulary(writer, vocabulary)
    add_weights(writer, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def configuration(shape: ModelShape, vocabulary: Vocabulary) -> dict[str, Any]:
    """The fields of a Hugging Face `config.json`."""
    end_of_text, _, end_of_message = (vocabulary.ids[token] for token in CONTROL_TOKENS)
    return asdict(shape) | {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_message,
        "pad_token_id": end_of_text,
    }


def tokenizer_configuration() -> dict[str, Any]:
    end_of_text, _, end_of_message = CONTROL_TOKENS
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": SHAPES["target"].max_position_embeddings,
        "eos_token": end_of_message,
        "pad_token": end_of_text,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE.read_text(encoding="utf-8"),
    }


def write_folder(name: str, weights: Path, tokenizer: Path, folder: Path) -> None:
    """A model folder in bfloat16, for conversion to other formats."""
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(SHAPES[name], read_vocabulary(tokenizer))
    files = {"config.json": config, "tokenizer_config.json": tokenizer_configuration()}
    for file_name, content in files.items():
        (folder / file_name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    shutil.copy(tokenizer, folder / "tokenizer.json")
    shutil.copy(weights, folder / "model.safetensors")


file_path = click.Path(path_type=Path)


@click.command()
@click.argument("name", type=click.Choice(sorted(NAMES)))
@click.option("--weights", type=file_path, required=True, help="Trained safetensors.")
@click.option("--tokenizer", type=file_path, required=True, help="tokenizer.json.")
@click.option("--gguf", type=file_path, required=True, help="The file to write.")
@click.option("--folder", type=file_path, help="Write a model folder too.")
def main(name: str, weights: Path, tokenizer: Path, gguf: Path, folder: Path | None) -> None:
    """Write the GGUF file of NAME."""
    write_gguf(name, read_weights(weights), read_vocabulary(tokenizer), gguf)
    if folder:
        write_folder(name, weights, tokenizer, folder)
    click.echo(f"{gguf}: {gguf.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
