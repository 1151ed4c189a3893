"""Dialogues of several tool calls in a small project, and answers that need no tool."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from engines.demo.training.chat import Dialogue, Message, assistant, system, tool, user
from engines.demo.training.dialogues.concepts import (
    CONCEPTS,
    MORE_CONCEPTS,
    concept_dialogue,
    small_talk,
)
from engines.demo.training.dialogues.explanations import explanation, function_task
from engines.demo.training.dialogues.tasks import TASKS, task_dialogue, with_name
from engines.demo.training.dialogues.templates import (
    DIRECTORIES,
    pick,
    read_texts,
    system_text,
    thanks,
)
from engines.demo.training.dialogues.tools import Signature, offer_tools, tool_call, tool_system
from engines.demo.training.source.edits import break_code
from engines.demo.training.source.functions import with_one_line_docstring
from engines.demo.training.source.observations import listed
from engines.demo.training.source.words import both_forms

WORDS = read_texts("practical")["agent"]
FILE_NAMES = [
    "main",
    "app",
    "utils",
    "tools",
    "core",
    "text",
    "numbers",
    "lists",
    "words",
    "shapes",
    "convert",
    "report",
    "stats",
]
RUNNABLE = [
    task
    for task in TASKS
    if task.usage and task.usage.startswith("print(") and task.usage.count("  # ") == 1
]


class Project:
    """A folder with one file of a few functions, and the tools that this dialogue offers."""

    def __init__(self, rng: Random, needed: list[str]) -> None:
        self.rng = rng
        schemas, self.tools = offer_tools(rng, needed)
        prompt = system_text(rng) if rng.random() < 0.7 else None
        self.system = system(tool_system(schemas, prompt))
        self.path = rng.choice(DIRECTORIES) + rng.choice(FILE_NAMES) + ".py"
        self.tasks = [function_task(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
        self.task = rng.choice(self.tasks)

    def file(self, changed: str | None = None) -> str:
        """The file's text; `changed` replaces the chosen function."""
        imports = sorted({line for task in self.tasks for line in task.imports})
        head = "\n".join(imports) + "\n\n\n" if imports else ""
        codes = [changed if changed and task is self.task else task.code for task in self.tasks]
        return head + "\n\n\n".join(codes)

    def words(self, key: str, **fields: str) -> str:
        base, third = both_forms(self.task.phrases[0])
        values = {"p": self.path, "n": self.task.name, "b": base, "t": third} | fields
        return pick(self.rng, WORDS[key]).format(**values)

    def call(self, kind: str, *values: str, lead: str = "") -> Message:
        signature: Signature = self.tools[kind]
        return assistant(lead + tool_call(signature, *values))

    def read(self) -> Message:
        return self.call("read", self.path, lead=self.words("look"))


def explain_function(rng: Random) -> list[Message]:
    project = Project(rng, ["read"])
    return [
        project.system,
        user(project.words("explain_function")),
        project.read(),
        tool(project.file()),
        assistant(explanation(project.task, rng)),
    ]


def list_functions(rng: Random) -> list[Message]:
    project = Project(rng, ["read"])
    names = [task.name for task in project.tasks]
    answer = f"`{project.path}` defines {listed(list(dict.fromkeys(names)))}."
    return [
        project.system,
        user(project.words("list_functions")),
        project.read(),
        tool(project.file()),
        assistant(answer),
    ]


def edit_messages(project: Project, request: str, old: str, new: str, reply: str) -> list[Message]:
    """Read the file, replace one line or function, report."""
    return [
        project.system,
        user(request),
        project.read(),
        tool(project.file()),
        project.call("edit", project.path, old, new),
        tool(project.words("edited")),
        assistant(reply),
    ]


def rename_in_file(rng: Random) -> list[Message]:
    project = Project(rng, ["read", "edit"])
    task = project.task
    new = rng.choice([f"my_{task.name}", f"{task.name}_2", "solve", "compute", "helper"])
    old_line = task.code.split("\n")[0]
    new_line = with_name(task, new).code.split("\n")[0]
    request = project.words("rename_function", m=new)
    reply = f"I renamed `{task.name}` to `{new}` in `{project.path}`."
    return edit_messages(project, request, old_line, new_line, reply)


def document_in_file(rng: Random) -> list[Message]:
    project = Project(rng, ["read", "edit"])
    task = project.task
    code = with_one_line_docstring(task.code, both_forms(task.phrases[0]).third)
    old, new = task.code.split("\n")[0], "\n".join(code.split("\n")[:2])
    reply = f"I added a docstring to `{task.name}` in `{project.path}`."
    return edit_messages(project, project.words("docstring"), old, new, reply)


