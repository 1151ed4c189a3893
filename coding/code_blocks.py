"""The fenced code of an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

FILE_ENDINGS = {
    "python": ".py", "py": ".py", "javascript": ".js", "js": ".js", "typescript": ".ts",
    "ts": ".ts", "bash": ".sh", "sh": ".sh", "shell": ".sh", "json": ".json", "toml": ".toml",
    "yaml": ".yaml", "yml": ".yaml", "html": ".html", "css": ".css", "sql": ".sql", "c": ".c",
    "cpp": ".cpp", "c++": ".cpp", "rust": ".rs", "go": ".go", "java": ".java", "swift": ".swift",
    "ruby": ".rb", "markdown": ".md", "md": ".md",
}  # fmt: skip

_DEFINITION = re.compile(r"^(?:async\s+def|def|class|function|fn|func)\s+([A-Za-z_]\w*)", re.M)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fence: its language as written (may be empty) and its text without the fence."""

    language: str
    text: str

    @property
    def suggested_name(self) -> str:
        """A file name from the first definition in it, such as `parse_version.py`."""
        found = _DEFINITION.search(self.text)
        stem = found.group(1).lower() if found else "snippet"
        return stem + FILE_ENDINGS.get(self.language.lower(), ".txt")


def code_blocks(markdown: str) -> list[CodeBlock]:
    """Every fenced block of `markdown` in order, nested ones included."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    return [
        CodeBlock((token.info.split() or [""])[0], token.content)
        for token in tokens
        if token.type == "fence"
    ]
