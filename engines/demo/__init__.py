"""The embedded demonstration pair: a 29M target and a 4.5M draft, both Q8_0 GGUF.

`MODEL_CARD.md` beside this file says what they were trained on and what they can do.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

DEMO_MODELS = {
    "demo:target": "llm-tui-demo-target-Q8_0.gguf",
    "demo:draft": "llm-tui-demo-draft-Q8_0.gguf",
}


def demo_model_path(name: str) -> Path | None:
    """Path of the embedded model `name` (`demo:target`, `demo:draft`); None for other names."""
    file_name = DEMO_MODELS.get(name)
    return Path(str(files("engines.demo") / "models" / file_name)) if file_name else None
