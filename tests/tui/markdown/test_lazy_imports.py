"""The first paint does not wait for a Markdown parser or a highlighter."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys
import tui.clipboard, tui.lean_screen, tui.widgets.transcript_view
print(sorted({"markdown_it", "pygments.lexers", "linkify_it"} & set(sys.modules)))
"""


def test_transcript_imports_no_parser() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
