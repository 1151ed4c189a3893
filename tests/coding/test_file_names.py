from __future__ import annotations

import pytest

from coding.file_names import code_file_name, document_file_name


@pytest.mark.parametrize(
    ("language", "code", "name"),
    [
        ("python", "import os\ndef parse_version(text):\n    ...", "parse_version.py"),
        ("python", "class Point:\n    def area(self): ...", "point.py"),
        ("Rust", "fn main() {}", "main.rs"),
        ("", "hello", "snippet.txt"),
    ],
)
def test_code_is_named_after_its_first_definition(language: str, code: str, name: str) -> None:
    assert code_file_name(language, code) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Write a Python function!", "write-a-python-function.md"),
        ("../../etc/passwd", "etc-passwd.md"),
        ("…", "conversation.md"),
        (
            "one two three four five six seven eight nine",
            "one-two-three-four-five-six-seven-eight.md",
        ),
    ],
)
def test_a_document_is_named_after_its_title(title: str, name: str) -> None:
    assert document_file_name(title) == name
