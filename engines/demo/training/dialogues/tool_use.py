"""Dialogues in which the assistant calls a tool to read, write, edit, list, search or run."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from engines.demo.training.chat import Dialogue, Message, assistant, system, tool, user
from engines.demo.training.dialogues.templates import DIRECTORIES, system_text
from engines.demo.training.dialogues.tools import offer_tools, tool_call, tool_system
from engines.demo.training.source.edits import break_code
from engines.demo.training.source.functions import SourceFunction

Explain = Callable[[SourceFunction, Random], str]
EXPLAIN_REQUESTS = [
    "Explain {p}.",
    "What does {p} do?",
    "Read {p} and tell me what it does.",
    "explain the code in {p}",
    "Look at `{p}` and explain it.",
]
CREATE_REQUESTS = [
    "Create {p} with a function `{n}` that does this: {d}.",
    "Write `{n}` to {p}. {d}.",
    "Add a file {p} with `{n}`: {d}.",
]
FIX_REQUESTS = [
    "Fix the syntax error in {p}.",
    "{p} does not run. Fix it.",
    "There is a bug in `{p}`, please fix it.",
]
FIND_REQUESTS = [
    "Where is `{n}` defined?",
    "Find `{n}` in this project.",
    "Search for {n}.",
]
LIST_REQUESTS = [
    "What files are in {w}?",
    "List the files in {w}.",
    "Show me {w}.",
    "what is in {w}",
]
FOLDERS = [".", "src", "app", "tests", "docs", "lib"]
FILES = [
    "main.py",
    "utils.py",
    "README.md",
    "pyproject.toml",
    "tests",
    "app.py",
    "config.py",
    "models.py",
    "cli.py",
    "setup.py",
    "data",
    "docs",
    "__init__.py",
]


def file_path(function: SourceFunction, rng: Random) -> str:
    folder = rng.choice(DIRECTORIES)
    own = function.name.strip("_").lower()
    module = function.module.split(".")[-1].strip("_") or "main"
    return folder + rng.choice([own, module, "main", "utils", "app", "helpers"]) + ".py"


def explain_file(
    function: SourceFunction, path: str, prompt: str | None, explain: Explain, rng: Random
) -> list[Message]:
    schemas, tools = offer_tools(rng, ["read"])
    head = "\n".join(function.imports) + "\n\n\n" if function.imports else ""
    request = rng.choice(EXPLAIN_REQUESTS).format(p=path)
    leads = ["", "", f"I will read `{path}` first.\n\n", "Let me look at the file.\n\n"]
    call = rng.choice(leads) + tool_call(tools["read"], path)
    return [
        system(tool_system(schemas, prompt)),
        user(request),
        assistant(call),
        tool(head + function.bare),
        assistant(explain(function, rng)),
    ]


def create_file(
    function: SourceFunction, path: str, prompt: str | None, rng: Random
) -> list[Message]:
    schemas, tools = offer_tools(rng, ["write"])
    head = "\n".join(function.imports) + "\n\n\n" if function.imports else ""
    name = function.name
    request = rng.choice(CREATE_REQUESTS).format(p=path, n=name, d=function.sentence)
    result = rng.choice(["ok", "done", f"Wrote {path}", f"File {path} written."])
    replies = [
        f"I created `{path}` with `{name}`.",
        f"Done. `{path}` now contains `{name}`.",
        f"`{name}` is in `{path}`.",
    ]
    return [
        system(tool_system(schemas, prompt)),
        user(request),
        assistant(tool_call(tools["write"], path, head + function.bare + "\n")),
        tool(result),
        assistant(rng.choice(replies)),
    ]


def fix_file(code: str, path: str, prompt: str | None, rng: Random) -> list[Message] | None:
    """Read, find the planted error, replace the line; None when no error can be planted."""
    broken = break_code(code, rng)
    if not broken:
        return None
    schemas, tools = offer_tools(rng, ["read", "edit"])
    pairs = zip(broken.code.split("\n"), code.split("\n"), strict=True)
    old, new = next((old.strip(), new.strip()) for old, new in pairs if old != new)
    request = rng.choice(FIX_REQUESTS).format(p=path)
    edit = f"{broken.diagnosis}\n\n{tool_call(tools['edit'], path, old, new)}"
    result = rng.choice(["ok", "done", "1 replacement made"])
    replies = [f"I fixed `{path}`. {broken.diagnosis}", f"Fixed. {broken.diagnosis}"]
    return [
        system(tool_system(schemas, prompt)),
        user(request),
        assistant(tool_call(tools["read"], path)),
        tool(broken.code),
        assistant(edit),
        tool(result),
        assistant(rng.choice(replies)),
    ]


def list_folder(function: SourceFunction, prompt: str | None, rng: Random) -> list[Message]:
    schemas, tools = offer_tools(rng, ["list"])
    folder = rng.choice(FOLDERS)
    files = rng.sample([*FILES, function.name.strip("_") + ".py"], rng.randint(2, 6))
    where = "this directory" if folder == "." else f"`{folder}`"
    request = rng.choice(LIST_REQUESTS).format(w=where)
    leads = [
        f"There are {len(files)} entries in {where}:\n\n",
        f"{where[0].upper()}{where[1:]} contains:\n\n",
        "Here are the files:\n\n",
    ]
    return [
        system(tool_system(schemas, prompt)),
        user(request),
        assistant(tool_call(tools["list"], folder, folder)),
        tool("\n".join(files)),
        assistant(rng.choice(leads) + "\n".join(f"- `{name}`" for name in files)),
    ]


def find_definition(
    function: SourceFunction, path: str, prompt: str | None, rng: Random
) -> list[Message]:
    schemas, tools = offer_tools(rng, ["grep"])
    name = function.name
    request = rng.choice(FIND_REQUESTS).format(n=name)
    line = function.bare.split("\n")[0]
    return [
        system(tool_system(schemas, prompt)),
        user(request),
        assistant(tool_call(tools["grep"], name, ".")),
        tool(f"{path}:{rng.randint(3, 240)}: {line}"),
        assistant(f"`{name}` is defined in `{path}`."),
    ]


def run_command(
    function: SourceFunction, path: str, prompt: str | None, rng: Random
) -> list[Message]:
    schemas, tools = offer_tools(rng, ["run"])
    name = function.name.strip("_")
    passed = f"{rng.randint(3, 90)} passed in {rng.randint(1, 9)}.{rng.randint(10, 99)}s"
    failed = (
        f"FAILED tests/test_{name}.py::test_{name} - AssertionError\n"
        f"1 failed, {rng.randint(3, 40)} passed"
    )
    version = f"Python 3.{rng.randint(10, 14)}.{rng.randint(0, 9)}"
    failure = f"One test fails: `test_{name}` in `tests/test_{name}.py`, with an `AssertionError`."
    command, requests, output, answer = rng.choice(
        [
            (
                "pytest -q",
                ["Run the tests.", "run the tests", "Do the tests pass?"],
                passed,
                "All tests pass.",
            ),
            ("pytest -q", ["Run the tests.", "Run pytest."], failed, failure),
            (
                "git status --short",
                ["What changed?", "Show the git status.", "git status"],
                f" M {path}",
                f"One file is modified: `{path}`.",
            ),
            (
                f"python {path}",
                [f"Run {path}.", f"Execute `{path}`."],
                "ok",
                f"`{path}` ran and printed `ok`.",
            ),
            (
                "python --version",
                ["Which Python version is installed?", "What Python version do I have?"],
                version,
                f"{version} is installed.",
            ),
        ]
    )
    return [
        system(tool_system(schemas, prompt)),
        user(rng.choice(requests)),
        assistant(tool_call(tools["run"], command)),
        tool(output),
        assistant(answer),
    ]


def tool_dialogue(function: SourceFunction, explain: Explain, rng: Random) -> Dialogue:
    """One drawing of the dialogues above; `explain` writes the explanation of a file."""
    path = file_path(function, rng)
    prompt = None if rng.random() < 0.15 else system_text(rng)
    draw = rng.random()
    if draw < 0.45:
        return Dialogue("tool", explain_file(function, path, prompt, explain, rng))
    if draw < 0.6 and function.sentence:
        return Dialogue("tool", create_file(function, path, prompt, rng))
    if draw < 0.8 and (fixed := fix_file(function.bare, path, prompt, rng)):
        return Dialogue("tool", fixed)
    kind = rng.choice(["list", "run", "run", "grep"])
    if kind == "list":
        return Dialogue("tool", list_folder(function, prompt, rng))
    if kind == "grep":
        return Dialogue("tool", find_definition(function, path, prompt, rng))
    return Dialogue("tool", run_command(function, path, prompt, rng))
