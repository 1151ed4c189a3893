"""Tool lists and tool calls, in the words of the chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from engines.demo.training.dialogues.templates import read_texts

TOOLS = read_texts("tools")
Signature = Sequence[str]
"""A tool's name, then the names of its parameters."""

INTRODUCTION = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
INSTRUCTION = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments"
    " within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


def tool_schema(signature: Signature, description: str) -> dict[str, Any]:
    name, *parameters = signature
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {parameter: {"type": "string"} for parameter in parameters},
                "required": parameters,
            },
        },
    }


def offer_tools(
    rng: Random, needed: list[str]
) -> tuple[list[dict[str, Any]], dict[str, Signature]]:
    """Schemas of the needed kinds of tools among others, and the signature of each kind."""
    kinds = list(dict.fromkeys(needed + rng.sample(list(TOOLS), rng.randint(0, 3))))
    rng.shuffle(kinds)
    schemas, signatures = [], {}
    for kind in kinds:
        signatures[kind] = rng.choice(TOOLS[kind]["signatures"])
        schemas.append(tool_schema(signatures[kind], rng.choice(TOOLS[kind]["descriptions"])))
    return schemas, signatures


def tool_system(schemas: list[dict[str, Any]], text: str | None = None) -> str:
    """The system message that the chat template makes of these tools."""
    listed = "".join("\n" + json.dumps(schema) for schema in schemas)
    return (f"{text}\n\n" if text else "") + INTRODUCTION + listed + INSTRUCTION


def tool_call(signature: Signature, *values: str) -> str:
    """A call with the first `len(values)` parameters."""
    name, *parameters = signature
    call = {"name": name, "arguments": dict(zip(parameters, values, strict=False))}
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
