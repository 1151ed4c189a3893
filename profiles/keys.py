"""The keys of a profile's file, each described once.

The reader, the JSON Schema for editors and the table in the documentation are all made from these,
through the fields of `profiles.schema.Profile` that name them.
"""

from __future__ import annotations

from profiles.file_kinds import ModelByEngine, ModelName, TextOfFile
from profiles.kinds import Choice, Duration, Number, Switch, Text, Texts
from profiles.permissions import Permission
from profiles.sampling import SAMPLING
from profiles.settings import Setting, Table
from profiles.task import Task

RUNNING_ENGINES = ("mlx", "llama.cpp")
KV_TYPES = ("f16", "bf16", "f32", "q8_0", "q4_0")
REASONING_EFFORTS = ("low", "medium", "high")
_TOKENS = Number(0, 2**31 - 1, is_whole=True, zero_is_none=True)
_PERMISSION = Choice(tuple(item.value for item in Permission))

EXTENDS = Setting(
    "extends",
    Text("coding"),
    "Another profile, whose settings hold where this file has none of its own. The file's own"
    " name means the profile that it takes the place of.",
)
TITLE = Setting("title", Text("Coding"), "What the app shows.", "the file's name")
DESCRIPTION = Setting("description", Text("short answers"), "What it is for, in a few words.")
TASK = Setting(
    "task",
    Choice(tuple(item.value for item in Task), hint="A text of your own goes to description."),
    "What it is for; recommendations are made by task.",
)
MODEL = Setting(
    "model",
    ModelByEngine(RUNNING_ENGINES),
    "A Hugging Face repository (org/repo or org/repo:QUANT), ollama:NAME, lmstudio:NAME,"
    " demo:target, or the path of a GGUF file or a model folder; or a table with one for each"
    " engine. In a file that extends another, it leaves that one's draft, quantization and"
    " adapter behind.",
)
ENGINE = Setting(
    "engine",
    Choice(("auto", *RUNNING_ENGINES), hidden=("scripted",)),
    "The engine, or auto for one that works here.",
    "auto",
)
QUANTIZATION = Setting(
    "quantization",
    Text("Q4_K_M"),
    "Of the weights, where the model is a repository that has several.",
)
DRAFT = Setting(
    "draft",
    ModelByEngine(RUNNING_ENGINES, "off"),
    'A draft model, as model. "none" is no draft model, "off" drafts nothing at all.',
    "none",
)
ADAPTER = Setting(
    "adapter",
    ModelName("./adapters/mine"),
    'A LoRA adapter for the model: a path or a Hugging Face repository; "none" is none.',
    "none",
)
KV_TYPE = Setting("kv_type", Choice(KV_TYPES), "Element type of the KV cache.", "f16")
DRAFT_DEPTH = Setting(
    "draft_depth",
    Number(0, 63, is_whole=True, zero_is_none=True),
    "Tokens to draft in one step at most; 0 leaves it to measurement in every turn.",
    "0",
)
FLASH_ATTENTION = Setting(
    "flash_attention", Switch(), "Of llama.cpp; auto uses it where the model allows it.", "auto"
)
PREFILL_CHUNK = Setting(
    "prefill_chunk",
    Number(0, 8192, is_whole=True, zero_is_none=True),
    "Prompt tokens to read in one pass at most; 0 leaves it to the engine.",
    "0",
)
GPU_LAYERS = Setting(
    "gpu_layers",
    Number(0, 10_000, is_whole=True),
    "Layers that llama.cpp computes on the GPU.",
    "all, or as many as fit",
)
CONTEXT_WINDOW = Setting(
    "context_window", _TOKENS, "Tokens to have room for; 0 is the model's own limit.", "0"
)
MAX_TOKENS = Setting(
    "max_tokens", _TOKENS, "Longest answer; 0 is limited by the context window only.", "0"
)
REASONING = Setting("reasoning", Switch(), "Ask for reasoning, or suppress it.", "auto")
REASONING_EFFORT = Setting(
    "reasoning_effort",
    Choice(REASONING_EFFORTS),
    "How long to reason, for models that can be told.",
    "the model's own",
)
SYSTEM_PROMPT = Setting("system_prompt", Text("Answer briefly."), "What the model is told first.")
STOP = Setting("stop", Texts(), "Texts that end the answer and are not part of it.")
TOOLS = Setting(
    "tools",
    Texts(pattern="[a-z][a-z0-9_-]*", example_text="read_file"),
    "Names of the tools that the model may call; [] offers none.",
    "those of the task",
)
KEEP_ALIVE = Setting(
    "keep_alive",
    Duration(),
    "How long the model stays loaded without a question.",
    "forever",
)
JSON_SCHEMA = Setting(
    "json_schema",
    TextOfFile("person.json", inline_prefix="{"),
    "Every answer is JSON that this schema describes: a file, or the schema itself.",
)
GRAMMAR = Setting(
    "grammar",
    TextOfFile("answer.gbnf"),
    "Every answer is in the language of this file's grammar, in GBNF or Lark notation.",
)
SAMPLING_TABLE = Setting("sampling", SAMPLING, "How tokens are drawn.")
PERMISSIONS = Setting(
    "permissions",
    Table(
        (
            Setting("read", _PERMISSION, "Reading files of the working folder.", "allow"),
            Setting("write", _PERMISSION, "Changing files of the working folder.", "ask"),
            Setting("run", _PERMISSION, "Running programs.", "ask"),
        )
    ),
    "What tools may do without a question.",
)
