"""Names for files that hold code of an answer."""

from __future__ import annotations

import re

FILE_ENDINGS = {
    "python": ".py", "py": ".py", "javascript": ".js", "js": ".js", "typescript": ".ts",
    "ts": ".ts", "bash": ".sh", "sh": ".sh", "shell": ".sh", "json": ".json", "toml": ".toml",
    "yaml": ".yaml", "yml": ".yaml", "html": ".html", "css": ".css", "sql": ".sql", "c": ".c",
    "cpp": ".cpp", "c++": ".cpp", "rust": ".rs", "go": ".go", "java": ".java", "swift": ".swift",
    "ruby": ".rb", "markdown": ".md", "md": ".md",
}  # fmt: skip

_DEFINITION = re.compile(r"^(?:async\s+def|def|class|function|fn|func)\s+([A-Za-z_]\w*)", re.M)


def code_file_name(language: str, code: str) -> str:
    """A name from the first definition in `code`, such as `parse_version.py`."""
    found = _DEFINITION.search(code)
    stem = found.group(1).lower() if found else "snippet"
    return stem + FILE_ENDINGS.get(language.lower(), ".txt")


def document_file_name(title: str) -> str:
    """A Markdown file's name from the first words of a title."""
    words = "".join(c if c.isalnum() else " " for c in title.lower()).split()
    return f"{'-'.join(words[:8]) or 'conversation'}.md"
