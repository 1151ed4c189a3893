"""A fenced code block that is still being written."""

from __future__ import annotations

import re

from tui.markdown.blocks import CodeBlock
from tui.markdown.code import LineColorer
from tui.markdown.layout import Layout, code_header, code_line
from tui.markdown.lines import Line

_START = re.compile(r"( {0,3})(`{3,}|~{3,})[ \t]*([^\n]*)\n")


class OpenFence:
    """Takes the code line by line: a finished line is colored and laid out once."""

    def __init__(self, indent: int, marker: str, language: str) -> None:
        self.language = language
        self._indent = re.compile(f" {{0,{indent}}}")
        self._end = re.compile(rf" {{0,3}}{re.escape(marker[0])}{{{len(marker)},}}[ \t]*\Z")
        self._code: list[str] = []
        self._partial = ""
        self._colorer = LineColorer(language)
        self._colored_count = 0
        self._lines: list[Line] = []
        self._layout: Layout | None = None

    @classmethod
    def start(cls, source: str) -> tuple[OpenFence, str] | None:
        """A fence when `source` begins with a whole opening line, and the text after that line."""
        match = _START.match(source)
        if match is None or (match[2][0] == "`" and "`" in match[3]):
            return None
        language = (match[3].split() or [""])[0]
        return cls(len(match[1]), match[2], language), source[match.end() :]

    def append(self, text: str) -> str | None:
        """Take in `text`; returns what follows the closing line, None while the fence is open."""
        *lines, self._partial = (self._partial + text).split("\n")
        for index, line in enumerate(lines):
            if self._end.match(line):
                rest = "\n".join([*lines[index + 1 :], self._partial])
                self._partial = ""
                return rest
            self._code.append(self._indent.sub("", line, count=1))
        return None

    def finish(self) -> None:
        """The text has ended: its last line is whole."""
        if self._partial and not self._end.match(self._partial):
            self._code.append(self._indent.sub("", self._partial, count=1))
        self._partial = ""

    def block(self) -> CodeBlock:
        """The code so far, as a block."""
        return CodeBlock(self.language, "".join(f"{line}\n" for line in self._code))

    def lines(self, layout: Layout) -> list[Line]:
        """The rows so far; those of finished lines are the same objects from call to call."""
        if layout != self._layout:
            self._layout = layout
            self._lines = [code_header(self.language)]
            self._colorer = LineColorer(self.language)
            self._colored_count = 0
        for line in self._code[self._colored_count :]:
            self._lines += code_line(self._colorer.color(line), layout)
        self._colored_count = len(self._code)
        if not self._partial.strip(" `~"):
            return self._lines.copy()
        partial = LineColorer("").color(self._indent.sub("", self._partial, count=1))
        return self._lines + code_line(partial, layout)
