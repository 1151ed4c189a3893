"""The user's own editor."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from engines.errors import ExplainedError

EDITORS = ("nano", "vim", "vi")


class EditorError(ExplainedError):
    """No editor could be opened."""


def editor_command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The words of the command that `VISUAL` or `EDITOR` names, else an editor that is here.

    Raises:
        EditorError: there is none.
    """
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environment.get(name, ""))
        except ValueError as error:
            raise EditorError(f"{name} cannot be used: {error}.", f"Correct {name}.") from error
        if words:
            return words
    found = next((editor for editor in EDITORS if shutil.which(editor)), None)
    if found is None:
        raise EditorError("There is no editor here.", "Name one with: export EDITOR=…")
    return [found]


def edit_file(path: Path) -> None:
    """Open `path` in the editor, on this terminal, and wait for its end.

    Raises:
        EditorError: it cannot be started, or ended with an error.
    """
    command = editor_command()
    hint = f"Open it yourself: {path}"
    try:
        # Under the app the descriptors 1 and 2 lead to the log; these two, to the terminal.
        code = subprocess.run(
            [*command, str(path)], stdout=sys.__stdout__, stderr=sys.__stderr__, check=False
        ).returncode
    except OSError as error:
        raise EditorError(f"{command[0]} does not start: {error}.", hint) from error
    if code:
        raise EditorError(f"{command[0]} ended with {code}.", hint)
