"""Prepares the training rows: sources and dialogues, tokenized and packed.

Writes into the work folder: `tokenizer.json`, `rows.npz`, `prompts.json` (for the draft and for
held-out figures) and `PROVENANCE.json`.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from engines.demo.training.chat import (
    CONTROL_TOKENS,
    Dialogue,
    opening,
    prompt_text,
)
from engines.demo.training.dialogues.concepts import handwritten_dialogues
from engines.demo.training.dialogues.practical import practical_dialogues
from engines.demo.training.dialogues.synthetic import synthetic_dialogues
from engines.demo.training.packing import Tokens, dialogue_documents, pack, source_stream
from engines.demo.training.scale import FULL, SMOKE, Scale
from engines.demo.training.source.collect import Corpus, Document, collect
from engines.demo.training.tokenizer import load_tokenizer, token_id, train_tokenizer

log = logging.getLogger(__name__)
ROWS_FILE = "rows.npz"


def make_pool(scale: Scale, number: int) -> list[Dialogue]:
    """One process's share of the dialogues that are not cut out of sources."""
    return [
        *handwritten_dialogues(scale.handwritten, 100 + number),
        *synthetic_dialogues(scale.synthetic, 200 + number),
        *practical_dialogues(scale.practical, 300 + number),
    ]


def dialogue_pool(scale: Scale, processes: int) -> list[Dialogue]:
    with Pool(processes) as pool:
        shares = pool.map(partial(make_pool, scale), range(scale.pools))
    return [dialogue for share in shares for dialogue in share]


def without_control_tokens(text: str) -> str:
    return text.replace(CONTROL_TOKENS[1], "").replace(CONTROL_TOKENS[2], "")


def fresh_tokenizer(corpus: Corpus, scale: Scale) -> Tokenizer:
    """A tokenizer trained on a sample of the sources and of the dialogues."""
    rng = Random(3)
    documents, dialogues = corpus.train.documents, corpus.train.dialogues
    sources = rng.sample(documents, min(len(documents), scale.tokenizer_sources))
    chosen = rng.sample(dialogues, min(len(dialogues), scale.tokenizer_dialogues))
    texts = [source.text for source in sources]
    texts += [prompt_text(dialogue.messages) for dialogue in chosen]
    return train_tokenizer(map(without_control_tokens, texts))


def prompts_of(dialogues: Sequence[Dialogue]) -> list[tuple[str, str]]:
    """Kind and prompt of the first request of each dialogue."""
    return [(d.kind, prompt_text(opening(d.messages))) for d in dialogues]


def save_prompts(corpus: Corpus, pool: list[Dialogue], scale: Scale, path: Path) -> None:
    both = corpus.train.dialogues + pool
    chosen = Random(9).sample(both, min(len(both), scale.prompts))
    prompts = {"train": prompts_of(chosen), "held_out": prompts_of(corpus.held_out.dialogues)}
    path.write_text(json.dumps(prompts), encoding="utf-8")


class RowMaker:
    """Tokenizes and packs with one tokenizer, and says how much came out."""

    def __init__(self, tokenizer: Tokenizer, scale: Scale) -> None:
        self.tokenizer, self.scale = tokenizer, scale
        self.end_id = token_id(tokenizer, CONTROL_TOKENS[0])

    def stream(self, name: str, documents: list[Document]) -> Tokens:
        tokens = source_stream(self.tokenizer, documents, self.end_id)
        log.info("%s: %d files, %.2fM tokens", name, len(documents), len(tokens) / 1e6)
        return tokens

    def rows(self, name: str, dialogues: list[Dialogue], seed: int) -> Tokens:
        found = dialogue_documents(self.tokenizer, dialogues, seed, self.scale.dialogue_tokens)
        millions = sum(map(len, found)) / 1e6
        log.info("%s: %d dialogues, %.2fM tokens", name, len(found), millions)
        return pack(found, self.scale.row_tokens + 1, self.end_id)


def save_rows(rows: dict[str, Tokens], path: Path) -> None:
    arrays: dict[str, npt.NDArray[np.integer[Any]]] = {}
    arrays |= {f"{name}_ids": tokens.ids for name, tokens in rows.items()}
    arrays |= {f"{name}_flags": tokens.flags for name, tokens in rows.items()}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_rows(path: Path) -> dict[str, Tokens]:
    """The arrays that `prepare` wrote, by name."""
    with np.load(path) as arrays:
        names = [name.removesuffix("_ids") for name in arrays.files if name.endswith("_ids")]
        return {name: Tokens(arrays[f"{name}_ids"], arrays[f"{name}_flags"]) for name in names}


def prepare(work: Path, scale: Scale, tokenizer_file: Path | None = None) -> None:
    """Everything above, once: a prepared work folder is left as it is."""
    if (work / ROWS_FILE).exists():
        log.info("prepared before: %s", work)
        return
    work.mkdir(parents=True, exist_ok=True)
    processes = os.cpu_count() or 1
    corpus = collect(processes, scale.source_files)
    provenance = [entry._asdict() for entry in corpus.provenance]
    (work / "PROVENANCE.json").write_text(json.dumps(provenance, indent=1), encoding="utf-8")
    pool = dialogue_pool(scale, processes)
    tokenizer = load_tokenizer(tokenizer_file) if tokenizer_file else fresh_tokenizer(corpus, scale)
    tokenizer.save(str(work / "tokenizer.json"))
    make = RowMaker(tokenizer, scale)
    rows = {
        "source": make.stream("source", corpus.train.documents),
        "held_out_source": make.stream("held-out source", corpus.held_out.documents),
        "dialogues": make.rows("dialogues from sources", corpus.train.dialogues, 5),
        "held_out_dialogues": make.rows("held-out dialogues", corpus.held_out.dialogues, 6),
        "pool": make.rows("other dialogues", pool, 7),
    }
    save_prompts(corpus, pool, scale, work / "prompts.json")
    save_rows(rows, work / ROWS_FILE)


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Work folder.")
@click.option("--tokenizer", type=click.Path(path_type=Path), help="tokenizer.json or GGUF file.")
@click.option("--smoke", is_flag=True, help="A toy size.")
def main(work: Path, tokenizer: Path | None, smoke: bool) -> None:
    """Prepare the training rows."""
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)8d ms %(message)s")
    prepare(work, SMOKE if smoke else FULL, tokenizer)


if __name__ == "__main__":
    main()
