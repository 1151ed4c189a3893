"""Models, a machine and a hub that are not there, for the tests of the picker."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from engines.base import Cancelled
from engines.described_machine import parse_machine
from engines.errors import EngineError
from engines.hardware import Machine
from engines.model_files.download_progress import DownloadProgress, DownloadStage, Report
from engines.model_files.finding.found_model import FoundModel
from engines.model_files.finding.places import ModelPlaces
from engines.model_files.finding.search import find_models
from engines.speed import NOT_MEASURED, MeasuredSpeed
from profiles.catalogue import Catalogue, parse_catalogue
from tests.engines.model_files.gguf_writer import gguf, tensor
from tests.engines.model_files.model_store import mlx_files, write_files, write_hugging_face
from tui.models.sources import ModelSources

Q4_K = 12
TOTAL_BYTES = 8_500_000_000
CATALOGUE = """
[[model]]
name = "Zephyr-9B"
family = "Zephyr"
released = 2090-02-01
license = "Apache-2.0"
parameters = 9.0
context = 65536
tasks = ["daily chat", "coding"]
mlx = ["maker/Zephyr-9B-4bit"]
gguf = "maker/Zephyr-9B-GGUF"
attention = [{ layers = 32, kv_heads = 8, head_dim = 128, heads = 32 }]

[[model]]
name = "Zephyr-2B"
family = "Zephyr"
released = 2090-01-01
license = "Zephyr Licence"
parameters = 2.0
context = 32768
tasks = ["quick"]
mlx = ["maker/Zephyr-2B-4bit"]
gguf = "maker/Zephyr-2B-GGUF"
attention = [{ layers = 24, kv_heads = 4, head_dim = 128, heads = 16 }]
"""


class Hub:
    """A download that the test holds: it goes on step by step, or ends at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: EngineError | None = None
        self.is_open = threading.Event()
        self.is_over = threading.Event()
        self.started = threading.Event()

    def fetch(self, reference: str, report: Report, cancelled: Cancelled) -> Path | None:
        self.asked.append(reference)
        report(
            DownloadProgress(
                DownloadStage.DOWNLOADING,
                "model.safetensors",
                0,
                TOTAL_BYTES,
                TOTAL_BYTES * 34 // 100,
                TOTAL_BYTES,
                12_100_000.0,
            )
        )
        self.started.set()
        if self.error is not None:
            raise self.error
        while not self.is_open.wait(0.005):
            if cancelled() or self.is_over.is_set():
                return None
        return Path("/somewhere")


class ModelBench:
    """A home folder with models as Hugging Face, LM Studio and others lay them out."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.hub = Hub()
        self.machine: Machine = parse_machine("M4 32GB")
        self.catalogue = Catalogue(parse_catalogue(CATALOGUE, "test"))
        self.measured: Mapping[str, MeasuredSpeed] = {}
        self.discarded: list[Path] = []
        self.searches = 0
        self.may_find = threading.Event()
        self.may_find.set()
        self.find_error: Exception | None = None

    @property
    def sources(self) -> ModelSources:
        return ModelSources(
            find=self._find,
            machine=lambda: self.machine,
            catalogue=lambda: self.catalogue,
            speed=lambda model, engine: self.measured.get(model, NOT_MEASURED),
            fetch=self.hub.fetch,
            discard=self._discard,
        )

    def add_gguf(self, name: str, parameters: float = 8e9, terms: str = "apache-2.0") -> Path:
        """A model in LM Studio's folder, whose weights are a hole in the file."""
        folder = self.home / ".lmstudio" / "models" / Path(name).parent
        path = folder / f"{Path(name).name}.gguf"
        folder.mkdir(parents=True, exist_ok=True)
        layers, width = 36, 4096
        rows = int(parameters / layers / width)
        metadata = {
            "general.architecture": "qwen3",
            "general.license": terms,
            "general.file_type": 15,
            "qwen3.context_length": 40960,
            "qwen3.block_count": layers,
            "qwen3.embedding_length": width,
            "qwen3.attention.head_count": 32,
            "qwen3.attention.head_count_kv": 8,
            "qwen3.attention.key_length": 128,
            "qwen3.attention.value_length": 128,
            "tokenizer.ggml.tokens": ["a", "b"],
        }
        size = width * rows * 144 // 256
        tensors = [
            tensor(f"blk.{n}.ffn_up.weight", [width, rows], Q4_K, n * size) for n in range(layers)
        ]
        header = gguf(metadata, tensors)
        with path.open("wb") as file:
            file.write(header)
            file.truncate(len(header) + layers * size)
        return path

    def add_mlx(self, repository: str) -> Path:
        """A small model in the Hugging Face cache."""
        return write_hugging_face(self.home / "hub", repository, mlx_files())

    def add_broken(self, name: str) -> Path:
        folder = self.home / ".lmstudio" / "models"
        return write_files(folder, {f"{name}.gguf": b"GGUF\x03"}) / f"{name}.gguf"

    def _find(self) -> list[FoundModel]:
        self.may_find.wait(10)
        self.searches += 1
        if self.find_error is not None:
            raise self.find_error
        places = ModelPlaces(
            hugging_face=(self.home / "hub",),
            lm_studio=(self.home / ".lmstudio" / "models",),
            ollama=(self.home / "ollama",),
            folders=(self.home / "models",),
        )
        return find_models(places)

    def _discard(self, path: Path) -> None:
        """A trash that is a folder."""
        self.discarded.append(path)
        trash = self.home / "trash"
        trash.mkdir(exist_ok=True)
        path.rename(trash / path.name)
