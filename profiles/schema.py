"""What a profile says. Each field names the keys of the file that it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType

from engines.types import Constraint, SamplingParams
from profiles import keys
from profiles.permissions import Permissions
from profiles.settings import Setting, Table, from_keys
from profiles.task import Task


@dataclass(frozen=True, slots=True)
class Profile:
    """A task and what answers it.

    Args:
        name: The file's name without its ending; what `--profile` takes.
        model: The model, or the first one where `model_by_engine` has one for each engine.
        model_by_engine: Pairs of engine and model; empty where one model serves all.
        draft_model: The same for a draft model, or None; `draft_by_engine` belongs to it.
        use_draft: False decodes plainly: no draft model, no lookups. `draft = "off"` in the file.
        draft_depth, flash_attention, prefill_chunk_tokens, gpu_layers: As in
            `engines.types.LoadRequest`.
        context_window_tokens: Limit to reserve for; None takes the model's own.
        reasoning: Ask for it (True), suppress it (False), or leave it to the model (None).
        max_tokens: Longest answer; None is limited by the context window only.
        tools: Names of the tools to offer; None offers what the task has by itself.
        keep_alive_s: How long an idle model stays loaded; infinite is for ever.
        constraint: The form that every answer must have.
        options: Engine-specific settings, set by commands.
        origin: Where the profile was read: `builtin`, or the path of its file.
        layer: `built-in`, `user` or `project`.
        ignored: Keys that do not count until their folder is trusted.
    """

    name: str
    model: str = field(metadata=from_keys(keys.MODEL))
    title: str = field(default="", metadata=from_keys(keys.TITLE))
    description: str = field(default="", metadata=from_keys(keys.DESCRIPTION))
    task: Task | None = field(default=None, metadata=from_keys(keys.TASK))
    engine: str = field(default="auto", metadata=from_keys(keys.ENGINE))
    model_by_engine: tuple[tuple[str, str], ...] = ()
    quantization: str = field(default="", metadata=from_keys(keys.QUANTIZATION))
    draft_model: str | None = field(default=None, metadata=from_keys(keys.DRAFT))
    draft_by_engine: tuple[tuple[str, str], ...] = ()
    use_draft: bool = True
    draft_depth: int | None = field(default=None, metadata=from_keys(keys.DRAFT_DEPTH))
    adapter: str | None = field(default=None, metadata=from_keys(keys.ADAPTER))
    kv_type: str = field(default="f16", metadata=from_keys(keys.KV_TYPE))
    flash_attention: bool | None = field(default=None, metadata=from_keys(keys.FLASH_ATTENTION))
    prefill_chunk_tokens: int | None = field(default=None, metadata=from_keys(keys.PREFILL_CHUNK))
    gpu_layers: int | None = field(default=None, metadata=from_keys(keys.GPU_LAYERS))
    context_window_tokens: int | None = field(default=None, metadata=from_keys(keys.CONTEXT_WINDOW))
    max_tokens: int | None = field(default=None, metadata=from_keys(keys.MAX_TOKENS))
    reasoning: bool | None = field(default=None, metadata=from_keys(keys.REASONING))
    reasoning_effort: str | None = field(default=None, metadata=from_keys(keys.REASONING_EFFORT))
    system_prompt: str = field(default="", metadata=from_keys(keys.SYSTEM_PROMPT))
    stop: tuple[str, ...] = field(default=(), metadata=from_keys(keys.STOP))
    tools: tuple[str, ...] | None = field(default=None, metadata=from_keys(keys.TOOLS))
    keep_alive_s: float | None = field(default=None, metadata=from_keys(keys.KEEP_ALIVE))
    constraint: Constraint | None = field(
        default=None, metadata=from_keys(keys.JSON_SCHEMA, keys.GRAMMAR)
    )
    sampling: SamplingParams = field(
        default_factory=SamplingParams, metadata=from_keys(keys.SAMPLING_TABLE)
    )
    permissions: Permissions = field(
        default_factory=Permissions, metadata=from_keys(keys.PERMISSIONS)
    )
    options: tuple[tuple[str, str], ...] = ()
    origin: str = "builtin"
    layer: str = "built-in"
    ignored: tuple[str, ...] = ()

    def model_for(self, engine: str) -> str:
        """The model that `engine` is to load; empty where the profile has none for it."""
        return dict(self.model_by_engine).get(engine, "" if self.model_by_engine else self.model)

    def draft_for(self, engine: str) -> str | None:
        """The same for the draft model."""
        if self.draft_by_engine:
            return dict(self.draft_by_engine).get(engine)
        return self.draft_model


def _settings() -> dict[str, Setting]:
    found: list[Setting] = [keys.EXTENDS]
    for item in fields(Profile):
        found += item.metadata.get("settings", ())
    return {setting.key: setting for setting in found}


SETTINGS = MappingProxyType(_settings())
"""Every key of a profile's file, in the order of the documentation."""

FIELD_OF_KEY: dict[str, str] = {
    setting.key: item.name
    for item in fields(Profile)
    for setting in item.metadata.get("settings", ())
}


def setting_at(path: tuple[str, ...]) -> Setting | None:
    """The setting at a dotted key such as `sampling.top_k`; None where there is none.

    A key within `model`, `draft` or `logit_bias` belongs to that setting's own value.
    """
    setting: Setting | None = SETTINGS.get(path[0]) if path else None
    if setting is not None and isinstance(setting.kind, Table) and len(path) > 1:
        setting = setting.kind.by_key.get(path[1])
    return setting


def all_keys() -> tuple[str, ...]:
    """Every key, those of tables with the table before a dot."""
    found: list[str] = []
    for setting in SETTINGS.values():
        found.append(setting.key)
        if isinstance(setting.kind, Table):
            found += [f"{setting.key}.{inner.key}" for inner in setting.kind.settings]
    return tuple(found)
