"""The user's editor gets the terminal, and the app gets it back."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.end_to_end.chat import ask, wait_for_prompt
from tests.end_to_end.conftest import PROGRAM
from tests.terminal.program import TerminalProgram

pytestmark = pytest.mark.pty

EDITOR = """\
import sys
from pathlib import Path

path = Path(sys.argv[1])
print("\\x1b[2J\\x1b[HEDITING", path.name, flush=True)
print("terminals:", sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), flush=True)
title = input("title> ")
path.write_text(path.read_text() + f'title = "{title}"\\n')
"""


def test_the_profile_is_edited_in_the_editor_and_used_at_once(tmp_path: Path) -> None:
    (tmp_path / "editor.py").write_text(EDITOR)
    (tmp_path / "answers.md").write_text("An answer from before.\n%%%\nAnd one from after.")
    command = [PROGRAM, "--engine", "scripted", "--script", str(tmp_path / "answers.md")]
    environment = {"EDITOR": f"{sys.executable} {tmp_path / 'editor.py'}"}
    with TerminalProgram(command, tmp_path, environment=environment) as program:
        ask(program, "one")
        program.wait_for("An answer from before.")
        program.press("ctrl+p")
        program.type("edit profile")
        program.wait_for("Open its file in your editor")
        program.press("enter")
        program.wait_for("EDITING chat.toml")
        program.wait_for("terminals: True True True")
        program.type("My own")
        program.press("enter")
        wait_for_prompt(program)
        program.wait_for("My own is in use")
        text = program.screen.text
        assert "An answer from before." in text  # everything is drawn again
        assert "EDITING" not in text
        ask(program, "two")
        program.wait_for("And one from after.")
        program.press("ctrl+q")
        assert program.wait_exit() == 0
    [changed] = (tmp_path / ".config" / "llm-tui" / "profiles").glob("*.toml")
    assert tomllib.loads(changed.read_text()) == {"extends": "chat", "title": "My own"}
