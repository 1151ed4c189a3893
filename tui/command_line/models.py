"""`llm-tui models`: what is here, what fits, getting, converting, training and removing models."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "list": "list_models",
    "show": "show_model",
    "fit": "fit",
    "pull": "pull",
    "convert": "convert",
    "train": "train",
    "remove": "remove",
}
"""A command's name and its function in `models_NAME.py`."""


class Models(click.Group):
    """Imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tui.command_line.models_{cmd_name}")
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        return command


@click.group(cls=Models)
def models() -> None:
    """Find, get, convert, train and remove models.

    MODEL is a path, a Hugging Face repository (ORG/NAME or ORG/NAME:QUANT), ollama:NAME,
    lmstudio:NAME or demo:target.
    """