def create_and_run(rng: Random) -> list[Message]:
    """The task's own usage line gives the output of the run."""
    project = Project(rng, ["write", "run"])
    project.task = task = rng.choice(RUNNABLE)
    usage, output = (task.usage or "").split("  # ")
    head = "\n".join(task.imports) + "\n\n\n" if task.imports else ""
    source = f"{head}{task.code}\n\n\n{usage}\n"
    path = project.path
    return [
        project.system,
        user(project.words("create_and_run")),
        project.call("write", path, source),
        tool(project.words("written")),
        project.call("run", f"python {path}"),
        tool(output),
        assistant(f"I wrote `{task.name}` to `{path}`. The call `{usage[6:-1]}` gives `{output}`."),
    ]


def fix_tests(rng: Random) -> list[Message] | None:
    """Run, read the file that the error names, replace the broken line, run again."""
    project = Project(rng, ["run", "read", "edit"])
    broken = break_code(project.task.code, rng)
    if not broken:
        return None
    text = project.file(broken.code)
    pairs = list(zip(text.split("\n"), project.file().split("\n"), strict=True))
    number, (old, new) = next((i, pair) for i, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    command = rng.choice(["pytest -q", "python -m pytest -q", "pytest"])
    error = (
        f'  File "{project.path}", line {number}\n    {old.strip()}\nSyntaxError: invalid syntax'
    )
    passed = f"{rng.randint(2, 60)} passed in 0.{rng.randint(10, 99)}s"
    return [
        project.system,
        user(project.words("fix_tests")),
        project.call("run", command),
        tool(error),
        project.read(),
        tool(text),
        project.call("edit", project.path, old, new, lead=f"{broken.diagnosis}\n\n"),
        tool(project.words("edited")),
        project.call("run", command),
        tool(passed),
        assistant(project.words("fixed", d=broken.diagnosis)),
    ]


def find_and_explain(rng: Random) -> list[Message]:
    project = Project(rng, ["grep", "read"])
    task = project.task
    lines = project.file().split("\n")
    number = next(i for i, line in enumerate(lines, 1) if line.startswith(f"def {task.name}("))
    return [
        project.system,
        user(project.words("find_and_explain")),
        project.call("grep", f"def {task.name}", "."),
        tool(f"{project.path}:{number}: {lines[number - 1]}"),
        project.call("read", project.path),
        tool("\n".join(lines)),
        assistant(f"It is in `{project.path}`. {explanation(task, rng)}"),
    ]


def missing_file(rng: Random) -> list[Message]:
    """The file is somewhere else: list the folder, read the right one."""
    project = Project(rng, ["read", "list"])
    wrong = project.path.split("/")[-1]
    if wrong == project.path:
        project.path = "src/" + project.path
    folder = project.path.split("/")[0]
    names = [project.path.split("/")[-1], *rng.sample(["__init__.py", "cli.py", "config.py"], 2)]
    request = f"What does `{project.task.name}` in {wrong} do?"
    return [
        project.system,
        user(request),
        project.call("read", wrong),
        tool(pick(rng, WORDS["missing"]).format(p=wrong)),
        project.call("list", folder),
        tool("\n".join(sorted(names))),
        project.call("read", project.path),
        tool(project.file()),
        assistant(explanation(project.task, rng)),
    ]


def answer_without_tool(rng: Random) -> list[Message]:
    """Tools are offered, and the question needs none."""
    project = Project(rng, [])
    draw = rng.random()
    if draw < 0.5:
        turns = task_dialogue(rng, rng.choice([rng.choice(TASKS), function_task(rng)]))
    elif draw < 0.8:
        turns = concept_dialogue(rng, rng.choice(CONCEPTS + MORE_CONCEPTS))
    else:
        turns = small_talk(rng)
    own = turns[0].role == "system"
    return turns if own else [project.system, *turns]


SCENES: list[tuple[float, Callable[[Random], list[Message] | None]]] = [
    (0.14, explain_function),
    (0.20, list_functions),
    (0.31, rename_in_file),
    (0.40, document_in_file),
    (0.52, create_and_run),
    (0.66, fix_tests),
    (0.76, find_and_explain),
    (0.82, missing_file),
    (1.00, answer_without_tool),
]


def agent_dialogue(rng: Random) -> Dialogue:
    """One of the scenes; sometimes the user says thanks."""
    while True:
        draw = rng.random()
        scene = next(make for limit, make in SCENES if draw < limit)
        if messages := scene(rng):
            break
    if messages[-1].role == "assistant" and rng.random() < 0.1:
        messages = [*messages, *thanks(rng)]
    return Dialogue("tool", messages)
