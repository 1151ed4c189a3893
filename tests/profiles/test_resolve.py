"""Which engine and which model a profile loads here."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import EngineUnavailable
from profiles.checking import check_profile
from profiles.resolve import load_request
from profiles.schema import Profile

BOTH = (("mlx", "org/X-4bit"), ("llama.cpp", "org/X-GGUF"))


def works(name: str) -> None:
    return None


def only(available: str) -> object:
    def unavailable(name: str) -> EngineUnavailable | None:
        return None if name == available else EngineUnavailable(f"no {name}")

    return unavailable


@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_each_engine_gets_its_own_model_and_draft(engine: str) -> None:
    drafts = (("mlx", "org/D"),)
    profile = Profile("p", "x", engine=engine, model_by_engine=BOTH, draft_by_engine=drafts)
    request = load_request(profile, works)
    assert request.model == dict(BOTH)[engine]
    assert request.draft_model == dict(drafts).get(engine)


def test_auto_takes_the_engine_whose_model_is_here(tmp_path: Path) -> None:
    here = tmp_path / "x.gguf"
    here.write_bytes(b"GGUF")
    profile = Profile("p", "x", model_by_engine=(("mlx", "/no/x"), ("llama.cpp", str(here))))
    assert load_request(profile, works).engine == "llama.cpp"
    assert load_request(profile, only("mlx")).engine == "mlx"  # type: ignore[arg-type]


def test_auto_takes_no_engine_that_has_no_model() -> None:
    profile = Profile("p", "x", model_by_engine=(("mlx", "org/X"),))
    with pytest.raises(EngineUnavailable, match="no mlx"):
        load_request(profile, only("llama.cpp"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "engine", "expected"),
    [
        ("org/X-GGUF", "llama.cpp", "org/X-GGUF:Q5_K_M"),
        ("org/X-GGUF", "mlx", "org/X-GGUF:Q5_K_M"),
        ("org/X-GGUF:Q4_0", "llama.cpp", "org/X-GGUF:Q4_0"),
        ("org/X-4bit", "mlx", "org/X-4bit"),
        ("/m/x.gguf", "llama.cpp", "/m/x.gguf"),
        ("ollama:x:8b", "llama.cpp", "ollama:x:8b"),
        ("demo:target", "llama.cpp", "demo:target"),
    ],
)
def test_the_quantization_completes_a_repository_that_leaves_it_open(
    model: str, engine: str, expected: str
) -> None:
    profile = Profile("p", model, engine=engine, quantization="Q5_K_M")
    assert load_request(profile, works).model == expected


def test_the_adapter_is_loaded_with_the_model() -> None:
    assert load_request(Profile("p", "x", engine="mlx", adapter="/a"), works).adapter == "/a"


def test_a_check_looks_at_the_model_of_the_engine_that_would_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('# mine\n\nengine = "llama.cpp"\n  model = {mlx = "demo:target"}\n')
    models = (("llama.cpp", "/no/x.gguf"), ("mlx", "demo:target"))
    profile = Profile("mine", "x", engine="llama.cpp", model_by_engine=models, origin=str(path))
    [error] = check_profile(profile)
    assert (error.key, error.line, error.column) == ("model", 4, 3)
